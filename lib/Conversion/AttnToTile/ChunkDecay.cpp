//===- ChunkDecay.cpp - what the gates of a chunk multiply ------------------===//
#include "ChunkDecay.h"

using namespace mlir;
using namespace heddle;
using arith::CmpIPredicate;

static constexpr double kLog2E = 1.44269504088896340736;
/// Below this power of two f32 is 0. A gate that is less is taken as this, so that sums of gates stay small, and of
/// -inf (forget everything) finite.
static constexpr double kLeastExponent = -150;

ChunkDecay::Kind ChunkDecay::kind() {
  if (!op.getGate())
    return Kind::None;
  int64_t rank = op.getGate().getType().getRank();
  return rank == 1 ? Kind::Head : rank == 3 ? Kind::Token : Kind::Channel;
}

Value ChunkDecay::inBase2(TileMath &math, Value gate) {
  return math.larger(math.mul(math.wide(gate), math.number(kLog2E)), math.number(kLeastExponent));
}

Value ChunkDecay::pairMask(CmpIPredicate predicate) { return math.compare(predicate, i, j); }

/// The transpose of a column, exactly: a sum of one element and zeros.
Value ChunkDecay::asRow(Value column) {
  return math.sum(math.select(pairMask(CmpIPredicate::eq), column, math.number(0)), 0);
}

Value ChunkDecay::numberOfHead(const BlockPlace &place) {
  return emitter.tile(op.getGate(), {place.headOf(op.getGate(), 0)}, {1, 1});
}

LogicalResult ChunkDecay::start(const BlockPlace &place, const Lifted &row, Value present, Value counts) {
  Value zero = kernel.constant(0);
  i = emitter.materialize(Lifted::positions(0, size, zero), {});
  j = emitter.materialize(Lifted::positions(1, size, zero), {});
  difference = sameSegment = prefix = suffix = whole = isHere = sumsOfKeys = allSums = Value();
  gates.clear();
  auto integer = [&](int64_t value) { return emitter.constantTile({size, 1}, math.b().getI32Type(), value); };
  seenCount = counts ? counts : Value(arith::AddIOp::create(math.b(), i, integer(1)));
  seen = counts ? math.compare(CmpIPredicate::slt, j, counts) : pairMask(CmpIPredicate::sge);
  if (counts) {
    isHere = arith::CmpIOp::create(math.b(), CmpIPredicate::ult, counts, integer(size));
    seen = arith::AndIOp::create(math.b(), seen, math.repeat(isHere, {size, size}));
  }
  LogicalResult started = success();
  switch (kind()) {
  case Kind::None:
    break;
  case Kind::Head:
    started = startHead(place, present);
    break;
  case Kind::Token:
    started = startToken(place, row);
    break;
  case Kind::Channel:
    started = startChannel(place, row);
    break;
  }
  if (succeeded(started) && op.getSegments())
    started = startSegments(place, row, present);
  return started;
}

LogicalResult ChunkDecay::startHead(const BlockPlace &place, Value present) {
  Value number = numberOfHead(place);
  if (!number)
    return failure();
  Value gate = inBase2(math, number);
  // Numbers of tokens, which f32 holds exactly.
  auto real = [&](Value count) -> Value {
    return arith::SIToFPOp::create(math.b(), TileMath::typeOf(count).clone(math.b().getF32Type()), count);
  };
  if (weighsKeys) { // tokens beyond the end have no gates
    Value seenOfPresent = arith::MinSIOp::create(math.b(), seenCount, math.repeat(present, {size, 1}));
    startSums(math.mul(real(seenOfPresent), gate));
    return success();
  }
  Value count = real(math.repeat(present, {1, 1})), seenTokens = real(seenCount), one = math.number(1);
  difference = math.mul(math.sub(math.sub(seenTokens, one), real(j)), gate);
  prefix = math.exp2(math.mul(seenTokens, gate));
  // Tokens beyond the end have keys of 0; what they multiply only has to be finite.
  Value left = math.larger(math.sub(math.sub(count, one), real(i)), math.number(0));
  suffix = math.exp2(math.mul(left, gate));
  allSums = math.mul(count, gate);
  whole = math.exp2(allSums);
  return success();
}

/// Everything from the sums of a chunk's gates up to each token. What other threads hold they read from memory, which
/// costs less than what a row of sums takes of registers from chunk to chunk. A narrow type keeps less than the
/// differences of such sums do.
void ChunkDecay::startSums(Value sums) {
  sumsOfKeys = tile::TransposeOp::create(math.b(), TileMath::typeOf(sums).clone({1, size}), sums);
  allSums = tile::SliceOp::create(math.b(), TileMath::typeOf(sums).clone({1, 1}), sums, size - 1, 0);
  startFactors(sums);
}

/// `sums`, a column, beside `sumsOfKeys` and `allSums`.
void ChunkDecay::startFactors(Value sums) {
  difference = math.sub(sums, sumsOfKeys);
  prefix = math.exp2(sums);
  whole = math.exp2(allSums);
}

Value ChunkDecay::getSuffix(Value later) {
  if (suffix && later)
    return math.mul(suffix, math.exp2(later));
  if (!suffix && sumsOfKeys)
    suffix = math.exp2(math.sub(later ? math.add(allSums, later) : allSums, sumsOfKeys));
  return suffix;
}

LogicalResult ChunkDecay::startToken(const BlockPlace &place, const Lifted &row) {
  Value gate = op.getGate();
  if (gateSums) {
    auto type = RankedTensorType::get({1, size}, math.b().getF32Type());
    SmallVector<Value> first{place.batchOf(gate).value, place.headOf(gate).value, row.base};
    sumsOfKeys =
        tile::LoadOp::create(math.b(), type, kernel.import(gateSums), first, Value(), IntegerAttr(), UnitAttr());
    allSums = tile::SliceOp::create(math.b(), type.clone({1, 1}), sumsOfKeys, 0, size - 1);
    startFactors(tile::TransposeOp::create(math.b(), type.clone({size, 1}), sumsOfKeys));
    return success();
  }
  if (weighsKeys) {
    // As a row: what a row of threads adds up needs no other threads.
    Lifted tokens = Lifted::positions(1, size, row.base, row.limit);
    Value steps = emitter.tile(gate, {place.batchOf(gate), place.headOf(gate), tokens}, {1, size});
    if (!steps)
      return failure();
    // Compared anew, not as pairs are: a mask that waits for those would take registers until then.
    Value isSeen = math.compare(CmpIPredicate::slt, j, seenCount);
    startSums(math.sum(math.select(isSeen, inBase2(math, steps), math.number(0)), 1));
    return success();
  }
  Value column = emitter.tile(gate, {place.batchOf(gate), place.headOf(gate), row}, {size, 1});
  if (!column)
    return failure();
  column = inBase2(math, column);
  Value zero = math.number(0), sums, rest;
  auto accumulate = [&](Value &total, Value part) { total = total ? math.add(total, part) : part; };
  for (Value part : partsOf(column)) {
    Value asRows = asRow(part);
    Value tokenSums = math.sum(math.select(pairMask(CmpIPredicate::sge), asRows, zero), 1);
    Value rowSums = isHere ? math.sum(math.select(seen, asRows, zero), 1) : tokenSums;
    accumulate(sums, rowSums);
    accumulate(rest, math.sum(math.select(pairMask(CmpIPredicate::slt), asRows, zero), 1));
    accumulate(allSums, math.sum(part, 0));
    accumulate(difference, math.sub(rowSums, asRow(tokenSums)));
  }
  prefix = math.exp2(sums);
  suffix = math.exp2(rest);
  whole = math.exp2(allSums);
  return success();
}

/// Parts whose sums lose nothing that the products keep. In f32 a difference of long sums would: multiples of 1/64 are
/// summed exactly, and what is left over is small. A narrower type keeps less than one sum does.
SmallVector<Value> ChunkDecay::partsOf(Value gate) {
  if (!op.getKey().getType().getElementType().isF32())
    return {gate};
  constexpr double kUlpOfOne64th = 3 << 16; // f32 has steps of 1/64 here, 150 to either side included
  Value shift = math.number(kUlpOfOne64th);
  Value coarse = math.sub(math.add(gate, shift), shift);
  return {coarse, math.sub(gate, coarse)};
}

/// 1 where `mask`, else 0.
static Value asFloats(TileMath &math, Value mask) { return math.select(mask, math.number(1), math.number(0)); }

LogicalResult ChunkDecay::startChannel(const BlockPlace &place, const Lifted &row) {
  Value gate = op.getGate();
  int64_t width = llvm::alignTo(op.getKeyWidth(), 16);
  Lifted channels = Lifted::positions(1, width, kernel.constant(0));
  Value tile = emitter.tile(gate, {place.batchOf(gate), place.headOf(gate), row, channels}, {size, width});
  if (!tile)
    return failure();
  tile = inBase2(math, tile);
  whole = math.exp2(math.sum(tile, 0));
  gates = {tile};
  // Two terms of 8 bits are as much as a gate of narrow operands needs, and their products are the matrix unit's own.
  if (splitsSums) {
    Type narrow = math.b().getBF16Type();
    Value leading = math.narrow(tile, narrow);
    gates = {leading, math.narrow(math.sub(tile, math.wide(leading)), narrow)};
  }
  prefix = math.exp2(sumAlong(seen));
  suffix = math.exp2(sumAlong(pairMask(CmpIPredicate::slt)));
  return success();
}

/// Sums of the gates of every channel over the tokens of a mask, one sum for each of its rows.
Value ChunkDecay::sumAlong(Value mask) {
  Value path = asFloats(math, mask), sums = math.zeros(TileMath::typeOf(gates.front()).getShape());
  for (Value part : gates)
    sums = math.dot(math.narrow(path, TileMath::typeOf(part).getElementType()), part, sums);
  return sums;
}

/// A token begins a segment where its number differs from the one before; what is before it counts for nothing behind
/// it.
LogicalResult ChunkDecay::startSegments(const BlockPlace &place, const Lifted &row, Value present) {
  ImplicitLocOpBuilder &b = math.b();
  Value segments = op.getSegments();
  Lifted batch = place.batchOf(segments);
  Value own = emitter.tile(segments, {batch, row}, {size, 1});
  // The token before the first is the first. (A gather: positions of a load are not negative.)
  Value token = emitter.materialize(Lifted::positions(0, size, row.base), {});
  Value before =
      arith::MaxSIOp::create(b, arith::SubIOp::create(b, token, emitter.constantTile({size, 1}, b.getI32Type(), 1)),
                             emitter.constantTile({size, 1}, b.getI32Type(), 0));
  Lifted other = emitter.element(segments, {batch, {before}});
  if (!own || !other.value)
    return failure();
  Value begins = asFloats(math, math.compare(CmpIPredicate::ne, own, emitter.materialize(other, {size, 1})));
  Value exists = math.compare(CmpIPredicate::slt, i, math.repeat(present, {1, 1}));
  begins = math.select(exists, begins, math.number(0));
  // How many segments begin up to a token, in numbers that f32 holds exactly.
  Value counts = math.sum(math.select(pairMask(CmpIPredicate::sge), asRow(begins), math.number(0)), 1);
  Value rowCounts = isHere ? math.sum(math.select(seen, asRow(begins), math.number(0)), 1) : counts;
  Value all = math.sum(begins, 0);
  auto isEqual = [&](Value x, Value y) -> Value {
    Value distance = math.sub(x, y);
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, distance,
                                 math.zeros(TileMath::typeOf(distance).getShape()));
  };
  sameSegment = isEqual(rowCounts, asRow(counts));
  auto keep = [&](Value &factor, Value condition) {
    factor = math.select(condition, factor ? factor : math.number(1), math.number(0));
  };
  keep(prefix, isEqual(rowCounts, math.number(0)));
  keep(suffix, isEqual(counts, all));
  keep(whole, isEqual(all, math.number(0)));
  return success();
}

/// A row stands at the last token that it has seen: its own, or any of the chunk, or none.
Value ChunkDecay::weightsByChannel(Value queries, Value keys) {
  ImplicitLocOpBuilder &b = math.b();
  Type element = TileMath::typeOf(queries).getElementType();
  Value q = math.wide(queries), k = math.wide(keys), none = math.zeros({size, size}), row = i;
  auto integer = [&](int64_t value) { return emitter.constantTile({size, 1}, b.getI32Type(), value); };
  if (isHere)
    row = arith::SubIOp::create(b, seenCount, integer(1));
  Value undecayed =
      isHere ? math.dot(queries, keys, none, /*transX=*/false, /*transY=*/true) : math.sum(math.mul(q, k), 1);
  Value weights = math.select(math.compare(CmpIPredicate::eq, row, j), undecayed, none);
  auto shifted = [&](Value positions, int64_t bits) -> Value {
    auto type = TileMath::typeOf(positions);
    return arith::ShRUIOp::create(b, positions, emitter.constantTile(type.getShape(), type.getElementType(), bits));
  };
  for (int64_t bit = 0; (int64_t(1) << bit) < size; ++bit) {
    // From a row of an upper half back to its middle, or from token j of a lower half on to it: (i, s) is 1 where s is
    // in the same half and between.
    auto decayOf = [&](Value positions, Value between) {
      Value inHalf = math.compare(CmpIPredicate::eq, shifted(positions, bit), shifted(j, bit));
      return math.exp2(sumAlong(arith::AndIOp::create(b, inHalf, between)));
    };
    Value half = shifted(row, bit), group = shifted(row, bit + 1), ofRows, ofKeys;
    if (isHere) {
      ofRows = decayOf(row, math.compare(CmpIPredicate::sge, row, j));
      ofKeys = decayOf(i, pairMask(CmpIPredicate::slt));
    } else { // both are positions of the same tokens
      Value isUpper = math.compare(CmpIPredicate::ne, half, arith::MulIOp::create(b, group, integer(2)));
      ofRows = ofKeys = decayOf(i, arith::SelectOp::create(b, math.repeat(isUpper, {size, size}),
                                                           pairMask(CmpIPredicate::sge), pairMask(CmpIPredicate::slt)));
    }
    Value product = math.dot(math.narrow(math.mul(q, ofRows), element), math.narrow(math.mul(k, ofKeys), element), none,
                             /*transX=*/false, /*transY=*/true);
    Value inGroup = math.compare(CmpIPredicate::eq, group, shifted(j, bit + 1));
    Value isPair = arith::AndIOp::create(b, arith::AndIOp::create(b, inGroup, math.compare(CmpIPredicate::sgt, row, j)),
                                         math.compare(CmpIPredicate::ne, half, shifted(j, bit)));
    weights = math.select(isPair, product, weights);
  }
  return isHere ? math.select(seen, weights, none) : weights;
}

Value ChunkDecay::products(ArrayRef<Value> queries, ArrayRef<Value> keys) {
  if (kind() == Kind::Channel)
    return {};
  Value sums = math.zeros({size, size});
  for (auto [asking, asked] : llvm::zip_equal(queries, keys))
    sums = math.dot(asking, asked, sums, /*transX=*/false, /*transY=*/true);
  return sums;
}

Value ChunkDecay::weights(Value queries, Value keys, Value products) {
  Value none = math.zeros({size, size}), result = products;
  if (!products) {
    result = weightsByChannel(queries, keys);
  } else {
    if (difference)
      result = math.mul(result, math.exp2(difference));
    // After the product: what is above the diagonal may be infinite.
    result = math.select(seen, result, none);
  }
  return sameSegment ? math.select(sameSegment, result, none) : result;
}

FailureOr<Value> ChunkDecay::ofToken(const BlockPlace &place, const Lifted &token, int64_t channels) {
  Value gate = op.getGate(), tile;
  if (kind() == Kind::None)
    return Value();
  if (kind() == Kind::Head) {
    tile = numberOfHead(place);
  } else {
    SmallVector<Lifted> indices{place.batchOf(gate), place.headOf(gate), token};
    TileShape shape{1, 1};
    if (kind() == Kind::Channel) {
      indices.push_back(Lifted::positions(0, channels, kernel.constant(0)));
      shape[0] = channels;
    }
    tile = emitter.tile(gate, indices, shape);
  }
  if (!tile)
    return failure();
  return math.exp2(inBase2(math, tile));
}
