//===- RecurSegments.cpp - tokens in segments that blocks share -------------===//
//
// Blocks of the first kernel go over a segment each, from its end, and leave what it
// adds to the state and the sum of its gates: keys take the decays of all that follows,
// the sums take none, and what is read last is what the second kernel reads first, so
// that it is still in the cache. Blocks of the second begin with what
// those of the segments before theirs have left, in order, and go on as one would.
//
// Tests: test/python/test_recur_segments.py, test/Conversion/attn-to-tile-recur-plan.mlir.
//
//===----------------------------------------------------------------------===//
#include "RecurKernel.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace heddle;

/// The chunks of this block.
std::pair<Value, Value> RecurKernel::chunkRange() {
  Value count = arith::CeilDivSIOp::create(b(), length, constant(schedule.chunk));
  if (isRepeated)
    count = arith::SelectOp::create(b(), isRepeated, count, constant(0));
  if (!segment)
    return {constant(0), count};
  Value each = arith::CeilDivSIOp::create(b(), count, segments);
  Value first = arith::MinSIOp::create(b(), arith::MulIOp::create(b(), segment, each), count);
  return {first, arith::MinSIOp::create(b(), arith::AddIOp::create(b(), first, each), count)};
}

LogicalResult RecurKernel::storeSegment() {
  State nothing = emptyState();
  size_t count = nothing.flatten().size();
  auto [first, end] = chunkRange();
  Value ends = arith::SubIOp::create(b(), arith::AddIOp::create(b(), first, end), constant(1));
  auto visit = [&](Value number, ArrayRef<Value> carried) -> FailureOr<SmallVector<Value>> {
    if (!schedule.hasChannelRows)
      number = arith::SubIOp::create(b(), ends, number);
    FailureOr<Chunk> chunk = loadChunk(number);
    if (failed(chunk))
      return failure();
    if (schedule.hasChannelRows) {
      FailureOr<ChannelChunk::Segment> behind =
          channelChunk.advance(place, chunk->row, chunk->keys.front(), chunk->values.front(), carried.front());
      if (failed(behind))
        return failure();
      return SmallVector<Value>{behind->state, math.add(carried.back(), behind->sums)};
    }
    if (failed(decay.start(place, chunk->row, chunk->present)))
      return failure();
    Value later = decay.getAllSums() ? carried.back() : Value();
    SmallVector<Value> next = advance(stateOf(carried.take_front(count)), *chunk, later).flatten();
    if (decay.getAllSums())
      next.push_back(math.add(carried.back(), decay.getAllSums()));
    return next;
  };
  SmallVector<Value> start = nothing.flatten();
  if (workspace->decays)
    start.push_back(math.zeros({schedule.hasChannelRows ? keyWidth : 1, 1}));
  if (schedule.hasChannelRows)
    channelChunk.start();
  FailureOr<SmallVector<Value>> last = loopOver(b(), first, end, constant(1), start, visit);
  if (failed(last))
    return failure();
  for (auto [n, tile] : llvm::enumerate(ArrayRef(*last).take_front(count))) { // of several slices each stores the mass
    WorkspacePlace at = placeInWorkspace(segment, n);
    tile::StoreOp::create(b(), tile, at.memory, at.indices, Value(), IntegerAttr(), at.column);
  }
  if (schedule.hasChannelRows) { // of several slices each stores the same
    tile::StoreOp::create(b(), last->back(), kernel.import(workspace->decays),
                          ValueRange{segment, place.batch, place.head, constant(0)}, Value(), IntegerAttr(),
                          b().getUnitAttr());
  } else if (workspace->decays) {
    Value sum = tile::ScalarOp::create(b(), b().getF32Type(), last->back());
    memref::StoreOp::create(b(), sum, kernel.import(workspace->decays), ValueRange{segment, place.batch, place.head});
  }
  return success();
}

/// Where tile `n` of what a segment adds lies.
RecurKernel::WorkspacePlace RecurKernel::placeInWorkspace(Value number, int64_t n) {
  int64_t count = channelTiles() * columnTiles();
  SmallVector<Value> indices{number, place.batch, place.head};
  if (n < count) {
    Value channel = constant(n / columnTiles() * tileChannels), column = valueColumns(n % columnTiles()).base;
    if (schedule.isTurned)
      std::swap(channel, column);
    llvm::append_values(indices, channel, column);
    return {kernel.import(workspace->sums), indices, UnitAttr()};
  }
  indices.push_back(constant((n - count) * tileChannels));
  return {kernel.import(workspace->masses), indices, isMassColumn ? b().getUnitAttr() : UnitAttr()};
}

/// The state in front of this block's segment.
FailureOr<RecurKernel::State> RecurKernel::stateBefore() {
  FailureOr<State> initial = initialState();
  if (failed(initial) || !segment)
    return initial;
  Value decays = workspace->decays ? kernel.import(workspace->decays) : Value();
  // What a segment adds is loaded while that of the one before is folded in, so that two are on their way.
  size_t count = initial->flatten().size();
  auto load = [&](Value number) {
    SmallVector<Value> loaded;
    for (auto [n, tile] : llvm::enumerate(initial->flatten())) {
      WorkspacePlace at = placeInWorkspace(number, n);
      loaded.push_back(
          tile::LoadOp::create(b(), TileMath::typeOf(tile), at.memory, at.indices, Value(), IntegerAttr(), at.column));
    }
    if (schedule.hasChannelRows)
      loaded.push_back(tile::LoadOp::create(b(), TileMath::typeOf(initial->sums.front()).clone({keyWidth, 1}), decays,
                                            ValueRange{number, place.batch, place.head, constant(0)}, Value(),
                                            IntegerAttr(), b().getUnitAttr()));
    else if (decays)
      loaded.push_back(memref::LoadOp::create(b(), decays, ValueRange{number, place.batch, place.head}));
    return loaded;
  };
  auto fold = [&](Value number, ArrayRef<Value> carried) -> FailureOr<SmallVector<Value>> {
    Value last = arith::SubIOp::create(b(), segment, constant(1));
    Value following = arith::AddIOp::create(b(), number, constant(1));
    SmallVector<Value> loaded = load(arith::MinSIOp::create(b(), following, last)), next;
    Value factor;
    if (decays)
      factor = math.exp2(schedule.hasChannelRows ? carried.back() : emitter.materialize({carried.back()}, {1, 1}));
    for (size_t n = 0; n < count; ++n)
      next.push_back(math.add(factor ? math.mul(carried[n], factor) : carried[n], carried[count + n]));
    llvm::append_range(next, loaded);
    return next;
  };
  Value before = segment;
  if (isRepeated)
    before = arith::SelectOp::create(b(), isRepeated, before, constant(0));
  SmallVector<Value> start = initial->flatten();
  llvm::append_range(start, load(constant(0)));
  FailureOr<SmallVector<Value>> folded = loopOver(b(), constant(0), before, constant(1), start, fold);
  return failed(folded) ? FailureOr<State>(failure()) : stateOf(ArrayRef(*folded).take_front(count));
}
