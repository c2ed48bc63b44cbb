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

using namespace mlir;
using namespace heddle;
using arith::CmpIPredicate;

/// Powers of two. A factor is at most as large, or 1 by it, as a half of a chunk decays; then operands of up to 2^20
/// are far from where f32 ends. The state decays by the second half of a chunk and the first half of the next one in
/// one step, whose factor has to be a normal number: what it would lose queries may bring back.
static constexpr double kMostOfHalf = 96, kMostOfStep = 120;

ChannelChunk::Moderate ChannelChunk::startModerate(Value state) {
  Value none = math.zeros({width, 1});
  return {state, none, none};
}

/// Adding -0 is adding nothing, and no instruction.
Value ChannelChunk::columnOf(Value tile, int64_t column) {
  Value isColumn = math.compare(CmpIPredicate::eq, j, emitter.constantTile({1, 1}, b().getI32Type(), column));
  return math.sum(math.select(isColumn, tile, math.number(-0.0)), 1);
}

FailureOr<Value> ChannelChunk::visitModerate(const BlockPlace &place, const Lifted &row, Value queries, Value keys,
                                             Value values, Moderate &moderate) {
  element = TileMath::typeOf(keys).getElementType();
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
  Value state = math.mul(moderate.state, math.exp2(step)), before = math.narrow(state, element);
  auto weighed = [&](Value tile, double sign) {
    Value offset = math.mul(first, math.number(-sign)), factor = math.number(sign * llvm::numbers::log2e);
    ArrayRef<int64_t> shape = TileMath::typeOf(sums).getShape();
    Value power = math::FmaOp::create(b(), sums, math.repeat(factor, shape), math.repeat(offset, shape));
    return math.narrow(math.mul(math.wide(tile), math.exp2(power)), element);
  };
  Value asking = weighed(turnedQueries ? turnedQueries : transposed(queries), 1);
  Value asked = weighed(turnedKeys ? turnedKeys : transposed(keys), -1);

  Value split = math.dot(asking, asked, math.zeros({size, size}), /*transX=*/true);
  // Products that wait for nothing come first.
  Value rows = math.dot(asking, before, math.zeros({size, TileMath::typeOf(values).getDimSize(1)}), /*transX=*/true);
  Value second = math.sub(all, first), none = math.number(0);
  Value most = math.larger(math.sub(none, first), math.sub(none, second));
  most = math.larger(most, math.sub(math.number(kMostOfHalf - kMostOfStep), step));
  moderate = {math.dot(asked, values, state), second, math.larger(moderate.most, most)};
  // What is above the diagonal may be infinite.
  Value weights = math.select(pairMask(CmpIPredicate::sge), split, none);
  return math.dot(math.narrow(weights, element), values, rows);
}

Value ChannelChunk::isExcessive(const Moderate &moderate) {
  Value limit = math.repeat(math.number(kMostOfHalf), {width, 1});
  Value exceeds = arith::CmpFOp::create(b(), arith::CmpFPredicate::UGT, moderate.most, limit);
  Value marks = math.select(exceeds, math.number(1), math.number(0));
  Value any = tile::ReduceOp::create(b(), TileMath::typeOf(marks).clone({1, 1}), tile::ReduceKind::Max, marks, 0);
  return tile::ScalarOp::create(b(), b().getF32Type(), any);
}
