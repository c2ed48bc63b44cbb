//===- RecurRows.cpp - rows that read the states of other tokens ------------===//
//
// Rows in blocks, and beside them the chunks of the tokens that they have seen. Positions never fall, so one pass over
// the tokens serves all: a block of rows goes on from the chunk where the one before it ended, passes by the chunks
// that only some of its rows have seen whole, and reads the chunk that its last row reads.
//
// Tests: test/python/test_recur_positions.py, test/Conversion/attn-to-tile-recur.mlir.
//
//===----------------------------------------------------------------------===//
#include "RecurKernel.h"

using namespace mlir;
using namespace heddle;

/// How many tokens rows have seen: a number for a row that is one, else a column.
Value RecurKernel::tokensSeen(const Lifted &row) {
  FailureOr<SmallVector<Lifted>> position = emitter.apply(op.getAt().front(), row);
  if (failed(position))
    return {};
  Value last = arith::SubIOp::create(b(), length, constant(1)), at, one, lowest, highest;
  if (row.isScalar()) {
    at = position->front().value;
    one = constant(1);
    lowest = arith::SubIOp::create(b(), constant(0), constant(1));
    highest = last;
  } else {
    TileShape shape{row.extent, 1};
    at = emitter.materialize(position->front(), shape);
    one = emitter.constantTile(shape, b().getI32Type(), 1);
    lowest = emitter.constantTile(shape, b().getI32Type(), -1);
    highest = emitter.materialize({last}, shape);
  }
  at = arith::MaxSIOp::create(b(), arith::MinSIOp::create(b(), at, highest), lowest);
  return arith::AddIOp::create(b(), at, one);
}

LogicalResult RecurKernel::visitRows(ArrayRef<KernelOutput> outputs) {
  FailureOr<State> initial = initialState();
  if (failed(initial))
    return failure();
  int64_t size = schedule.chunk;
  auto countsIn = [&](Value all, Value number) -> Value {
    Value before = arith::MulIOp::create(b(), number, constant(size));
    return arith::SubIOp::create(b(), all, emitter.materialize({before}, {size, 1}));
  };
  auto added = [&](const Rows &rows, ArrayRef<Value> sums) {
    SmallVector<Value> next{math.add(sums[0], rows.result)};
    if (rows.mass)
      next.push_back(math.add(sums[1], rows.mass));
    return next;
  };
  size_t parts = initial->flatten().size();
  auto visitBlock = [&](Value block, ArrayRef<Value> carried) -> FailureOr<SmallVector<Value>> {
    Value first = arith::MulIOp::create(b(), block, constant(size));
    Lifted row = Lifted::positions(0, size, first, rowLimit);
    FailureOr<SmallVector<Value>> queries = loadQueries(row);
    Value end = arith::MinSIOp::create(b(), arith::AddIOp::create(b(), first, constant(size)), rowLength);
    Value seen = tokensSeen(row), most = tokensSeen({arith::SubIOp::create(b(), end, constant(1))});
    if (failed(queries) || !seen || !most)
      return failure();
    Value lastChunk = arith::DivUIOp::create(b(), most, constant(size));
    SmallVector<Value> inner(carried.drop_back());
    inner.push_back(math.zeros({size, columns}));
    if (op.getMass())
      inner.push_back(math.zeros({size, 1}));
    auto passBy = [&](Value number, ArrayRef<Value> values) -> FailureOr<SmallVector<Value>> {
      State state = stateOf(values.take_front(parts));
      FailureOr<Chunk> chunk = loadChunk(number);
      if (failed(chunk))
        return failure();
      FailureOr<Rows> rows = readRows(*queries, *chunk, state, countsIn(seen, number));
      if (failed(rows))
        return failure();
      SmallVector<Value> sums = added(*rows, values.drop_front(parts));
      SmallVector<Value> next = advance(state, *chunk).flatten();
      next.append(sums);
      return next;
    };
    FailureOr<SmallVector<Value>> passed = loopOver(b(), carried.back(), lastChunk, constant(1), inner, passBy);
    if (failed(passed))
      return failure();
    State state = stateOf(ArrayRef(*passed).take_front(parts));
    FailureOr<Chunk> chunk = loadChunk(lastChunk);
    if (failed(chunk))
      return failure();
    FailureOr<Rows> rows = readRows(*queries, *chunk, state, countsIn(seen, lastChunk));
    if (failed(rows))
      return failure();
    SmallVector<Value> sums = added(*rows, ArrayRef(*passed).drop_front(parts));
    if (failed(storeRows(row, {sums[0], op.getMass() ? sums[1] : Value()}, /*part=*/0, outputs)))
      return failure();
    SmallVector<Value> next = state.flatten();
    next.push_back(lastChunk);
    return next;
  };
  SmallVector<Value> start = initial->flatten();
  start.push_back(constant(0));
  Value blocks = arith::CeilDivSIOp::create(b(), rowLength, constant(size));
  FailureOr<SmallVector<Value>> behind = loopOver(b(), constant(0), blocks, constant(1), start, visitBlock);
  if (failed(behind))
    return failure();
  if (!op.getFinal())
    return success();
  auto goOn = [&](Value number, ArrayRef<Value> carried) -> FailureOr<SmallVector<Value>> {
    FailureOr<Chunk> chunk = loadChunk(number);
    if (failed(chunk) || failed(decay.start(place, chunk->row, chunk->present)))
      return failure();
    return advance(stateOf(carried), *chunk).flatten();
  };
  Value chunks = arith::CeilDivSIOp::create(b(), length, constant(size));
  FailureOr<SmallVector<Value>> last =
      loopOver(b(), behind->back(), chunks, constant(1), ArrayRef(*behind).drop_back(), goOn);
  return failed(last) ? failure() : storeState(stateOf(*last), outputs);
}
