//===- RowRanks.cpp ---------------------------------------------------------===//
#include "RowRanks.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

static RankedTensorType withElement(Value tile, Type element) {
  return cast<RankedTensorType>(tile.getType()).clone(element);
}

static Value integerTile(ImplicitLocOpBuilder &b, RankedTensorType type, int32_t value) {
  return arith::ConstantOp::create(b, DenseElementsAttr::get(type, b.getI32IntegerAttr(value)));
}

/// The bits of a float as an integer that is less where the float is, and back: below 0 all bits but the sign change.
static Value reorder(ImplicitLocOpBuilder &b, Value bits) {
  auto type = cast<RankedTensorType>(bits.getType());
  Value sign = arith::ShRSIOp::create(b, bits, integerTile(b, type, 31));
  Value others = arith::AndIOp::create(b, sign, integerTile(b, type, std::numeric_limits<int32_t>::max()));
  return arith::XOrIOp::create(b, bits, others);
}

static Value toOrdered(ImplicitLocOpBuilder &b, Value floats) {
  return reorder(b, arith::BitcastOp::create(b, withElement(floats, b.getI32Type()), floats));
}

static Value toFloats(ImplicitLocOpBuilder &b, Value ordered) {
  return arith::BitcastOp::create(b, withElement(ordered, b.getF32Type()), reorder(b, ordered));
}

RowRanks heddle::initialRanks(TileEmitter &emitter, int64_t rows, unsigned ranks) {
  RowRanks initial;
  Type f32 = emitter.builder().getF32Type();
  for (unsigned rank = 0; rank < ranks; ++rank) {
    initial.push_back(emitter.constantTile({rows, 1}, f32, -kInfinity));
    initial.push_back(emitter.constantTile({rows, 1}, f32, 0));
  }
  return initial;
}

RowRanks heddle::mergeRanks(TileEmitter &emitter, ArrayRef<RowRanks> known, Value references) {
  ImplicitLocOpBuilder &b = emitter.builder();
  constexpr int32_t orderedInfinity = std::numeric_limits<int32_t>::min() + 0x7FFFFF; // of -inf
  // Values and counts, the best first, and the block's, each of which counts once.
  struct Source {
    Value values, counts;
    unsigned rank;
  };
  SmallVector<Source> sources;
  for (const RowRanks &ranks : known)
    for (unsigned rank = 0; rank < ranks.size() / 2; ++rank)
      sources.push_back({toOrdered(b, ranks[2 * rank]), ranks[2 * rank + 1], rank});
  Value block = references ? toOrdered(b, references) : Value();
  auto reduce = [&](tile::ReduceKind kind, Value tile) -> Value {
    auto type = cast<RankedTensorType>(tile.getType());
    return tile::ReduceOp::create(b, RankedTensorType::get({type.getDimSize(0), 1}, type.getElementType()), kind, tile,
                                  1);
  };
  auto repeated = [&](Value vector, Value like) {
    return emitter.materialize({vector}, cast<RankedTensorType>(like.getType()).getShape());
  };
  Value above;
  auto below = [&](Value values) -> Value {
    if (!above)
      return values;
    Value isBelow = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, values, repeated(above, values));
    Value none = integerTile(b, cast<RankedTensorType>(values.getType()), orderedInfinity);
    return arith::SelectOp::create(b, isBelow, values, none);
  };
  auto countOf = [&](Value values, Value best, Value counts) -> Value {
    Value isBest = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, values, repeated(best, values));
    ArrayRef<int64_t> shape = cast<RankedTensorType>(values.getType()).getShape();
    Value one = counts ? counts : emitter.constantTile(shape, b.getF32Type(), 1);
    return arith::SelectOp::create(b, isBest, one, emitter.constantTile(shape, b.getF32Type(), 0));
  };

  RowRanks merged;
  for (unsigned rank = 0; rank < known.front().size() / 2; ++rank) {
    Value best = block ? reduce(tile::ReduceKind::Max, below(block)) : Value();
    for (const Source &source : sources)
      if (source.rank <= rank) {
        Value candidate = below(source.values);
        best = best ? arith::MaxSIOp::create(b, best, candidate).getResult() : candidate;
      }
    Value count = block ? reduce(tile::ReduceKind::Sum, countOf(block, best, Value())) : Value();
    for (const Source &source : sources)
      if (source.rank <= rank) {
        Value own = countOf(source.values, best, source.counts);
        count = count ? arith::AddFOp::create(b, count, own).getResult() : own;
      }
    merged.push_back(toFloats(b, best));
    merged.push_back(count);
    above = best;
  }
  return merged;
}
