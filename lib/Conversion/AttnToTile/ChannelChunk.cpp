//===- ChannelChunk.cpp - a chunk of tokens whose channels decay apart ------===//
#include "ChannelChunk.h"
#include "dialects/Tile/TileDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace heddle;
using arith::CmpIPredicate;

/// exp of it is 0 in f32. A gate that is less is taken as this, so that sums of gates stay small, and of -inf (forget
/// everything) finite. Types of 16 bits have it exactly.
static constexpr double kLeastGate = -104;
/// A power of two that operands of products may be multiplied or divided by: far from where their type ends, so that it
/// costs neither of what they were nor of what they are multiplied with.
static double mostSplit(Type element) { return element.isF16() ? 6 : 64; }

Value ChannelChunk::transposed(Value tile) {
  auto type = TileMath::typeOf(tile);
  return tile::TransposeOp::create(b(), type.clone({type.getDimSize(1), type.getDimSize(0)}), tile);
}

Value ChannelChunk::inBase2(Value sums) { return math.mul(sums, math.number(llvm::numbers::log2e)); }

/// 1 where `mask`, else 0, as an operand of products of the gates.
static Value asOperand(TileMath &math, Value mask, Type element) {
  return math.narrow(math.select(mask, math.number(1), math.number(0)), element);
}

void ChannelChunk::start() {
  Value zero = kernel.constant(0);
  i = emitter.materialize(Lifted::positions(0, size, zero), {});
  j = emitter.materialize(Lifted::positions(1, size, zero), {});
  path = asOperand(math, pairMask(CmpIPredicate::sle), gateElement());
}

/// Of products of gates.
Type ChannelChunk::gateElement() {
  Type type = getElementTypeOrSelf(op.getGate().getType());
  return type.isF32() && splitsSums ? b().getBF16Type() : type;
}

/// As they lie in memory, size x width.
Value ChannelChunk::arrayOfGates(const BlockPlace &place, const Lifted &row) {
  Value gate = op.getGate();
  Lifted channels = Lifted::positions(1, width, kernel.constant(0));
  return emitter.tile(gate, {place.batchOf(gate), place.headOf(gate), row, channels}, {size, width});
}

LogicalResult ChannelChunk::readGates(const BlockPlace &place, const Lifted &row) {
  Value read = arrayOfGates(place, row);
  if (!read)
    return failure();
  wideGates = math.larger(math.wide(transposed(read)), math.number(kLeastGate));
  gates = {math.narrow(wideGates, gateElement())};
  // Two terms of 8 bits are as much as a gate of narrow operands needs.
  if (TileMath::typeOf(read).getElementType() != gateElement())
    gates.push_back(math.narrow(math.sub(wideGates, math.wide(gates.front())), gateElement()));
  return success();
}

/// Sums of the gates of every channel: column t adds up the tokens that are 1 in column t of `path`.
Value ChannelChunk::sumsOver(Value path) {
  Value sums = math.zeros({width, size});
  for (Value term : gates)
    sums = math.dot(term, path, sums);
  return sums;
}

/// Of every channel, width x 1.
Value ChannelChunk::sumsOfHalf(bool isFirst) {
  Value half = emitter.constantTile({1, 1}, b().getI32Type(), size / 2);
  Value isInside = math.compare(isFirst ? CmpIPredicate::slt : CmpIPredicate::sge, j, half);
  return inBase2(math.sum(math.select(isInside, wideGates, math.number(0)), 1));
}

/// How far a channel decays in the half where it does so more, as a positive power of two.
Value ChannelChunk::decayOf(Value first, Value second) {
  return math.larger(math.sub(math.number(0), first), math.sub(math.number(0), second));
}

/// Whether some channel cannot be split in the middle of the chunk: a number of the block.
Value ChannelChunk::isAnyStrong(Value decays) {
  Value most = tile::ReduceOp::create(b(), TileMath::typeOf(decays).clone({1, 1}), tile::ReduceKind::Max, decays, 0);
  Value number = tile::ScalarOp::create(b(), b().getF32Type(), most);
  Value limit = arith::ConstantOp::create(b(), b().getF32FloatAttr(mostSplit(element())));
  return arith::CmpFOp::create(b(), arith::CmpFPredicate::UGT, number, limit);
}

/// Adds the pairs of tokens whose positions differ in `bit` (an index) and in no higher one. Masks are comparisons with
/// numbers of a row or a column that depend on the bit, so that nothing has to be kept for them.
Value ChannelChunk::weightsOfBit(Value bit, Value weights) {
  Type i32 = b().getI32Type();
  auto number = [&](int64_t value) { return emitter.constantTile({1, size}, i32, value); };
  auto shift = [&](Value positions) -> Value {
    Value count = arith::IndexCastOp::create(b(), i32, bit);
    return emitter.materialize({count}, TileMath::typeOf(positions).getShape());
  };
  Value halfI = arith::ShRUIOp::create(b(), i, shift(i)), halfJ = arith::ShRUIOp::create(b(), j, shift(j));
  Value odd = arith::AndIOp::create(b(), halfJ, number(1));
  Value isUpper = math.compare(CmpIPredicate::ne, odd, number(0));
  // From token j of an upper half back to its middle, or of a lower half on to it.
  Value next = arith::AddIOp::create(b(), j, number(1)), halfNext = arith::AddIOp::create(b(), halfJ, number(1));
  Value lower = arith::ShLIOp::create(b(), halfJ, shift(j)), upper = arith::ShLIOp::create(b(), halfNext, shift(j));
  Value begin = arith::SelectOp::create(b(), isUpper, lower, next);
  Value end = arith::SelectOp::create(b(), isUpper, next, upper);
  Value mask =
      arith::AndIOp::create(b(), math.compare(CmpIPredicate::sge, i, begin), math.compare(CmpIPredicate::slt, i, end));
  Value decay = math.exp2(inBase2(sumsOver(asOperand(math, mask, gateElement()))));
  Value product =
      math.dot(math.narrow(math.mul(wideQueries, decay), element()), math.narrow(math.mul(wideKeys, decay), element()),
               math.zeros({size, size}), /*transX=*/true);
  // Token j in the lower half of a group, and i in the upper one.
  Value partner = arith::SelectOp::create(b(), isUpper, number(-1), halfNext);
  Value isPair = math.compare(CmpIPredicate::eq, halfI, partner);
  if (isShortOfRoom()) { // no product reads queries and keys as they came
    Value diagonal = math.sum(math.mul(wideQueries, wideKeys), 0);
    weights = math.select(pairMask(CmpIPredicate::eq), diagonal, weights);
  }
  return math.select(isPair, product, weights);
}

/// The weights of all pairs, whatever the gates are.
Value ChannelChunk::weightsBySplits(Value queries, Value keys) {
  Value diagonal = math.zeros({size, size});
  if (!isShortOfRoom())
    diagonal = math.dot(queries, keys, diagonal, /*transX=*/false, /*transY=*/true);
  Value bits = kernel.constant(llvm::Log2_64(size));
  FailureOr<SmallVector<Value>> weights =
      loopOver(b(), kernel.constant(0), bits, kernel.constant(1), {diagonal},
               [&](Value bit, ArrayRef<Value> carried) -> FailureOr<SmallVector<Value>> {
                 bit.getParentBlock()->getParentOp()->setAttr(tile::kSeldomAttr, b().getUnitAttr());
                 return SmallVector<Value>{weightsOfBit(bit, carried.front())};
               });
  return weights->front();
}

FailureOr<ChannelChunk::Result> ChannelChunk::visit(const BlockPlace &place, const Lifted &row, Value queries,
                                                    Value keys, Value values, Value state) {
  // Wide gates take the room of second slots: then all that is read to registers comes first, and its slots are filled
  // again behind that. Else reading late takes fewer registers.
  Value turnedQueries, turnedKeys;
  if (isShortOfRoom()) {
    turnedQueries = transposed(queries);
    turnedKeys = transposed(keys);
  }
  if (failed(readGates(place, row)))
    return failure();
  Value product = sumsOver(path), first = sumsOfHalf(true), second = sumsOfHalf(false);
  Value all = math.add(first, second), decays = decayOf(first, second), sums = inBase2(product);
  Value isWeak = arith::CmpFOp::create(b(), arith::CmpFPredicate::OLE, decays,
                                       math.repeat(math.number(mostSplit(element())), {width, 1}));
  Value point = arith::SelectOp::create(b(), isWeak, first, math.zeros({width, 1}));
  Value anchor = arith::SelectOp::create(b(), isWeak, first, all);

  Value before = math.narrow(math.mul(state, math.exp2(point)), element());
  wideQueries = math.wide(turnedQueries ? turnedQueries : transposed(queries));
  Value asking = math.narrow(math.mul(wideQueries, math.exp2(math.sub(sums, point))), element());
  wideKeys = math.wide(turnedKeys ? turnedKeys : transposed(keys));
  Value asked = math.narrow(math.mul(wideKeys, math.exp2(math.sub(anchor, sums))), element());
  // One barrier is for this and for the operands of products that stand before it.
  Value isStrong = isAnyStrong(decays);

  Value split = math.dot(asking, asked, math.zeros({size, size}), /*transX=*/true);
  auto branch = scf::IfOp::create(b(), split.getType(), isStrong, /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(branch.thenBlock());
    Value weights = weightsBySplits(queries, keys);
    scf::YieldOp::create(b(), weights);
    b().setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b(), split);
  }
  // Products that wait for nothing come first.
  Value rows = math.dot(asking, before, math.zeros({size, TileMath::typeOf(values).getDimSize(1)}), /*transX=*/true);
  Value added = math.dot(asked, values, math.mul(state, math.exp2(anchor)));
  // After the product: what is above the diagonal may be infinite.
  Value weights = math.select(pairMask(CmpIPredicate::sge), branch.getResult(0), math.number(0));
  rows = math.dot(math.narrow(weights, element()), values, rows);
  return Result{rows, math.mul(added, math.exp2(math.sub(all, anchor)))};
}

FailureOr<ChannelChunk::Segment> ChannelChunk::advance(const BlockPlace &place, const Lifted &row, Value keys,
                                                       Value values, Value state) {
  if (failed(readGates(place, row)))
    return failure();
  Value sums = sumsOver(path), all = inBase2(columnOf(sums, size - 1));
  Value left = weighed(transposed(keys), sums, all, -1);
  return Segment{math.dot(left, values, math.mul(state, math.exp2(all))), all};
}
