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
#include "HeldLoads.h"
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
    Value count = segments; // nothing begins with what the last one leaves
    if (role == RecurRole::States)
      count = arith::SubIOp::create(kernel.head(), segments, constant(1));
    blocks = arith::MulIOp::create(kernel.head(), count, blocks);
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

/// A tile of queries or keys. What products compute of them is computed some columns at a time, and narrow at once.
Value RecurKernel::channelsOfRows(Value tensor, const Lifted &row, int64_t part) {
  int64_t size = schedule.chunk, width = channelsOf(part), each = schedule.mapColumns;
  if (!each || each >= width || kernel.memory(tensor))
    return tileOf(tensor, row, channels(1, part), {size, width});
  SmallVector<Value> columns;
  for (int64_t first = 0; first < width; first += each) {
    int64_t count = std::min(each, width - first);
    Lifted some = Lifted::positions(1, count, constant(part * tileChannels + first));
    columns.push_back(tileOf(tensor, row, some, {size, count}));
    if (!columns.back())
      return {};
  }
  Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
  return tile::ConcatOp::create(b(), RankedTensorType::get({size, width}, element), columns);
}

FailureOr<SmallVector<Value>> RecurKernel::loadQueries(const Lifted &row) {
  SmallVector<Value> queries;
  for (int64_t part = 0; part < channelTiles(); ++part)
    queries.push_back(channelsOfRows(op.getQuery(), row, part));
  if (llvm::is_contained(queries, Value()))
    return failure();
  return queries;
}

/// Reads the keys and values of a chunk.
FailureOr<RecurKernel::Chunk> RecurKernel::loadChunk(Value number) {
  int64_t size = schedule.chunk;
  Value first = arith::MulIOp::create(b(), number, constant(size));
  Lifted row = Lifted::positions(0, size, first, limit);
  Chunk chunk{{}, {}, row, {}};
  for (int64_t part = 0; part < channelTiles(); ++part)
    chunk.keys.push_back(channelsOfRows(op.getKey(), row, part));
  for (int64_t part = 0; part < columnTiles(); ++part)
    chunk.values.push_back(tileOf(op.getValue(), row, valueColumns(part), {size, tileColumns}));
  chunk.present = arith::MinSIOp::create(b(), arith::SubIOp::create(b(), length, first), constant(size));
  if (op.hasAt()) // a row may have seen all tokens of whole chunks: the next one is empty
    chunk.present = arith::MaxSIOp::create(b(), chunk.present, constant(0));
  if (llvm::is_contained(chunk.keys, Value()) || llvm::is_contained(chunk.values, Value()))
    return failure();
  return chunk;
}

/// What the state and the chunk say of rows that have seen `counts` of its tokens (see ChunkDecay). Products that wait
/// for nothing come first, then what other threads wait for: the state, and sums of gates.
FailureOr<RecurKernel::Rows> RecurKernel::readRows(ArrayRef<Value> queries, const Chunk &chunk, const State &state,
                                                   Value counts, const Meanwhile &meanwhile) {
  Type element = TileMath::typeOf(queries.front()).getElementType();
  Value products;
  if (!schedule.putsOperands)
    products = decay.products(queries, chunk.keys);
  SmallVector<Value> sums, mass(state.mass);
  for (Value tile : state.sums)
    sums.push_back(math.narrow(tile, element));
  for (Value &tile : mass)
    if (isMassColumn)
      tile =
          tile::TransposeOp::create(b(), TileMath::typeOf(tile).clone({1, TileMath::typeOf(tile).getDimSize(0)}), tile);
  if (schedule.putsOperands) // all that is computed passes one barrier
    products = decay.products(queries, chunk.keys);
  if (failed(decay.start(place, chunk.row, chunk.present, counts)))
    return failure();
  Value prefix = decay.getPrefix(), isHere = decay.getIsHere();
  bool isByChannel = prefix && TileMath::typeOf(prefix).getDimSize(1) > 1;
  SmallVector<Value> asking, wideQueries; // by channel queries are one tile
  for (Value tile : queries) {
    if (isByChannel || !mass.empty())
      wideQueries.push_back(isByChannel ? math.mul(math.wide(tile), prefix) : math.wide(tile));
    asking.push_back(isByChannel ? math.narrow(wideQueries.back(), element) : tile);
  }
  auto ofState = [&](Value before) {
    if (prefix && !isByChannel)
      before = math.mul(before, prefix);
    return isHere ? math.select(isHere, before, math.number(0)) : before; // what other rows have may be infinite
  };
  Rows rows;
  for (auto [wide, tile] : llvm::zip(wideQueries, mass)) { // beside the first product, as long as there are registers
    Value before = ofState(math.sum(math.mul(wide, tile), 1));
    rows.mass = rows.mass ? math.add(rows.mass, before) : before;
  }
  Value narrowWeights;
  auto weigh = [&] {
    Value weights = decay.weights(queries.front(), chunk.keys.front(), products);
    if (rows.mass)
      rows.mass = math.add(rows.mass, math.sum(weights, 1));
    narrowWeights = math.narrow(weights, element);
  };
  if (schedule.isTurned) // scores and rows take the same registers
    weigh();
  for (int64_t part = 0; part < columnTiles(); ++part) {
    Value result = math.zeros({schedule.chunk, tileColumns});
    for (auto [n, tile] : llvm::enumerate(asking))
      result = math.dot(tile, sums[n * columnTiles() + part], result, /*transX=*/false, schedule.isTurned);
    if (part && failed(meanwhile.store(rows, part - 1)))
      return failure();
    if (part == 0 && meanwhile.reads)
      meanwhile.reads();
    if (!narrowWeights)
      weigh();
    rows.result = math.dot(narrowWeights, chunk.values[part], ofState(result));
  }
  return rows;
}

LogicalResult RecurKernel::visitChunks(ArrayRef<KernelOutput> outputs) {
  FailureOr<State> initial = stateBefore();
  if (failed(initial))
    return failure();
  int64_t size = schedule.chunk;
  bool isModerate = check.part == GateCheck::Moderate;
  auto visit = [&](Value number, ArrayRef<Value> carried) -> FailureOr<SmallVector<Value>> {
    Lifted row = Lifted::positions(0, size, arith::MulIOp::create(b(), number, constant(size)), limit);
    FailureOr<SmallVector<Value>> queries = loadQueries(row);
    FailureOr<Chunk> chunk = loadChunk(number);
    if (failed(queries) || failed(chunk))
      return failure();
    FailureOr<Rows> rows = Rows();
    SmallVector<Value> next;
    if (isModerate) {
      auto state = ChannelChunk::Moderate::of(carried);
      FailureOr<Value> result =
          channelChunk.visitModerate(place, row, queries->front(), chunk->keys.front(), chunk->values.front(), state);
      if (failed(result))
        return failure();
      *rows = {*result, {}};
      next = state.flatten();
    } else if (schedule.hasChannelRows) {
      FailureOr<ChannelChunk::Result> result =
          channelChunk.visit(place, row, queries->front(), chunk->keys.front(), chunk->values.front(), carried.front());
      if (failed(result))
        return failure();
      *rows = {result->rows, {}};
      next = {result->state};
    } else {
      // Where products run beside what threads compute, the state's waits for neither weights nor rows.
      State state = stateOf(carried), behind;
      auto store = [&](const Rows &some, int64_t part) { return storeRows(row, some, part, outputs); };
      auto advanceState = [&] { behind = advance(state, *chunk); };
      Meanwhile meanwhile;
      meanwhile.store = store;
      if (columns <= schedule.columnsBeside)
        meanwhile.reads = advanceState;
      rows = readRows(*queries, *chunk, state, {}, meanwhile);
      if (failed(rows))
        return failure();
      if (!meanwhile.reads)
        advanceState();
      next = behind.flatten();
    }
    if (failed(storeRows(row, *rows, columnTiles() - 1, outputs)))
      return failure();
    return next;
  };
  auto [first, end] = chunkRange();
  if (schedule.hasChannelRows)
    channelChunk.start();
  SmallVector<Value> start =
      isModerate ? channelChunk.startModerate(initial->sums.front()).flatten() : initial->flatten();
  FailureOr<SmallVector<Value>> last = loopOver(b(), first, end, constant(1), start, visit);
  if (failed(last))
    return failure();
  OpBuilder::InsertionGuard guard(b());
  State behind;
  if (isModerate) {
    auto moderate = ChannelChunk::Moderate::of(*last);
    Value mark = channelChunk.isExcessive(moderate);
    memref::StoreOp::create(b(), mark, kernel.import(check.isExcessive), checkIndices());
    // The caller's initial state may lie where the final one goes, and who repeats this block begins with it.
    if (op.getFinal()) {
      Value none = arith::ConstantOp::create(b(), b().getF32FloatAttr(0));
      openBranch(arith::CmpFOp::create(b(), arith::CmpFPredicate::OEQ, mark, none));
      behind.sums = {channelChunk.stateOf(moderate)};
    }
  } else {
    behind = stateOf(*last);
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
  State after{{advance(before->sums.front(), math.mul(key, math.wide(value)))}, {}};
  Value result = math.sum(math.mul(query, after.sums.front()), 0), mass;
  if (!before->mass.empty()) {
    after.mass.push_back(advance(before->mass.front(), key));
    mass = math.sum(math.mul(query, after.mass.front()), 0);
  }
  if (failed(storeRows(token, {result, mass}, /*part=*/0, outputs)))
    return failure();
  return storeState(after, outputs);
}

LogicalResult RecurKernel::storeRows(const Lifted &row, const Rows &stored, int64_t part,
                                     ArrayRef<KernelOutput> outputs) {
  SmallVector<Lifted> rowIndices{{place.batch}, {place.head}, row}, indices(rowIndices);
  indices.push_back(valueColumns(part));
  emitter.provide(op.getOutput(), indices, math.narrow(stored.result, getElementTypeOrSelf(op.getOutput().getType())));
  if (stored.mass)
    emitter.provide(op.getMassResult(), rowIndices, stored.mass);
  for (const InnerAttend &attend : inner)
    if (failed(provideInnerRows(attend, place, row, indices.back(), kernel, emitter)))
      return failure();
  int64_t rows = row.isPositions() ? row.extent : 1;
  for (const KernelOutput &output : outputs) {
    if (isState(output.tensor))
      continue;
    bool hasColumns = cast<RankedTensorType>(getLogicalSource(output.tensor).getType()).getRank() == 4;
    if (!hasColumns && part)
      continue; // stored with the first tile
    if (failed(storeOutput(kernel, emitter, output, hasColumns ? indices : rowIndices,
                           {rows, hasColumns ? tileColumns : 1})))
      return failure();
  }
  return success();
}

LogicalResult RecurKernel::emit(ArrayRef<KernelOutput> outputs, ArrayRef<InnerAttend> beside) {
  inner = beside;
  startBlock();
  if (failed(role == RecurRole::States ? storeSegment()
             : isOneToken(op)          ? step(outputs)
             : op.hasAt()              ? visitRows(outputs)
                                       : visitChunks(outputs)))
    return failure();
  Operation *block = b().getInsertionBlock()->getParentOp();
  holdLoads(isa<scf::ForallOp>(block) ? block : block->getParentOfType<scf::ForallOp>().getOperation());
  kernel.launch();
  return success();
}
