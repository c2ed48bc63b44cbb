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
// Rows that read at other tokens than their own (at) are a loop of their own, whose blocks go on through the chunks
// where the one before ended. A recurrence of one token is a step without products: S = decay S + k v^T, o = q^T S.
// Tests: test/Conversion/attn-to-tile-recur.mlir.
//
//===----------------------------------------------------------------------===//
#include "RecurKernels.h"
#include "OutputStore.h"
#include "RecurKernel.h"
#include "dialects/Attn/SequenceLengths.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

static int64_t padded(int64_t size) { return llvm::alignTo(size, 16); }

bool heddle::isOneToken(attn::RecurOp op) {
  SmallVector<Value> operands = op.getTokenOperands();
  operands.push_back(op.getQuery());
  return op.getKey().getType().getDimSize(2) == 1 && !op.hasAt() && attn::findSequenceLengths(operands).empty();
}

Value heddle::largestExtent(ScalarScope &scope, ImplicitLocOpBuilder &builder,
                            ArrayRef<std::pair<Value, int64_t>> extents) {
  Value largest;
  for (auto [tensor, dimension] : extents) {
    Value next = scope.dim(tensor, dimension);
    largest = !largest || largest == next ? next : arith::MaxUIOp::create(builder, largest, next).getResult();
  }
  return largest;
}

void RecurKernel::startBlock() {
  place.batchCount = largestExtent(kernel, kernel.head(), op.getBatchExtents());
  place.headCount = largestExtent(kernel, kernel.head(), op.getHeadExtents());
  Value tokens = kernel.dim(op.getKey(), 2);
  int64_t slices = llvm::divideCeil(padded(op.getValueWidth()), columns);
  Value blocks = constant(slices);
  if (workspace) {
    segments = kernel.import(workspace->segments);
    blocks = arith::MulIOp::create(kernel.head(), segments, blocks);
  }
  SmallVector<Value> ids = kernel.startBody({blocks, place.headCount, place.batchCount});
  place.head = ids[1];
  place.batch = ids[2];
  Value slice = ids[0];
  if (workspace) {
    segment = arith::DivUIOp::create(b(), ids[0], constant(slices));
    slice = arith::RemUIOp::create(b(), ids[0], constant(slices));
  }
  firstColumn = slices == 1 ? constant(0) : arith::MulIOp::create(b(), slice, constant(columns)).getResult();
  if (slices > 1)
    isFirstSlice = arith::CmpIOp::create(b(), arith::CmpIPredicate::eq, slice, constant(0));
  auto endOf = [&](ArrayRef<Value> operands, Value count, Value &limit) {
    SequenceEnd end = findSequenceEnd(operands, place.batch, count, kernel, emitter);
    reportClamped(kernel, end.isClamped);
    limit = end.count == count ? Value() : end.count;
    return end.count;
  };
  SmallVector<Value> operands = op.getTokenOperands();
  if (!op.hasAt())
    operands.push_back(op.getQuery());
  length = endOf(operands, tokens, limit);
  if (op.hasAt())
    rowLength = endOf(op.getQuery(), kernel.dim(op.getQuery(), 2), rowLimit);
  if (check.part == GateCheck::Excessive) {
    Value mark = memref::LoadOp::create(b(), kernel.import(check.isExcessive), checkIndices());
    Value none = arith::ConstantOp::create(b(), b().getF32FloatAttr(0));
    isRepeated = arith::CmpFOp::create(b(), arith::CmpFPredicate::ONE, mark, none);
  }
}

/// Where `check.isExcessive` says something of this block. Its slices all say the same.
SmallVector<Value> RecurKernel::checkIndices() { return {segment ? segment : constant(0), place.batch, place.head}; }

/// What follows is for blocks where `condition` holds; `b` goes on inside.
void RecurKernel::openBranch(Value condition) {
  b().setInsertionPointToStart(scf::IfOp::create(b(), condition, /*withElseRegion=*/false).thenBlock());
}

/// The mass is a row, as products with queries read it, or a column: where there is one token, and where groups of
/// warps share out the channels, so that what a token adds is added up by those who hold it.
FailureOr<RecurKernel::State> RecurKernel::initialState() {
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

/// Reads the keys and values of a chunk.
FailureOr<RecurKernel::Chunk> RecurKernel::loadChunk(Value number) {
  int64_t size = schedule.chunk;
  Value first = arith::MulIOp::create(b(), number, constant(size));
  Lifted row = Lifted::positions(0, size, first, limit);
  Chunk chunk{tileOf(op.getKey(), row, channels(1), {size, keyWidth}),
              tileOf(op.getValue(), row, valueColumns(), {size, columns}), row,
              arith::MinSIOp::create(b(), arith::SubIOp::create(b(), length, first), constant(size))};
  if (op.hasAt()) // a row may have seen all tokens of whole chunks: the next one is empty
    chunk.present = arith::MaxSIOp::create(b(), chunk.present, constant(0));
  if (!chunk.keys || !chunk.values)
    return failure();
  return chunk;
}

/// What the state and the chunk say of rows that have seen `counts` of its tokens (see ChunkDecay). Products that wait
/// for nothing come first, then what other threads wait for: the state, and sums of gates.
FailureOr<RecurKernel::Rows> RecurKernel::readRows(Value queries, const Chunk &chunk, const State &state,
                                                   Value counts) {
  Type element = TileMath::typeOf(queries).getElementType();
  Value products, sums, mass = state.mass;
  if (!schedule.putsOperands)
    products = decay.products(queries, chunk.keys);
  sums = math.narrow(state.sums, element);
  if (mass && isMassColumn)
    mass = tile::TransposeOp::create(b(), TileMath::typeOf(mass).clone({1, keyWidth}), mass);
  if (schedule.putsOperands) // all that is computed passes one barrier
    products = decay.products(queries, chunk.keys);
  if (failed(decay.start(place, chunk.row, chunk.present, counts)))
    return failure();
  Value prefix = decay.getPrefix(), isHere = decay.getIsHere();
  bool isByChannel = prefix && TileMath::typeOf(prefix).getDimSize(1) > 1;
  Value asking = isByChannel ? math.mul(math.wide(queries), prefix) : Value();
  auto ofState = [&](Value before) {
    if (prefix && !isByChannel)
      before = math.mul(before, prefix);
    return isHere ? math.select(isHere, before, math.number(0)) : before; // what other rows have may be infinite
  };
  Rows rows;
  if (mass) // beside the first product, as long as there are registers
    rows.mass = ofState(math.sum(math.mul(asking ? asking : math.wide(queries), mass), 1));
  rows.result = math.dot(asking ? math.narrow(asking, element) : queries, sums, math.zeros({schedule.chunk, columns}));
  Value weights = decay.weights(queries, chunk.keys, products);
  if (mass)
    rows.mass = math.add(rows.mass, math.sum(weights, 1));
  Value narrowWeights = math.narrow(weights, element);
  rows.result = math.dot(narrowWeights, chunk.values, ofState(rows.result));
  return rows;
}

/// One decay per token goes to whichever side the schedule says.
RecurKernel::Addends RecurKernel::weigh(const Chunk &chunk, bool hasMass) {
  Type element = TileMath::typeOf(chunk.keys).getElementType();
  Value suffix = decay.getSuffix();
  auto weighed = [&](Value tile) { return suffix ? math.mul(math.wide(tile), suffix) : math.wide(tile); };
  auto massOf = [&](Value keys) { return hasMass ? math.sum(keys, isMassColumn ? 1 : 0) : Value(); };
  if (isMassColumn && (suffix || hasMass)) {
    Type channels = TileMath::typeOf(chunk.keys).clone({keyWidth, schedule.chunk});
    Value keys = weighed(tile::TransposeOp::create(b(), channels, chunk.keys)), mass = massOf(keys);
    if (suffix)
      return {math.narrow(keys, element), chunk.values, mass, /*isTransposed=*/false};
    return {chunk.keys, chunk.values, mass, /*isTransposed=*/true};
  }
  if (!suffix)
    return {chunk.keys, chunk.values, massOf(weighed(chunk.keys)), /*isTransposed=*/true};
  if (TileMath::typeOf(suffix).getDimSize(1) > 1) {
    Value keys = weighed(chunk.keys);
    return {math.narrow(keys, element), chunk.values, massOf(keys), /*isTransposed=*/true};
  }
  Value values = math.narrow(weighed(chunk.values), element);
  return {chunk.keys, values, hasMass ? massOf(weighed(chunk.keys)) : Value(), /*isTransposed=*/true};
}

/// The state behind a chunk.
RecurKernel::State RecurKernel::advance(const State &state, const Chunk &chunk) {
  Addends addends = weigh(chunk, static_cast<bool>(state.mass));
  Value whole = decay.getWhole(), ofRows = whole, sums = state.sums;
  if (whole && TileMath::typeOf(whole).getDimSize(1) > 1)
    ofRows = tile::TransposeOp::create(b(), TileMath::typeOf(whole).clone({keyWidth, 1}), whole);
  if (whole)
    sums = math.mul(sums, ofRows);
  State next{math.dot(addends.keys, addends.values, sums, addends.isTransposed), {}};
  if (state.mass) // a column has one decay for all channels
    next.mass = math.add(whole ? math.mul(state.mass, whole) : state.mass, addends.mass);
  return next;
}

LogicalResult RecurKernel::visitChunks(ArrayRef<KernelOutput> outputs) {
  FailureOr<State> initial = stateBefore();
  if (failed(initial))
    return failure();
  int64_t size = schedule.chunk;
  bool isModerate = check.part == GateCheck::Moderate;
  auto visit = [&](Value number, ArrayRef<Value> carried) -> FailureOr<SmallVector<Value>> {
    Lifted row = Lifted::positions(0, size, arith::MulIOp::create(b(), number, constant(size)), limit);
    Value queries = tileOf(op.getQuery(), row, channels(1), {size, keyWidth});
    FailureOr<Chunk> chunk = loadChunk(number);
    if (!queries || failed(chunk))
      return failure();
    FailureOr<Rows> rows = Rows();
    SmallVector<Value> next;
    if (isModerate) {
      ChannelChunk::Moderate state{carried[0], carried[1], carried[2]};
      FailureOr<Value> result = channelChunk.visitModerate(place, row, queries, chunk->keys, chunk->values, state);
      if (failed(result))
        return failure();
      *rows = {*result, {}};
      next = state.flatten();
    } else if (schedule.hasChannelRows) {
      FailureOr<ChannelChunk::Result> result =
          channelChunk.visit(place, row, queries, chunk->keys, chunk->values, carried.front());
      if (failed(result))
        return failure();
      *rows = {result->rows, {}};
      next = {result->state};
    } else {
      State state = State::of(carried);
      rows = readRows(queries, *chunk, state);
      if (failed(rows))
        return failure();
      next = advance(state, *chunk).flatten();
    }
    if (failed(storeRows(row, *rows, outputs)))
      return failure();
    return next;
  };
  auto [first, end] = chunkRange();
  if (schedule.hasChannelRows)
    channelChunk.start();
  SmallVector<Value> start = isModerate ? channelChunk.startModerate(initial->sums).flatten() : initial->flatten();
  FailureOr<SmallVector<Value>> last = loopOver(b(), first, end, constant(1), start, visit);
  if (failed(last))
    return failure();
  OpBuilder::InsertionGuard guard(b());
  State behind;
  if (isModerate) {
    ChannelChunk::Moderate moderate{(*last)[0], (*last)[1], (*last)[2]};
    Value mark = channelChunk.isExcessive(moderate);
    memref::StoreOp::create(b(), mark, kernel.import(check.isExcessive), checkIndices());
    // The caller's initial state may lie where the final one goes, and who repeats this block begins with it.
    if (op.getFinal()) {
      Value none = arith::ConstantOp::create(b(), b().getF32FloatAttr(0));
      openBranch(arith::CmpFOp::create(b(), arith::CmpFPredicate::OEQ, mark, none));
      behind.sums = channelChunk.stateOf(moderate);
    }
  } else {
    behind = State::of(*last);
    if (isRepeated && op.getFinal())
      openBranch(isRepeated);
  }
  if (segment && op.getFinal()) { // the last one's is the final state
    Value lastSegment = arith::SubIOp::create(b(), segments, constant(1));
    openBranch(arith::CmpIOp::create(b(), arith::CmpIPredicate::eq, segment, lastSegment));
  }
  return storeState(behind, outputs);
}

LogicalResult RecurKernel::step(ArrayRef<KernelOutput> outputs) {
  FailureOr<State> before = initialState();
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
  if (failed(storeRows(token, {result, mass}, outputs)))
    return failure();
  return storeState(after, outputs);
}

LogicalResult RecurKernel::storeRows(const Lifted &row, const Rows &stored, ArrayRef<KernelOutput> outputs) {
  SmallVector<Lifted> rowIndices{{place.batch}, {place.head}, row}, indices(rowIndices);
  indices.push_back(valueColumns());
  emitter.provide(op.getOutput(), indices, math.narrow(stored.result, getElementTypeOrSelf(op.getOutput().getType())));
  if (stored.mass)
    emitter.provide(op.getMassResult(), rowIndices, stored.mass);
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

LogicalResult RecurKernel::storeState(const State &state, ArrayRef<KernelOutput> outputs) {
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
  if (failed(role == RecurRole::States ? storeSegment()
             : isOneToken(op)          ? step(outputs)
             : op.hasAt()              ? visitRows(outputs)
                                       : visitChunks(outputs)))
    return failure();
  kernel.launch();
  return success();
}
