//===- KeyBlocks.cpp --------------------------------------------------------===//
#include "KeyBlocks.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace heddle;

KeyBlocks KeyBlocks::fromRanges(ImplicitLocOpBuilder &b, const KeyRanges &inKeys, int64_t keys, Value keyCount) {
  KeyBlocks result;
  result.keys = keys;
  // The last block is cut off by the number of keys: full only if it is whole, which rounding inward sees to.
  result.ranges = roundToBlocks(b, b.getLoc(), inKeys, keys);
  result.count = arith::ConstantIndexOp::create(b, 0);
  for (const KeyRange &range : result.ranges.may) {
    result.starts.push_back(result.count);
    result.count = arith::AddIOp::create(b, result.count, arith::SubIOp::create(b, range.end, range.begin));
  }
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

KeyBlocks::Visit KeyBlocks::visitRanges(ImplicitLocOpBuilder &b, Value p) const {
  Value block, isFull;
  for (auto [may, full, start] : llvm::zip(ranges.may, ranges.full, starts)) {
    Value here = arith::AddIOp::create(b, may.begin, arith::SubIOp::create(b, p, start));
    Value fullHere = arith::AndIOp::create(b, arith::CmpIOp::create(b, arith::CmpIPredicate::sge, here, full.begin),
                                           arith::CmpIOp::create(b, arith::CmpIPredicate::slt, here, full.end));
    if (!block) {
      block = here;
      isFull = fullHere;
      continue;
    }
    Value reached = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, p, start);
    block = arith::SelectOp::create(b, reached, here, block);
    isFull = arith::SelectOp::create(b, reached, fullHere, isFull);
  }
  Value isPartial = arith::XOrIOp::create(b, isFull, arith::ConstantIntOp::create(b, 1, 1));
  return {arith::MulIOp::create(b, block, arith::ConstantIndexOp::create(b, keys)), isPartial};
}

KeyBlocks::Visit KeyBlocks::visit(ImplicitLocOpBuilder &b, Value p) const {
  if (!list)
    return visitRanges(b, p);
  SmallVector<Value> indices(coordinates);
  indices.push_back(p);
  Value entry = memref::LoadOp::create(b, list, indices);
  Value one = arith::ConstantIntOp::create(b, 1, 32), zero = arith::ConstantIntOp::create(b, 0, 32);
  Value block = arith::IndexCastOp::create(b, b.getIndexType(), arith::ShRUIOp::create(b, entry, one));
  Value isPartial = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, arith::AndIOp::create(b, entry, one), zero);
  return {arith::MulIOp::create(b, block, arith::ConstantIndexOp::create(b, keys)), isPartial};
}
