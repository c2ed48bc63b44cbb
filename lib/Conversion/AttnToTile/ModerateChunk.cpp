//===- ModerateChunk.cpp - a chunk that can be split in its middle ----------===//
//
// ChannelChunk.h says what is computed. Here r = s is the sum of the first half for every channel, so that the state is
// multiplied once, with what the chunk before has left to be done. Sums of gates are the columns of one product, whose
// operand is the array of gates as it lies in memory: what is not finite, or not moderate, is found behind the last
// chunk.
//
// Test: test/Conversion/attn-to-tile-recur-channels.mlir.
//===----------------------------------------------------------------------===//
#include "ChannelChunk.h"
#include "llvm/Support/MathExtras.h"
#include <limits>

using namespace mlir;
using namespace heddle;
using arith::CmpIPredicate;

/// A power of two: a factor is at most as large as a half of a chunk decays, or 1 by it. Keys and queries of up to 2^20
/// and down to 2^-20 are far from where bf16 and f32 end. In f16 they are not: what a factor of 2^-6 costs of keys is
/// less than their type has cost of those that are 2^-8, and whether any was too large the results say.
static double mostOfHalf(Type element) { return element.isF16() ? 6 : 96; }
/// The state decays by the second half of a chunk and the first half of the next one in one step, whose factor has to
/// be a normal number: what it would lose queries may bring back.
static constexpr double kMostOfStep = 120;
static constexpr double kLargest = std::numeric_limits<float>::max();

ChannelChunk::Moderate ChannelChunk::startModerate(Value state) {
  Value none = math.zeros({width, 1});
  return {state, none, none, element().isF16() ? math.zeros({size, 1}) : Value()};
}

/// Adding -0 is adding nothing, and no instruction.
Value ChannelChunk::columnOf(Value tile, int64_t column) {
  Value columns =
      emitter.materialize(Lifted::positions(1, TileMath::typeOf(tile).getDimSize(1), kernel.constant(0)), {});
  Value isColumn = math.compare(CmpIPredicate::eq, columns, emitter.constantTile({1, 1}, b().getI32Type(), column));
  return math.sum(math.select(isColumn, tile, math.number(-0.0)), 1);
}

/// An operand with 2^(point +- its channel's sums).
Value ChannelChunk::weighed(Value tile, Value sums, Value point, double sign) {
  ArrayRef<int64_t> shape = TileMath::typeOf(sums).getShape();
  Value factor = math.repeat(math.number(sign * llvm::numbers::log2e), shape);
  Value power = math::FmaOp::create(b(), sums, factor, math.repeat(point, shape));
  return math.narrow(math.mul(math.wide(tile), math.exp2(power)), element());
}

FailureOr<Value> ChannelChunk::visitModerate(const BlockPlace &place, const Lifted &row, Value queries, Value keys,
                                             Value values, Moderate &moderate) {
  Value turnedQueries, turnedKeys, sums;
  if (isShortOfRoom()) { // see visit
    turnedQueries = transposed(queries);
    turnedKeys = transposed(keys);
    if (failed(readGates(place, row)))
      return failure();
    sums = sumsOver(path);
  } else {
    Value read = arrayOfGates(place, row);
    if (!read)
      return failure();
    sums = math.dot(read, path, math.zeros({width, size}), /*transX=*/true);
  }
  Value first = inBase2(columnOf(sums, size / 2 - 1)), all = inBase2(columnOf(sums, size - 1));
  Value step = math.add(moderate.lag, first);
  Value state = math.mul(moderate.state, math.exp2(step)), before = math.narrow(state, element());
  Value asking = weighed(turnedQueries ? turnedQueries : transposed(queries), sums, math.sub(math.number(0), first), 1);
  Value asked = weighed(turnedKeys ? turnedKeys : transposed(keys), sums, first, -1);

  Value split = math.dot(asking, asked, math.zeros({size, size}), /*transX=*/true);
  // Products that wait for nothing come first.
  Value rows = math.dot(asking, before, math.zeros({size, TileMath::typeOf(values).getDimSize(1)}), /*transX=*/true);
  Value second = math.sub(all, first), none = math.number(0);
  Value most = math.larger(math.sub(none, first), math.sub(none, second));
  most = math.larger(most, math.sub(math.number(mostOfHalf(element()) - kMostOfStep), step));
  moderate.state = math.dot(asked, values, state);
  moderate.lag = second;
  moderate.most = math.larger(moderate.most, most);
  // What is above the diagonal may be infinite.
  Value weights = math.select(pairMask(CmpIPredicate::sge), split, none);
  rows = math.dot(math.narrow(weights, element()), values, rows);
  if (moderate.largest) // a query that is infinite makes all columns of its row so, or no number
    moderate.largest = math.larger(moderate.largest, sizeOf(columnOf(rows, 0)));
  return rows;
}

Value ChannelChunk::sizeOf(Value numbers) { return math.larger(numbers, math.sub(math.number(0), numbers)); }

/// Whether any of a column is beyond a limit, or no number: 1 or 0, 1 x 1.
Value ChannelChunk::isAnyBeyond(Value numbers, double limit) {
  Value most = math.repeat(math.number(limit), TileMath::typeOf(numbers).getShape());
  Value exceeds = arith::CmpFOp::create(b(), arith::CmpFPredicate::UGT, numbers, most);
  Value marks = math.select(exceeds, math.number(1), math.number(0));
  return tile::ReduceOp::create(b(), TileMath::typeOf(marks).clone({1, 1}), tile::ReduceKind::Max, marks, 0);
}

/// A key that was infinite, or what it was multiplied with, has stayed in the state.
Value ChannelChunk::isExcessive(const Moderate &moderate) {
  Value any = isAnyBeyond(moderate.most, mostOfHalf(element()));
  if (moderate.largest)
    any = math.larger(any, isAnyBeyond(moderate.largest, kLargest));
  Value state = math.sum(math.mul(moderate.state, math.number(0)), 1);
  any = math.larger(any, isAnyBeyond(sizeOf(state), 0));
  return tile::ScalarOp::create(b(), b().getF32Type(), any);
}
