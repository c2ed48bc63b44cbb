//===- RecurToLoops.cpp - reference semantics of attn.recur -----------------===//
//
// Written from the definition: one block per column of the state,
//
//     S[c] = init;  read the rows of -1
//     for each token t: S[c] = exp(gate) S[c] + k_t[c] v_t;  read the rows i with at(i) = t
//
// where reading a row is `o_i = sum_c q_i[c] S[c]`. The mass is the same with one column
// and a value of 1. The state is in memory of `real`.
//
//===----------------------------------------------------------------------===//
#include "dialects/Attn/AttnOps.h"
#include "dialects/Attn/SequenceLengths.h"
#include "lib/Conversion/AttnToLoops/IterationExtents.h"
#include "lib/Conversion/AttnToLoops/LoopLowerings.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::loops;
using Values = KernelBuilder::Values;

namespace {

/// What one kernel computes: the state and what is read of it, or the mass of both.
struct Part {
  Value initial; ///< tensor, or null
  Value state;   ///< memory of the plan, (b, h, c[, e])
  Value result;  ///< tensor (b, h, i[, e])
  bool isMass;
};

class RecurKernel {
public:
  RecurKernel(attn::RecurOp op, PlanBuilder &plan, const Part &part)
      : op(op), part(part), kernel(plan), extents(kernel, op.getBatchExtents(), op.getHeadExtents()),
        state(kernel.buffer(part.state)), result(kernel.memory(part.result)) {}

  void emit();

private:
  ImplicitLocOpBuilder &b() { return kernel.body(); }
  Value batchIn(Value memory) { return extents.position(batch, 0, memory, 0); }
  Value headIn(Value memory, unsigned dim = 1) { return extents.position(head, 1, memory, dim); }
  Value channels() { return kernel.sizeOf(op.getKey(), 3); }
  Value isLess(Value a, Value c) { return arith::CmpIOp::create(b(), arith::CmpIPredicate::slt, a, c); }
  /// With the column where there are several.
  Values at(Values indices) {
    if (!part.isMass)
      indices.push_back(column);
    return indices;
  }

  Value length(Value count, ArrayRef<Value> operands);
  Value forgets(Value token);
  Value decay(Value token, Value channel);
  void advance(Value token);
  void read(Value row);
  void readRowsAt(Value time);

  attn::RecurOp op;
  const Part &part;
  KernelBuilder kernel;
  IterationExtents extents;
  Value state, result;
  Value column, head, batch, rows, tokens;
};

} // namespace

/// Positions that exist in this sequence.
Value RecurKernel::length(Value count, ArrayRef<Value> operands) {
  for (Value array : attn::findSequenceLengths(operands)) {
    Value memory = kernel.memory(array);
    Value own = arith::IndexCastOp::create(b(), b().getIndexType(), kernel.load(memory, batchIn(memory)));
    count = arith::MinSIOp::create(b(), count, own);
  }
  return count;
}

/// Whether the token begins a segment; null without segments.
Value RecurKernel::forgets(Value token) {
  if (!op.getSegments())
    return {};
  Value memory = kernel.memory(op.getSegments()), one = kernel.constant(1);
  Value isLater = isLess(kernel.constant(0), token);
  Value never = arith::ConstantIntOp::create(b(), 0, 1);
  return kernel.when(isLater, never, [&]() -> Values {
    Value before = arith::SubIOp::create(b(), token, one);
    Value own = kernel.load(memory, {batchIn(memory), token}), other = kernel.load(memory, {batchIn(memory), before});
    return {arith::CmpIOp::create(b(), arith::CmpIPredicate::ne, own, other)};
  })[0];
}

/// exp(gate), or null without a gate.
Value RecurKernel::decay(Value token, Value channel) {
  if (!op.getGate())
    return {};
  Value memory = kernel.memory(op.getGate());
  Values indices;
  if (cast<MemRefType>(memory.getType()).getRank() == 1)
    indices = {headIn(memory, 0)};
  else
    indices = {batchIn(memory), headIn(memory), token, channel};
  indices.resize(cast<MemRefType>(memory.getType()).getRank());
  return math::ExpOp::create(b(), kernel.load(memory, indices));
}

void RecurKernel::advance(Value token) {
  Value isForgotten = forgets(token), keys = kernel.memory(op.getKey()), values = kernel.memory(op.getValue());
  Value value = part.isMass ? kernel.real(1) : kernel.load(values, {batchIn(values), headIn(values), token, column});
  bool isPerChannel = op.isGatedByChannel();
  Value shared = isPerChannel ? Value() : decay(token, Value());
  kernel.loop(channels(), [&](Value c) {
    Values place = at({batch, head, c});
    Value before = kernel.load(state, place);
    if (isForgotten)
      before = arith::SelectOp::create(b(), isForgotten, kernel.real(0), before);
    if (Value factor = isPerChannel ? decay(token, c) : shared)
      before = arith::MulFOp::create(b(), factor, before);
    Value added = arith::MulFOp::create(b(), kernel.load(keys, {batchIn(keys), headIn(keys), token, c}), value);
    kernel.store(arith::AddFOp::create(b(), before, added), state, place);
  });
}

void RecurKernel::read(Value row) {
  Value queries = kernel.memory(op.getQuery());
  Value sum = kernel.loop(channels(), kernel.real(0), [&](Value c, ValueRange carried) -> Values {
    Value query = kernel.load(queries, {batchIn(queries), headIn(queries), row, c});
    Value product = arith::MulFOp::create(b(), query, kernel.load(state, at({batch, head, c})));
    return {arith::AddFOp::create(b(), carried[0], product)};
  })[0];
  kernel.store(sum, result, at({batch, head, row}));
}

/// The rows that read the state as it is after token `time`.
void RecurKernel::readRowsAt(Value time) {
  kernel.loop(rows, [&](Value row) {
    Value wanted = kernel.inlined(op.getAt(), row)[0], one = kernel.constant(1);
    wanted = arith::MinSIOp::create(b(), wanted, arith::SubIOp::create(b(), tokens, one));
    wanted = arith::MaxSIOp::create(b(), wanted, arith::SubIOp::create(b(), kernel.constant(0), one));
    kernel.when(arith::CmpIOp::create(b(), arith::CmpIPredicate::eq, wanted, time), [&] { read(row); });
  });
}

void RecurKernel::emit() {
  Value columns = part.isMass ? kernel.constant(1) : kernel.sizeOf(op.getValue(), 3);
  Value rowCount = kernel.sizeOf(op.getQuery(), 2), tokenCount = kernel.sizeOf(op.getKey(), 2);
  Values grid = kernel.openGrid({columns, extents.extent(1), extents.extent(0)});
  column = grid[0];
  head = grid[1];
  batch = grid[2];
  tokens = length(tokenCount, op.getTokenOperands());
  rows = length(rowCount, op.getQuery());
  if (!op.hasAt())
    rows = tokens = arith::MinSIOp::create(b(), rows, tokens);
  kernel.loop(rowCount, [&](Value row) { kernel.store(kernel.real(0), result, at({batch, head, row})); });
  kernel.loop(channels(), [&](Value c) {
    Value start = kernel.real(0);
    if (part.initial) {
      Value memory = kernel.memory(part.initial);
      start = kernel.load(memory, at({batchIn(memory), headIn(memory), c}));
    }
    kernel.store(start, state, at({batch, head, c}));
  });
  if (op.hasAt())
    readRowsAt(arith::SubIOp::create(b(), kernel.constant(0), kernel.constant(1)));
  kernel.loop(tokens, [&](Value token) {
    advance(token);
    op.hasAt() ? readRowsAt(token) : read(token);
  });
  kernel.launch();
}

static LogicalResult lowerRecur(attn::RecurOp op, PlanBuilder &plan) {
  auto largest = [&](ArrayRef<IterationExtents::Dimension> dimensions) {
    return largestExtent(
        dimensions, [&](Value operand, int64_t dimension) { return plan.size(operand, dimension); },
        [&](Value a, Value b) { return plan.host().createOrFold<arith::MaxSIOp>(a, b); });
  };
  Value batch = largest(op.getBatchExtents()), heads = largest(op.getHeadExtents());
  Value rows = plan.size(op.getQuery(), 2);
  for (bool isMass : {false, true}) {
    if (isMass && !op.getMass())
      continue;
    SmallVector<Value> stateShape{batch, heads, plan.constant(op.getKeyWidth())}, shape{batch, heads, rows};
    if (!isMass) {
      stateShape.push_back(plan.constant(op.getValueWidth()));
      shape.push_back(stateShape.back());
    }
    Part part;
    part.isMass = isMass;
    part.initial = isMass ? op.getInitialMass() : op.getInitial();
    part.result = isMass ? op.getMassResult() : op.getOutput();
    plan.allocate(part.result, shape);
    Value final = isMass ? op.getFinalMass() : op.getFinalState();
    part.state = final ? plan.allocate(final, stateShape) : plan.allocate(plan.getReal(), stateShape);
    RecurKernel(op, plan, part).emit();
  }
  return success();
}

void heddle::loops::addRecurLowering(LoopLowerings &lowerings) { lowerings.add<attn::RecurOp>(lowerRecur); }
