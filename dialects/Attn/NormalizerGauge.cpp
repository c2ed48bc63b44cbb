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

static LogicalResult verifyPair(NormalizerOp op, Row &row, ArrayRef<double> scores, double from, double to) {
  std::optional<Scalars> scale = row.run(op.getRescale(), {from, to});
  if (!scale)
    return success();
  double factor = scale->front().real;
  std::optional<Scalars> before = row.finish(from, scores), after = row.finish(to, scores);
  for (double score : scores) {
    std::optional<Scalars> old = row.run(op.getWeight(), {score, from}), moved = row.run(op.getWeight(), {score, to});
    if (!old || !moved)
      return success();
    for (auto [index, pair] : llvm::enumerate(llvm::zip_equal(*old, *moved))) {
      double expected = factor * std::get<0>(pair).real, got = std::get<1>(pair).real;
      if (!agree(expected, got)) // C4
        return op.emitOpError("expected weight(s, m') = rescale(m, m') * weight(s, m), got ")
               << got << " and " << expected << " for value " << index << " at s = " << score << ", m = " << from
               << ", m' = " << to;
    }
  }
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
