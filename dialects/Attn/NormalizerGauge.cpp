//===- NormalizerGauge.cpp - whether a normalizer's reference is a gauge ----===//
#include "dialects/Attn/NormalizerGauge.h"
#include "dialects/Attn/ScalarInterpreter.h"
#include <cmath>

using namespace mlir;
using namespace heddle::attn;

namespace {
using Scalars = SmallVector<Scalar>;

/// Evaluates the regions of one normalizer at positions 0 and with a fixed value for each scalar of its header.
class Row {
public:
  explicit Row(NormalizerOp op) : op(op) {}

  std::optional<Scalars> run(Region &region, ArrayRef<double> reals) {
    Scalars arguments = llvm::map_to_vector(reals, Scalar::ofReal);
    arguments.resize(op.getNumLeading(region)); // positions are 0
    for (Type type : op.getHeaderTypes())
      arguments.push_back(isa<FloatType>(type) ? Scalar::ofReal(0.75) : Scalar::ofInteger(3));
    return interpreter.evaluate(region, arguments);
  }

  /// What `finish` gives with the row's sums at gauge `m`.
  std::optional<Scalars> finish(double m, ArrayRef<double> scores) {
    SmallVector<double> reals = {m};
    reals.append(op.getNumSums(), 0.0);
    for (double score : scores) {
      std::optional<Scalars> yielded = run(op.getWeight(), {score, m});
      if (!yielded)
        return std::nullopt;
      for (unsigned sum = 0; sum < op.getNumSums(); ++sum)
        reals[1 + sum] += (*yielded)[op.getNumWeights() + sum].real;
    }
    return run(op.getFinish(), reals);
  }

  /// What `rescale` makes of weights and sums; none if it cannot be evaluated.
  std::optional<SmallVector<double>> move(double from, double to, ArrayRef<double> yielded) {
    ArrayRef<double> sums = yielded.drop_front(op.getNumWeights());
    bool movesSums = op.getNumLeading(op.getRescale()) > 2;
    SmallVector<double> reals = {from, to};
    if (movesSums)
      llvm::append_range(reals, sums);
    std::optional<Scalars> results = run(op.getRescale(), reals);
    if (!results)
      return std::nullopt;
    SmallVector<double> moved(yielded);
    for (auto [index, value] : llvm::enumerate(moved))
      value = movesSums && index >= op.getNumWeights() ? (*results)[1 + index - op.getNumWeights()].real
                                                       : value * results->front().real;
    return moved;
  }

private:
  NormalizerOp op;
  ScalarInterpreter interpreter;
};
} // namespace

static bool agree(double a, double b) {
  if (!std::isfinite(a) || !std::isfinite(b)) // out of range at one gauge: nothing is learned
    return true;
  return std::fabs(a - b) <= 1e-9 * std::max({std::fabs(a), std::fabs(b), 1e-30});
}

static SmallVector<double> realsOf(const Scalars &scalars) {
  return llvm::map_to_vector(scalars, [](const Scalar &scalar) { return scalar.real; });
}

static LogicalResult verifyPair(NormalizerOp op, Row &row, ArrayRef<double> scores, double from, double to) {
  std::optional<Scalars> scale = row.run(op.getRescale(), {from, to});
  if (!scale)
    return success();
  double factor = scale->front().real;
  std::optional<Scalars> before = row.finish(from, scores), after = row.finish(to, scores);
  SmallVector<double> total(op.getNumWeights() + op.getNumSums(), 0.0), movedTotal(total);
  for (double score : scores) {
    std::optional<Scalars> old = row.run(op.getWeight(), {score, from}), moved = row.run(op.getWeight(), {score, to});
    if (!old || !moved)
      return success();
    std::optional<SmallVector<double>> rescaled = row.move(from, to, realsOf(*old));
    if (!rescaled)
      return success();
    for (auto [index, expected] : llvm::enumerate(*rescaled)) {
      double got = (*moved)[index].real;
      if (!agree(expected, got)) // C4
        return op.emitOpError("expected weight(s, m') = rescale(m, m') * weight(s, m), got ")
               << got << " and " << expected << " for value " << index << " at s = " << score << ", m = " << from
               << ", m' = " << to;
      total[index] += (*old)[index].real;
      movedTotal[index] += expected;
    }
  }
  std::optional<SmallVector<double>> rescaled = row.move(from, to, total);
  if (!rescaled)
    return success();
  for (auto [index, got] : llvm::enumerate(*rescaled))
    if (!agree(movedTotal[index], got)) // C4
      return op.emitOpError("expected rescale to move a total as it moves what is added up, got ")
             << got << " and " << movedTotal[index] << " for value " << index << " at m = " << from << ", m' = " << to;
  if (!before || !after)
    return success();
  for (unsigned index = 0; index < before->size(); ++index) {
    // A factor undoes what the rescaling did to its weight; a statistic stays as it is.
    double expected = (*before)[index].real, got = (*after)[index].real;
    if (index < op.getNumWeights())
      got *= factor;
    if (!agree(expected, got)) // C5
      return op.emitOpError("expected results of finish that do not depend on m, got ")
             << expected << " and " << got << " for value " << index << " at m = " << from << ", m' = " << to;
  }
  return success();
}

LogicalResult heddle::attn::verifyGauge(NormalizerOp op) {
  if (!op.hasReference())
    return success();
  Row row(op);
  static constexpr double scores[] = {-3.0, -0.7, 0.4, 2.5};
  double top = -INFINITY;
  for (double score : scores) {
    std::optional<Scalars> reference = row.run(op.getReference(), {score});
    if (!reference)
      return success();
    top = std::max(top, reference->front().real);
  }
  for (double step : {0.25, 1.75, 4.0})
    if (failed(verifyPair(op, row, scores, top, top + step)))
      return failure();
  return success();
}
