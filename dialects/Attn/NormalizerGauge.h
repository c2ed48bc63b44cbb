//===- NormalizerGauge.h - whether a normalizer's reference is a gauge ------===//
#ifndef HEDDLE_DIALECTS_ATTN_NORMALIZERGAUGE_H
#define HEDDLE_DIALECTS_ATTN_NORMALIZERGAUGE_H

#include "dialects/Attn/AttnOps.h"

namespace heddle::attn {
/// Tries the laws of a normalizer's reference on a small row of scores, in double precision:
///
///     weight(s, m') = rescale(m, m') * weight(s, m)
///     finish(m', rescale(m, m') * R) gives the results and statistics of finish(m, R)
///
/// A region that reads a tensor, or that does what the interpreter has no rule for, is not tried.
mlir::LogicalResult verifyGauge(NormalizerOp op);
} // namespace heddle::attn

#endif
