//===- ElementLoops.cpp - one pass over the elements of fused values --------===//
#include "lib/Conversion/TileToCPU/KernelEmitter.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::cpu;

SmallVector<Chunk> cpu::chunksOf(int64_t size, int64_t width) {
  SmallVector<Chunk> chunks;
  for (int64_t start = 0; start < size; width /= 2)
    if (int64_t count = (size - start) / width) {
      chunks.push_back({start, width, count});
      start += count * width;
    }
  return chunks;
}

Value KernelEmitter::combine(tile::ReduceKind kind, Value a, Value x) {
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(a.getType()));
  if (kind == tile::ReduceKind::Sum)
    return isFloat ? arith::AddFOp::create(b, a, x).getResult() : arith::AddIOp::create(b, a, x).getResult();
  if (!isFloat)
    return kind == tile::ReduceKind::Max ? arith::MaxSIOp::create(b, a, x).getResult()
                                         : arith::MinSIOp::create(b, a, x).getResult();
  // Compare and select is one instruction, unlike the operations that order NaNs.
  auto predicate = kind == tile::ReduceKind::Max ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT;
  return arith::SelectOp::create(b, arith::CmpFOp::create(b, predicate, x, a), x, a);
}

Value KernelEmitter::identityOf(tile::ReduceKind kind, Type type) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr value;
  bool isMax = kind == tile::ReduceKind::Max;
  if (kind == tile::ReduceKind::Sum)
    value = b.getZeroAttr(element);
  else if (auto floatType = dyn_cast<FloatType>(element))
    value = b.getFloatAttr(element, APFloat::getInf(floatType.getFloatSemantics(), isMax));
  else
    value = b.getIntegerAttr(element, isMax ? APInt::getSignedMinValue(element.getIntOrFloatBitWidth())
                                            : APInt::getSignedMaxValue(element.getIntOrFloatBitWidth()));
  if (auto vector = dyn_cast<VectorType>(type))
    value = DenseElementsAttr::get(vector, Attribute(value));
  return arith::ConstantOp::create(b, value);
}

/// Compute and store every root at `width` elements; reductions fold into `accumulators`, which are returned.
SmallVector<Value> KernelEmitter::emitElements(PendingLoop &loop, ArrayRef<Stored> targets, Value other, Value lane,
                                               int64_t width, ValueRange accumulators) {
  At at{loop.lanes == 0 ? lane : other, loop.lanes == 0 ? other : lane, loop.lanes, width};
  Cache cache;
  SmallVector<Value> results;
  SmallVector<std::pair<size_t, Value>> stores;
  for (auto [i, root] : llvm::enumerate(loop.roots)) {
    if (auto reduce = dyn_cast<tile::ReduceOp>(root)) {
      Value x = evaluate(reduce.getSource(), at, cache);
      results.push_back(combine(reduce.getKind(), accumulators[results.size()], x));
    } else {
      stores.push_back({i, evaluate(root->getResult(0), at, cache)});
    }
  }
  // All reads come before all writes: a value may overwrite what another was computed from.
  for (auto [i, value] : stores)
    writeForm(targets[i], at, value);
  return results;
}

void KernelEmitter::emitLoop(PendingLoop &loop, ArrayRef<Stored> targets) {
  if (loop.reduceDim >= 0 && loop.reduceDim != loop.lanes)
    emitLoopAcrossLanes(loop, targets);
  else
    emitLoopAlongLanes(loop, targets);
}

/// Reductions run along the other axis: each lane keeps its own running value.
void KernelEmitter::emitLoopAcrossLanes(PendingLoop &loop, ArrayRef<Stored> targets) {
  int64_t lanes = loop.lanes == 0 ? loop.rows : loop.columns, others = loop.rows * loop.columns / lanes;
  for (Chunk chunk : laneChunks(lanes))
    repeat(chunk.count, 1, [&](Value i) {
      Value lane = laneOf(i, chunk);
      SmallVector<Value> inits;
      for (Operation *root : loop.roots)
        if (auto reduce = dyn_cast<tile::ReduceOp>(root))
          inits.push_back(
              identityOf(reduce.getKind(), VectorType::get({chunk.width}, reduce.getType().getElementType())));
      SmallVector<Value> results = repeat(others, 1, inits, [&](Value other, ValueRange accumulators) {
        return emitElements(loop, targets, other, lane, chunk.width, accumulators);
      });
      unsigned next = 0;
      for (auto [root, target] : llvm::zip(loop.roots, targets))
        if (isa<tile::ReduceOp>(root))
          vector::StoreOp::create(b, results[next++], target.memory, ValueRange{lane});
    });
}

/// No reductions, or reductions along the lanes: a row of vectors and then a shuffle tree.
void KernelEmitter::emitLoopAlongLanes(PendingLoop &loop, ArrayRef<Stored> targets) {
  int64_t lanes = loop.lanes == 0 ? loop.rows : loop.columns, others = loop.rows * loop.columns / lanes;
  repeat(others, 1, [&](Value other) {
    SmallVector<Value> totals;
    for (Chunk chunk : laneChunks(lanes)) {
      SmallVector<Value> inits;
      for (Operation *root : loop.roots)
        if (auto reduce = dyn_cast<tile::ReduceOp>(root))
          inits.push_back(
              identityOf(reduce.getKind(), VectorType::get({chunk.width}, reduce.getType().getElementType())));
      SmallVector<Value> results = repeat(chunk.count, 1, inits, [&](Value i, ValueRange accumulators) {
        Value lane = laneOf(i, chunk);
        return emitElements(loop, targets, other, lane, chunk.width, accumulators);
      });
      unsigned next = 0;
      for (Operation *root : loop.roots) {
        auto reduce = dyn_cast<tile::ReduceOp>(root);
        if (!reduce)
          continue;
        // A shuffle tree of the same operation keeps one meaning for both directions of a reduction.
        Value part = results[next];
        for (int64_t width = chunk.width; width > 1; width /= 2) {
          auto half = [&](int64_t start) -> Value {
            return vector::ShuffleOp::create(b, part, part, llvm::to_vector(llvm::seq(start, start + width / 2)));
          };
          Value low = half(0), high = half(width / 2);
          part = combine(reduce.getKind(), low, high);
        }
        if (totals.size() <= next)
          totals.push_back(part);
        else
          totals[next] = combine(reduce.getKind(), totals[next], part);
        ++next;
      }
    }
    unsigned next = 0;
    for (auto [root, target] : llvm::zip(loop.roots, targets))
      if (isa<tile::ReduceOp>(root))
        vector::StoreOp::create(b, totals[next++], target.memory, ValueRange{other});
  });
}

/// Write the elements of `value` into a rectangle of `target`.
void KernelEmitter::storeInto(Value value, Stored target, int64_t rowOffset, int64_t columnOffset) {
  RankedTensorType type = tileType(value);
  int along = target.lanes;
  int64_t lanes = type.getDimSize(along), others = type.getDimSize(1 - along);
  for (Chunk chunk : laneChunks(lanes))
    repeat(others, 1, [&](Value other) {
      repeat(chunk.count, 1, [&](Value i) {
        Value lane = laneOf(i, chunk);
        At at{along == 0 ? lane : other, along == 0 ? other : lane, along, chunk.width};
        Cache cache;
        Value elements = evaluate(value, at, cache);
        writeForm(target, At{plus(at.row, rowOffset), plus(at.column, columnOffset), along, chunk.width}, elements);
      });
    });
}
