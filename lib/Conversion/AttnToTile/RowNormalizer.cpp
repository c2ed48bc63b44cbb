//===- RowNormalizer.cpp ----------------------------------------------------===//
#include "RowNormalizer.h"
#include "dialects/Attn/RankedStats.h"
#include "dialects/Attn/ScalarInterpreter.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// Far below any score, and no infinity: a product with 0 is 0.
static constexpr double kLowest = -1e30;

SmallVector<Value> RowState::flatten() const {
  SmallVector<Value> values;
  for (Value value : {max, presence})
    if (value)
      values.push_back(value);
  llvm::append_range(values, sums);
  llvm::append_range(values, ranks);
  llvm::append_range(values, accumulators);
  return values;
}

RowState RowState::with(ValueRange values) const {
  RowState state = *this;
  for (Value *value : {&state.max, &state.presence})
    if (*value) {
      *value = values.front();
      values = values.drop_front();
    }
  for (Value &value : llvm::concat<Value>(state.sums, state.ranks, state.accumulators)) {
    value = values.front();
    values = values.drop_front();
  }
  return state;
}

NormalizerTraits NormalizerTraits::of(attn::NormalizerOp definition) {
  NormalizerTraits traits;
  if (!definition)
    return traits;
  // What cannot be evaluated (a region that reads an array) counts as bad.
  auto yieldsOnly = [&](Region &region, double first, function_ref<bool(double)> holds) {
    SmallVector<attn::Scalar> arguments(region.getNumArguments());
    arguments.front() = attn::Scalar::ofReal(first);
    std::optional<SmallVector<attn::Scalar>> results = attn::ScalarInterpreter().evaluate(region, arguments);
    return results && llvm::all_of(*results, [&](attn::Scalar result) { return holds(result.real); });
  };
  auto isZero = [](double w) { return w == 0.0; };
  traits.absorbsInvisible = yieldsOnly(definition.getWeight(), -kInfinity, isZero);
  if (definition.hasReference()) {
    bool isLowest = yieldsOnly(definition.getReference(), -kInfinity, [](double m) { return m == -kInfinity; });
    traits.absorbsLowest = isLowest && !traits.absorbsInvisible && yieldsOnly(definition.getWeight(), kLowest, isZero);
    traits.absorbsInvisible &= isLowest;
  } else
    traits.needsPresence =
        definition.getNumStats() || !yieldsOnly(definition.getFinish(), 0.0, [](double c) { return std::isfinite(c); });
  return traits;
}

/// Whether a score is made of dots and numbers by operations that make no infinity of what is in range.
static bool makesFiniteScores(attn::AttendOp op) {
  return llvm::all_of(op.getScore().getOps(), [](Operation &inside) {
    if (auto constant = dyn_cast<arith::ConstantOp>(inside)) {
      auto real = dyn_cast<FloatAttr>(constant.getValue());
      return !real || real.getValue().isFinite();
    }
    return isa<attn::YieldOp, arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::NegFOp, math::FmaOp, math::TanhOp,
               arith::SIToFPOp, arith::IndexCastOp, arith::AddIOp, arith::SubIOp, arith::MulIOp>(inside);
  });
}

RowNormalizer::RowNormalizer(attn::AttendOp op, attn::NormalizerOp definition, TileEmitter &emitter, int64_t rows)
    : definition(definition), emitter(emitter), rows(rows), ranks(attn::countRanks(op)),
      hasFiniteScores(makesFiniteScores(op)), traits(NormalizerTraits::of(definition)) {
  if (!definition)
    return;
  for (Region *region : definition.getRegions())
    if (!region->empty())
      for (auto [argument, value] :
           llvm::zip(region->getArguments().drop_front(definition.getNumLeading(*region)), op.getNormalizerArgs()))
        emitter.alias(argument, value);
}

RowState RowNormalizer::initial(ArrayRef<int64_t> columnsOfValues) {
  Type f32 = emitter.builder().getF32Type();
  RowState state;
  if (hasReference())
    state.max = emitter.constantTile({rows, 1}, f32, -kInfinity);
  if (traits.needsPresence)
    state.presence = emitter.constantTile({rows, 1}, f32, 0);
  for (unsigned sum = 0; definition && sum < definition.getNumSums(); ++sum)
    state.sums.push_back(emitter.constantTile({rows, 1}, f32, 0));
  state.ranks = initialRanks(emitter, rows, ranks);
  for (int64_t columns : columnsOfValues)
    for (unsigned weight = 0; weight < getNumWeights(); ++weight)
      state.accumulators.push_back(emitter.constantTile({rows, columns}, f32, 0));
  return state;
}

FailureOr<SmallVector<Value>> RowNormalizer::apply(Region &region, ArrayRef<Lifted> leading, ArrayRef<int64_t> shape) {
  FailureOr<SmallVector<Lifted>> lifted = emitter.apply(region.front(), leading);
  if (failed(lifted))
    return failure();
  SmallVector<Value> tiles;
  for (const Lifted &value : *lifted)
    tiles.push_back(emitter.materialize(value, shape));
  return tiles;
}

/// Tiles of `a` and `b` multiplied, `b` repeated to the shape of `a`.
static Value scaled(TileEmitter &emitter, Value a, Value b) {
  Value factor = emitter.materialize({b}, cast<RankedTensorType>(a.getType()).getShape());
  return arith::MulFOp::create(emitter.builder(), a, factor);
}

Value RowNormalizer::guard(Value present, Value value, double otherwise) {
  auto type = cast<RankedTensorType>(value.getType());
  Value constant = emitter.constantTile(type.getShape(), type.getElementType(), otherwise);
  return arith::SelectOp::create(emitter.builder(), emitter.materialize({present}, type.getShape()), value, constant);
}

Value RowNormalizer::isPresent(const RowState &state) {
  ImplicitLocOpBuilder &b = emitter.builder();
  Value evidence = state.max ? state.max : state.presence;
  if (!evidence)
    return {};
  Value nothing = emitter.constantTile({rows, 1}, b.getF32Type(), state.max ? -kInfinity : 0.0);
  return arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, evidence, nothing);
}

FailureOr<RowNormalizer::Rescaled> RowNormalizer::rescale(const RowState &state, Value to) {
  ImplicitLocOpBuilder &b = emitter.builder();
  Region &region = definition.getRescale();
  SmallVector<Lifted> leading{{state.max}, {to}};
  for (unsigned sum = 2; sum < definition.getNumLeading(region); ++sum)
    leading.push_back({state.sums[sum - 2]});
  FailureOr<SmallVector<Value>> yielded = apply(region, leading, {rows, 1});
  if (failed(yielded))
    return failure();
  // Nothing seen so far: the state is zero, whatever the region makes of -inf.
  Value nothing = emitter.constantTile({rows, 1}, b.getF32Type(), -kInfinity);
  Value seen = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, state.max, nothing);
  for (Value &value : *yielded)
    value = guard(seen, value, 0.0);
  return Rescaled{yielded->front(), SmallVector<Value>(llvm::drop_begin(*yielded))};
}

Value RowNormalizer::boundBelow(Value scores, Value isPartial) {
  ImplicitLocOpBuilder &b = emitter.builder();
  auto type = cast<RankedTensorType>(scores.getType());
  auto bounded = [&]() -> Value {
    Value lowest = emitter.constantTile(type.getShape(), type.getElementType(), kLowest);
    return arith::MaximumFOp::create(b, scores, lowest);
  };
  if (!hasFiniteScores)
    return bounded();
  auto branch = scf::IfOp::create(b, type, isPartial, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, bounded());
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, scores);
  return branch.getResult(0);
}

FailureOr<SmallVector<Value>> RowNormalizer::step(RowState &state, Value scores, const Lifted &j, Value isPartial) {
  ImplicitLocOpBuilder &b = emitter.builder();
  auto type = cast<RankedTensorType>(scores.getType());
  ArrayRef<int64_t> shape = type.getShape();
  if (!definition)
    return SmallVector<Value>{scores};

  Value visible;
  bool isAbsorbed = traits.absorbsInvisible || traits.absorbsLowest;
  if (!isAbsorbed || state.presence) {
    Value invisible = emitter.constantTile(shape, type.getElementType(), -kInfinity);
    visible = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, scores, invisible);
  }
  auto reduce = [&](tile::ReduceKind kind, Value tile) -> Value {
    return tile::ReduceOp::create(b, RankedTensorType::get({rows, 1}, b.getF32Type()), kind, tile, 1);
  };
  Rescaled before;
  SmallVector<Lifted> leading{{scores}};
  if (state.max) {
    FailureOr<SmallVector<Value>> reference = apply(definition.getReference(), {{scores}, batch, head, row, j}, shape);
    if (failed(reference))
      return failure();
    Value candidate = isAbsorbed ? reference->front() : guard(visible, reference->front(), -kInfinity);
    if (ranks)
      state.ranks = mergeRanks(emitter, {state.ranks}, candidate);
    Value newMax = arith::MaxNumFOp::create(b, state.max, reduce(tile::ReduceKind::Max, candidate));
    RowState updated = state;
    updated.max = newMax;
    Value gauge = guard(isPresent(updated), newMax, 0.0);
    FailureOr<Rescaled> rescaled = rescale(state, gauge);
    if (failed(rescaled))
      return failure();
    before = std::move(*rescaled);
    state.max = newMax;
    leading.push_back({gauge});
  }
  if (traits.absorbsLowest)
    leading.front() = {boundBelow(scores, isPartial)};
  llvm::append_values(leading, batch, head, row, j);
  FailureOr<SmallVector<Value>> weights = apply(definition.getWeight(), leading, shape);
  if (failed(weights))
    return failure();
  if (!isAbsorbed)
    for (Value &weight : *weights)
      weight = guard(visible, weight, 0.0);
  if (state.presence) {
    Value one = emitter.constantTile(shape, b.getF32Type(), 1.0),
          zero = emitter.constantTile(shape, b.getF32Type(), 0.0);
    Value seen = arith::SelectOp::create(b, visible, one, zero);
    state.presence = arith::MaxNumFOp::create(b, state.presence, reduce(tile::ReduceKind::Max, seen));
  }
  for (auto [index, sum] : llvm::enumerate(state.sums)) {
    Value kept = !before.factor ? sum : before.sums.empty() ? scaled(emitter, sum, before.factor) : before.sums[index];
    sum = arith::AddFOp::create(b, kept, reduce(tile::ReduceKind::Sum, (*weights)[getNumWeights() + index]));
  }
  if (before.factor)
    for (Value &accumulator : state.accumulators)
      accumulator = scaled(emitter, accumulator, before.factor);
  weights->resize(getNumWeights());
  return weights;
}

FailureOr<RowState> RowNormalizer::combine(const RowState &a, const RowState &b) {
  ImplicitLocOpBuilder &builder = emitter.builder();
  RowState result = a;
  Rescaled parts[2];
  if (a.max) {
    result.max = arith::MaxNumFOp::create(builder, a.max, b.max);
    Value gauge = guard(isPresent(result), result.max, 0.0);
    for (auto [rescaled, part] : llvm::zip(parts, ArrayRef<const RowState *>{&a, &b})) {
      FailureOr<Rescaled> made = rescale(*part, gauge);
      if (failed(made))
        return failure();
      rescaled = std::move(*made);
    }
  }
  if (ranks)
    result.ranks = mergeRanks(emitter, {a.ranks, b.ranks}, Value());
  if (a.presence)
    result.presence = arith::MaxNumFOp::create(builder, a.presence, b.presence);
  auto add = [&](Value left, Value right) -> Value {
    if (parts[0].factor) {
      left = scaled(emitter, left, parts[0].factor);
      right = scaled(emitter, right, parts[1].factor);
    }
    return arith::AddFOp::create(builder, left, right);
  };
  for (auto [index, sum] : llvm::enumerate(result.sums))
    sum = parts[0].sums.empty()
              ? add(sum, b.sums[index])
              : arith::AddFOp::create(builder, parts[0].sums[index], parts[1].sums[index]).getResult();
  for (auto [accumulator, other] : llvm::zip(result.accumulators, b.accumulators))
    accumulator = add(accumulator, other);
  return result;
}

FailureOr<RowNormalizer::Finished> RowNormalizer::finish(const RowState &state) {
  ImplicitLocOpBuilder &b = emitter.builder();
  Finished finished;
  if (!definition) {
    finished.results = state.accumulators;
    return finished;
  }
  Value present = isPresent(state);
  SmallVector<Lifted> leading;
  if (state.max)
    leading.push_back({guard(present, state.max, 0.0)});
  for (Value sum : state.sums)
    leading.push_back({sum});
  llvm::append_values(leading, batch, head, row);
  FailureOr<SmallVector<Value>> yielded = apply(definition.getFinish(), leading, {rows, 1});
  if (failed(yielded))
    return failure();

  unsigned weights = getNumWeights();
  for (unsigned value = 0; value * weights < state.accumulators.size(); ++value) {
    Value result;
    for (unsigned weight = 0; weight < weights; ++weight) {
      Value factor = present ? guard(present, (*yielded)[weight], 0.0) : (*yielded)[weight];
      Value term = scaled(emitter, state.accumulators[value * weights + weight], factor);
      result = result ? arith::AddFOp::create(b, result, term).getResult() : term;
    }
    finished.results.push_back(result);
  }
  for (auto [index, name] : llvm::enumerate(definition.getStats().getAsValueRange<StringAttr>())) {
    Value stat = (*yielded)[weights + index];
    finished.stats[name] = present ? guard(present, stat, -kInfinity) : stat;
  }
  if (state.max)
    finished.stats[attn::kMaxStat] = state.max;
  Value lowest = emitter.constantTile({rows, 1}, b.getF32Type(), -kInfinity);
  for (unsigned rank = 0; rank < ranks; ++rank) {
    Value exists = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, state.ranks[2 * rank], lowest);
    finished.stats["max." + std::to_string(rank + 1)] = state.ranks[2 * rank];
    finished.stats["count." + std::to_string(rank + 1)] = guard(exists, state.ranks[2 * rank + 1], 0.0);
  }
  return finished;
}

FailureOr<RowState> heddle::loopOver(ImplicitLocOpBuilder &b, Value lower, Value upper, Value step,
                                     const RowState &initial, function_ref<FailureOr<RowState>(Value, RowState)> body) {
  auto flat = [&](Value position, ArrayRef<Value> values) -> FailureOr<SmallVector<Value>> {
    FailureOr<RowState> next = body(position, initial.with(values));
    if (failed(next))
      return failure();
    return next->flatten();
  };
  FailureOr<SmallVector<Value>> last = loopOver(b, lower, upper, step, initial.flatten(), flat);
  if (failed(last))
    return failure();
  return initial.with(*last);
}
