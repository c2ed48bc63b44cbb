//===- KeyBlocks.cpp --------------------------------------------------------===//
#include "KeyBlocks.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace heddle;

/// The blocks [begin, end) come next.
void KeyBlocks::append(ImplicitLocOpBuilder &b, SmallVector<Segment> &segments, Value begin, Value end) {
  segments.push_back({count, begin});
  count = arith::AddIOp::create(b, count, arith::SubIOp::create(b, end, begin));
}

KeyBlocks KeyBlocks::fromRanges(ImplicitLocOpBuilder &b, const KeyRanges &inKeys, int64_t keys) {
  KeyBlocks result;
  result.keys = keys;
  // The last block is cut off by the number of keys: full only if it is whole, which rounding inward sees to.
  KeyRanges ranges = roundToBlocks(b, b.getLoc(), inKeys, keys);
  result.count = arith::ConstantIndexOp::create(b, 0);
  for (const KeyRange &range : ranges.may)
    result.append(b, result.seen, range.begin, range.end);
  result.fullRanges.assign(ranges.full.begin(), ranges.full.end());
  return result;
}

KeyBlocks KeyBlocks::fromRangesApart(ImplicitLocOpBuilder &b, const KeyRanges &inKeys, int64_t keys) {
  KeyBlocks result;
  result.keys = keys;
  KeyRanges ranges = roundToBlocks(b, b.getLoc(), inKeys, keys);
  result.count = arith::ConstantIndexOp::create(b, 0);
  for (auto [may, full] : llvm::zip(ranges.may, ranges.full)) {
    result.append(b, result.seen, may.begin, full.begin);
    result.append(b, result.seen, full.end, may.end);
  }
  result.partialCount = result.count;
  for (const KeyRange &full : ranges.full)
    result.append(b, result.full, full.begin, full.end);
  return result;
}

KeyBlocks KeyBlocks::fromList(ImplicitLocOpBuilder &b, Value list, Value count, ArrayRef<Value> coordinates,
                              int64_t keys) {
  KeyBlocks result;
  result.keys = keys;
  result.list = list;
  result.coordinates.assign(coordinates.begin(), coordinates.end());
  result.count = arith::IndexCastOp::create(b, b.getIndexType(), memref::LoadOp::create(b, count, coordinates));
  return result;
}

KeyBlocks::Visit KeyBlocks::visit(ImplicitLocOpBuilder &b, Value p) const {
  if (list) {
    SmallVector<Value> indices(coordinates);
    indices.push_back(p);
    Value entry = memref::LoadOp::create(b, list, indices);
    Value one = arith::ConstantIntOp::create(b, 1, 32), zero = arith::ConstantIntOp::create(b, 0, 32);
    Value block = arith::IndexCastOp::create(b, b.getIndexType(), arith::ShRUIOp::create(b, entry, one));
    Value isPartial = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, arith::AndIOp::create(b, entry, one), zero);
    return {arith::MulIOp::create(b, block, arith::ConstantIndexOp::create(b, keys)), isPartial};
  }
  Value block, isFull;
  for (auto [segment, full] : llvm::zip(seen, fullRanges)) {
    Value here = arith::AddIOp::create(b, segment.block, arith::SubIOp::create(b, p, segment.start));
    Value fullHere = arith::AndIOp::create(b, arith::CmpIOp::create(b, arith::CmpIPredicate::sge, here, full.begin),
                                           arith::CmpIOp::create(b, arith::CmpIPredicate::slt, here, full.end));
    if (!block) {
      block = here;
      isFull = fullHere;
      continue;
    }
    Value reached = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, p, segment.start);
    block = arith::SelectOp::create(b, reached, here, block);
    isFull = arith::SelectOp::create(b, reached, fullHere, isFull);
  }
  Value isPartial = arith::XOrIOp::create(b, isFull, arith::ConstantIntOp::create(b, 1, 1));
  return {arith::MulIOp::create(b, block, arith::ConstantIndexOp::create(b, keys)), isPartial};
}

Value KeyBlocks::firstKeyOf(ImplicitLocOpBuilder &b, Value p, Value isPartial) const {
  auto blockAt = [&](ArrayRef<Segment> segments) {
    Value block;
    for (const Segment &segment : segments) {
      Value here = arith::AddIOp::create(b, segment.block, arith::SubIOp::create(b, p, segment.start));
      Value reached = block ? arith::CmpIOp::create(b, arith::CmpIPredicate::sge, p, segment.start) : Value();
      block = block ? Value(arith::SelectOp::create(b, reached, here, block)) : here;
    }
    return block;
  };
  Value block = arith::SelectOp::create(b, isPartial, blockAt(seen), blockAt(full));
  return arith::MulIOp::create(b, block, arith::ConstantIndexOp::create(b, keys));
}
