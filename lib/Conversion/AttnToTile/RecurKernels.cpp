//===- RecurKernels.cpp - a recurrence as a tile program --------------------===//
//
// One block owns some columns of the state of one head and goes over the tokens in
// chunks, with the state in registers or in its core's cache:
//
//   for each chunk:  P = weights of its pairs          (ChunkDecay.h)
//                    o = prefix (q S) + P v            store
//                    S = whole S + (suffix k)^T v
//   store S
//
// A recurrence of one token is a step without products: S = decay S + k v^T, o = q^T S.
// Tests: test/Conversion/attn-to-tile-recur.mlir.
//
//===----------------------------------------------------------------------===//
#include "RecurKernels.h"
#include "ChunkDecay.h"
#include "OutputStore.h"
#include "dialects/Attn/SequenceLengths.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

static int64_t padded(int64_t size) { return llvm::alignTo(size, 16); }

bool heddle::isOneToken(attn::RecurOp op) {
  SmallVector<Value> operands = op.getTokenOperands();
  operands.push_back(op.getQuery());
  return op.getKey().getType().getDimSize(2) == 1 && !op.hasAt() && llvm::none_of(operands, attn::findSequenceLengths);
}

namespace {

class RecurKernel {
public:
  RecurKernel(PlanBuilder &plan, attn::RecurOp op, const RecurSchedule &schedule)
      : op(op), schedule(schedule), kernel(KernelBuilder::create(plan)), emitter(kernel), math(emitter),
        decay(op, emitter, kernel, schedule.chunk), place{kernel, {}, {}, {}, {}}, keyWidth(padded(op.getKeyWidth())),
        columns(std::min(schedule.valueColumns, padded(op.getValueWidth()))) {}

  LogicalResult emit(ArrayRef<KernelOutput> outputs);

private:
  /// The state, and its mass where it is wanted.
  struct State {
    Value sums;
    Value mass;
    SmallVector<Value> flatten() const { return mass ? SmallVector<Value>{sums, mass} : SmallVector<Value>{sums}; }
    static State of(ValueRange values) { return {values[0], values.size() > 1 ? values[1] : Value()}; }
  };

  ImplicitLocOpBuilder &b() { return kernel.body(); }
  Value constant(int64_t value) { return kernel.constant(value); }
  Value tileOf(Value tensor, const Lifted &row, const Lifted &column, ArrayRef<int64_t> shape) {
    return emitter.tile(tensor, {place.batchOf(tensor), place.headOf(tensor), row, column}, shape);
  }
  Lifted channels(int64_t dim) { return Lifted::positions(dim, keyWidth, constant(0)); }
  Lifted valueColumns() { return Lifted::positions(1, columns, firstColumn); }

  void startBlock();
  FailureOr<State> initialState(bool isMassColumn);
  LogicalResult visitChunks(ArrayRef<KernelOutput> outputs);
  FailureOr<State> visitChunk(Value first, const State &state, ArrayRef<KernelOutput> outputs);
  LogicalResult step(ArrayRef<KernelOutput> outputs);
  LogicalResult storeRows(const Lifted &row, Value result, Value mass, ArrayRef<KernelOutput> outputs);
  LogicalResult storeState(const State &state, bool isMassColumn, ArrayRef<KernelOutput> outputs);
  bool isState(Value tensor) { return tensor == op.getFinalState() || tensor == op.getFinalMass(); }

  attn::RecurOp op;
  const RecurSchedule &schedule;
  KernelBuilder kernel;
  TileEmitter emitter;
  TileMath math;
  ChunkDecay decay;
  BlockPlace place;
  int64_t keyWidth, columns;
  Value firstColumn, isFirstSlice, length;
  Value limit; ///< where the sequence ends; null where its arrays do
};

} // namespace

/// The largest of several extents, in the kernel's head.
static Value largestExtent(KernelBuilder &kernel, ArrayRef<std::pair<Value, int64_t>> extents) {
  Value largest;
  for (auto [tensor, dimension] : extents) {
    Value next = kernel.dim(tensor, dimension);
    largest = !largest || largest == next ? next : arith::MaxUIOp::create(kernel.head(), largest, next).getResult();
  }
  return largest;
}

void RecurKernel::startBlock() {
  place.batchCount = largestExtent(kernel, op.getBatchExtents());
  place.headCount = largestExtent(kernel, op.getHeadExtents());
  Value tokens = kernel.dim(op.getKey(), 2);
  int64_t slices = llvm::divideCeil(padded(op.getValueWidth()), columns);
  SmallVector<Value> ids = kernel.startBody({constant(slices), place.headCount, place.batchCount});
  place.head = ids[1];
  place.batch = ids[2];
  firstColumn = slices == 1 ? constant(0) : arith::MulIOp::create(b(), ids[0], constant(columns)).getResult();
  if (slices > 1)
    isFirstSlice = arith::CmpIOp::create(b(), arith::CmpIPredicate::eq, ids[0], constant(0));
  SmallVector<Value> operands = op.getTokenOperands();
  operands.push_back(op.getQuery());
  SequenceEnd end = findSequenceEnd(operands, place.batch, tokens, kernel, emitter);
  length = end.count;
  limit = length == tokens ? Value() : length;
  reportClamped(kernel, end.isClamped);
}

/// The mass is a row, as products read it, or a column.
FailureOr<RecurKernel::State> RecurKernel::initialState(bool isMassColumn) {
  State state;
  SmallVector<int64_t> massShape{1, keyWidth};
  if (isMassColumn)
    std::swap(massShape[0], massShape[1]);
  if (!op.getInitial()) {
    state.sums = math.zeros({keyWidth, columns});
    state.mass = op.getMass() ? math.zeros(massShape) : Value();
    return state;
  }
  state.sums = tileOf(op.getInitial(), channels(0), valueColumns(), {keyWidth, columns});
  if (!state.sums)
    return failure();
  if (Value mass = op.getInitialMass()) {
    state.mass =
        emitter.tile(mass, {place.batchOf(mass), place.headOf(mass), channels(isMassColumn ? 0 : 1)}, massShape);
    if (!state.mass)
      return failure();
  }
  return state;
}

FailureOr<RecurKernel::State> RecurKernel::visitChunk(Value first, const State &state, ArrayRef<KernelOutput> outputs) {
  int64_t size = schedule.chunk;
  Lifted row = Lifted::positions(0, size, first, limit);
  Value queries = tileOf(op.getQuery(), row, channels(1), {size, keyWidth});
  Value keys = tileOf(op.getKey(), row, channels(1), {size, keyWidth});
  Value values = tileOf(op.getValue(), row, valueColumns(), {size, columns});
  Value present = arith::MinSIOp::create(b(), arith::SubIOp::create(b(), length, first), constant(size));
  if (!queries || !keys || !values || failed(decay.start(place, row, present)))
    return failure();
  Type element = TileMath::typeOf(queries).getElementType();
  Value prefix = decay.getPrefix(), suffix = decay.getSuffix(), whole = decay.getWhole();
  bool isByChannel = prefix && TileMath::typeOf(prefix).getDimSize(1) > 1;
  Value weights = decay.weights(queries, keys);

  // Rows: what the state says of them, and the chunk.
  Value asking = isByChannel ? math.mul(math.wide(queries), prefix) : Value();
  Value result = math.dot(asking ? math.narrow(asking, element) : queries, math.narrow(state.sums, element),
                          math.zeros({size, columns}));
  if (prefix && !isByChannel)
    result = math.mul(result, prefix);
  result = math.dot(math.narrow(weights, element), values, result);
  Value mass;
  if (state.mass) {
    Value before = math.sum(math.mul(asking ? asking : math.wide(queries), state.mass), 1);
    if (prefix && !isByChannel)
      before = math.mul(before, prefix);
    mass = math.add(before, math.sum(weights, 1));
  }
  if (failed(storeRows(row, result, mass, outputs)))
    return failure();

  // The state behind the chunk.
  State next;
  Value lasting = suffix ? math.mul(math.wide(keys), suffix) : Value();
  Value sums = state.sums;
  if (whole)
    sums =
        math.mul(sums, isByChannel ? tile::TransposeOp::create(b(), TileMath::typeOf(whole).clone({keyWidth, 1}), whole)
                                   : whole);
  next.sums = math.dot(lasting ? math.narrow(lasting, element) : keys, values, sums, /*transX=*/true);
  if (state.mass)
    next.mass =
        math.add(whole ? math.mul(state.mass, whole) : state.mass, math.sum(lasting ? lasting : math.wide(keys), 0));
  return next;
}

LogicalResult RecurKernel::visitChunks(ArrayRef<KernelOutput> outputs) {
  FailureOr<State> initial = initialState(/*isMassColumn=*/false);
  if (failed(initial))
    return failure();
  Value count = arith::CeilDivSIOp::create(b(), length, constant(schedule.chunk));
  auto loop = scf::ForOp::create(b(), constant(0), count, constant(1), initial->flatten());
  {
    OpBuilder::InsertionGuard guard(b());
    if (loop.getBody()->mightHaveTerminator())
      loop.getBody()->back().erase();
    b().setInsertionPointToEnd(loop.getBody());
    Value first = arith::MulIOp::create(b(), loop.getInductionVar(), constant(schedule.chunk));
    FailureOr<State> next = visitChunk(first, State::of(loop.getRegionIterArgs()), outputs);
    if (failed(next))
      return failure();
    scf::YieldOp::create(b(), next->flatten());
  }
  return storeState(State::of(loop.getResults()), /*isMassColumn=*/false, outputs);
}

LogicalResult RecurKernel::step(ArrayRef<KernelOutput> outputs) {
  FailureOr<State> before = initialState(/*isMassColumn=*/true);
  Lifted token{constant(0)};
  Value query = tileOf(op.getQuery(), token, channels(0), {keyWidth, 1});
  Value key = tileOf(op.getKey(), token, channels(0), {keyWidth, 1});
  Value value = tileOf(op.getValue(), token, valueColumns(), {1, columns});
  FailureOr<Value> factor = decay.ofToken(place, token, keyWidth);
  if (failed(before) || failed(factor) || !query || !key || !value)
    return failure();
  query = math.wide(query);
  key = math.wide(key);
  auto advance = [&](Value sums, Value added) { return math.add(*factor ? math.mul(sums, *factor) : sums, added); };
  State after{advance(before->sums, math.mul(key, math.wide(value))), {}};
  Value result = math.sum(math.mul(query, after.sums), 0), mass;
  if (before->mass) {
    after.mass = advance(before->mass, key);
    mass = math.sum(math.mul(query, after.mass), 0);
  }
  if (failed(storeRows(token, result, mass, outputs)))
    return failure();
  return storeState(after, /*isMassColumn=*/true, outputs);
}

LogicalResult RecurKernel::storeRows(const Lifted &row, Value result, Value mass, ArrayRef<KernelOutput> outputs) {
  SmallVector<Lifted> rowIndices{{place.batch}, {place.head}, row}, indices(rowIndices);
  indices.push_back(valueColumns());
  emitter.provide(op.getOutput(), indices, math.narrow(result, getElementTypeOrSelf(op.getOutput().getType())));
  if (mass)
    emitter.provide(op.getMassResult(), rowIndices, mass);
  int64_t rows = row.isPositions() ? row.extent : 1;
  for (const KernelOutput &output : outputs) {
    if (isState(output.tensor))
      continue;
    bool hasColumns = cast<RankedTensorType>(getLogicalSource(output.tensor).getType()).getRank() == 4;
    if (failed(
            storeOutput(kernel, emitter, output, hasColumns ? indices : rowIndices, {rows, hasColumns ? columns : 1})))
      return failure();
  }
  return success();
}

LogicalResult RecurKernel::storeState(const State &state, bool isMassColumn, ArrayRef<KernelOutput> outputs) {
  SmallVector<Lifted> start{{place.batch}, {place.head}}, sums(start), mass(start);
  sums.append({channels(0), valueColumns()});
  mass.push_back(channels(isMassColumn ? 0 : 1));
  for (const KernelOutput &output : outputs) {
    if (output.tensor == op.getFinalState()) {
      emitter.provide(output.tensor, sums, state.sums);
      if (failed(storeOutput(kernel, emitter, output, sums, {keyWidth, columns})))
        return failure();
    } else if (output.tensor == op.getFinalMass()) {
      // Every slice of the values computes the same; one stores it.
      OpBuilder::InsertionGuard guard(b());
      if (isFirstSlice) {
        auto once = scf::IfOp::create(b(), isFirstSlice, /*withElseRegion=*/false);
        b().setInsertionPointToStart(once.thenBlock());
      }
      emitter.provide(output.tensor, mass, state.mass);
      if (failed(storeOutput(kernel, emitter, output, mass, TileMath::typeOf(state.mass).getShape())))
        return failure();
    }
  }
  return success();
}

LogicalResult RecurKernel::emit(ArrayRef<KernelOutput> outputs) {
  startBlock();
  if (failed(isOneToken(op) ? step(outputs) : visitChunks(outputs)))
    return failure();
  kernel.launch();
  return success();
}

LogicalResult heddle::emitRecur(PlanBuilder &plan, attn::RecurOp op, const RecurSchedule &schedule,
                                ArrayRef<KernelOutput> outputs) {
  if (op.hasAt())
    return op.emitOpError("expected rows that read the state at their own token; lower it with attn-to-loops");
  return RecurKernel(plan, op, schedule).emit(outputs);
}
