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

static SmallVector<Value> allOperands(attn::AttendOp op) {
  SmallVector<Value> operands = op.getRowOperands();
  llvm::append_range(operands, op.getKeyOperands());
  llvm::append_range(operands, op.getSecondKeyOperands());
  return operands;
}

Value heddle::loops::largestExtent(attn::AttendOp op, llvm::function_ref<Value(Value)> size,
                                   llvm::function_ref<Value(Value, Value)> larger) {
  Value result;
  for (Value operand : allOperands(op)) {
    Value extent = size(operand);
    result = result && result != extent ? larger(result, extent) : extent;
  }
  return result;
}

PairEmitter::PairEmitter(attn::AttendOp op, attn::NormalizerOp normalizer, KernelBuilder &kernel)
    : op(op), normalizer(normalizer), kernel(kernel) {
  auto extentOf = [&](unsigned dim) {
    return largestExtent(
        op, [&](Value operand) { return kernel.sizeOf(operand, dim); },
        [&](Value a, Value b) { return kernel.combine<arith::MaxSIOp>(a, b); });
  };
  batch = extentOf(0);
  heads = extentOf(1);
}

Values PairEmitter::keyExtents() {
  Values extents = {keys()};
  if (op.hasSecondKeys())
    extents.push_back(kernel.sizeOf(op.getSecondKeyOperands().front(), 2));
  return extents;
}

Value PairEmitter::position(Value x, unsigned dim, Value memory) {
  Value own = kernel.size(memory, dim), whole = extent(dim);
  if (own == whole)
    return x;
  if (getConstantIntValue(own) == 1)
    return kernel.constant(0);
  // Once per position, where the position is made, and not in every loop that reads there.
  Value &known = groups[{x, own}];
  if (!known) {
    Value group = kernel.combine<arith::DivUIOp>(whole, own);
    OpBuilder::InsertionGuard guard(kernel.body());
    kernel.body().setInsertionPointAfterValue(x);
    known = arith::DivUIOp::create(kernel.body(), x, group);
  }
  return known;
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
    llvm::SetVector<Value> lengths;
    for (Value operand : operands)
      if (Value found = attn::findSequenceLengths(operand))
        lengths.insert(found);
    for (Value length : lengths) {
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
