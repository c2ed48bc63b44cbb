//===- PairEmitter.cpp - scores, visibility and weights of one pair ---------===//
#include "lib/Conversion/AttnToLoops/PairEmitter.h"
#include "dialects/Attn/SequenceLengths.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::loops;
using Values = KernelBuilder::Values;

SmallVector<IterationExtents::Dimension> heddle::loops::operandDimensions(attn::AttendOp op, unsigned dim) {
  SmallVector<IterationExtents::Dimension> dimensions;
  for (const SmallVector<Value> &side : {op.getRowOperands(), op.getKeyOperands(), op.getSecondKeyOperands()})
    for (Value operand : side)
      dimensions.push_back({operand, dim});
  return dimensions;
}

PairEmitter::PairEmitter(attn::AttendOp op, attn::NormalizerOp normalizer, KernelBuilder &kernel)
    : op(op), normalizer(normalizer), kernel(kernel),
      extents(kernel, operandDimensions(op, 0), operandDimensions(op, 1)) {}

Values PairEmitter::keyExtents() {
  Values extents = {keys()};
  if (op.hasSecondKeys())
    extents.push_back(kernel.sizeOf(op.getSecondKeyOperands().front(), 2));
  return extents;
}

Value PairEmitter::read(Value tensor, const Pair &pair, Value t, Value c) {
  Value memory = kernel.memory(tensor);
  return kernel.load(memory, {position(pair.b, 0, memory), position(pair.h, 1, memory), t, c});
}

Values PairEmitter::positions(const Pair &pair) {
  Values result = {pair.b, pair.h, pair.i, pair.j};
  if (pair.k)
    result.push_back(pair.k);
  return result;
}

Values PairEmitter::scores(const Pair &pair) {
  ImplicitLocOpBuilder &body = kernel.body();
  Values raw;
  auto sum = [&](Value operand, llvm::function_ref<Value(Value)> term) {
    raw.push_back(kernel.loop(kernel.sizeOf(operand, 3), kernel.real(0), [&](Value c, ValueRange carried) -> Values {
      return {arith::AddFOp::create(body, carried[0], term(c))};
    })[0]);
  };
  for (OperandRange dot : op.getDots())
    sum(dot[0], [&](Value c) {
      Value product = arith::MulFOp::create(body, read(dot[0], pair, pair.i, c), read(dot[1], pair, pair.j, c));
      return dot.size() == 2 ? product : arith::MulFOp::create(body, product, read(dot[2], pair, pair.k, c));
    });
  for (unsigned index = 0; index < op.getNumPairs(); ++index) {
    Region &region = op.getPairRegions()[index];
    Value x = op.getPairs()[2 * index], y = op.getPairs()[2 * index + 1];
    sum(x, [&](Value c) { return kernel.inlined(region, {read(x, pair, pair.i, c), read(y, pair, pair.j, c), c})[0]; });
  }
  if (!op.hasScore())
    return {raw.front()};
  llvm::append_range(raw, positions(pair));
  return kernel.inlined(op.getScore(), raw);
}

Value PairEmitter::visibleByMask(const Pair &pair) {
  ImplicitLocOpBuilder &body = kernel.body();
  Value visible = op.hasMask() ? kernel.inlined(op.getMask(), positions(pair))[0] : Value();
  auto bound = [&](ArrayRef<Value> operands, Value t) {
    for (Value length : attn::findSequenceLengths(operands)) {
      Value memory = kernel.memory(length);
      Value count = kernel.load(memory, position(pair.b, 0, memory));
      Value end = arith::IndexCastOp::create(body, body.getIndexType(), count);
      Value present = arith::CmpIOp::create(body, arith::CmpIPredicate::slt, t, end);
      visible = visible ? arith::AndIOp::create(body, visible, present) : present;
    }
  };
  bound(op.getRowOperands(), pair.i);
  bound(op.getKeyOperands(), pair.j);
  bound(op.getSecondKeyOperands(), pair.k);
  return visible;
}

Values PairEmitter::whenVisible(const Pair &pair, ValueRange otherwise, llvm::function_ref<Values(ValueRange)> emit) {
  return kernel.when(visibleByMask(pair), otherwise, [&]() -> Values {
    Values yielded = scores(pair);
    Value seen;
    if (normalizer) {
      Value lowest = kernel.real(-std::numeric_limits<double>::infinity());
      // Unordered: NaN stays visible, so that it is not hidden from the result.
      seen = arith::CmpFOp::create(kernel.body(), arith::CmpFPredicate::UNE, yielded[0], lowest);
    }
    return kernel.when(seen, otherwise, [&] { return emit(yielded); });
  });
}

Value PairEmitter::arrayOrScalar(Value value) {
  return isa<TensorType>(value.getType()) ? value : kernel.scalar(value);
}

Values PairEmitter::run(Region &region, ArrayRef<Value> reals, ArrayRef<Value> positions) {
  Values arguments(reals);
  llvm::append_range(arguments, positions);
  for (Value argument : op.getNormalizerArgs())
    arguments.push_back(arrayOrScalar(argument));
  return kernel.inlined(region, arguments);
}

Value PairEmitter::weight(unsigned result, ValueRange scores, const Pair &pair, const RowMemory &row) {
  if (!normalizer)
    return scores[result];
  ImplicitLocOpBuilder &body = kernel.body();
  Values reals = {scores[0]};
  if (row.reference)
    reals.push_back(kernel.load(kernel.buffer(row.reference), {pair.b, pair.h, pair.i}));
  Values weights = run(normalizer.getWeight(), reals, {pair.b, pair.h, pair.i, pair.j});
  Value sum = kernel.real(0);
  for (unsigned index = 0; index < normalizer.getNumWeights(); ++index) {
    Value factor = kernel.load(kernel.buffer(row.factors), {pair.b, pair.h, pair.i, kernel.constant(index)});
    sum = arith::AddFOp::create(body, sum, arith::MulFOp::create(body, factor, weights[index]));
  }
  return sum;
}
