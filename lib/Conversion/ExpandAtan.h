//===- ExpandAtan.h - angles by a polynomial --------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_EXPANDATAN_H
#define HEDDLE_LIB_CONVERSION_EXPANDATAN_H

#include "mlir/IR/PatternMatch.h"

namespace heddle {

/// `math.atan` and `math.atan2` of f32 (or vectors of it) to arithmetic: no target has an instruction, and the
/// compiler's own approximation has no value at the origin. Relative error 1.5e-7; signed zeros as in C, but no angle
/// between two infinities.
void populateAtanExpansion(mlir::RewritePatternSet &patterns, mlir::PatternBenefit benefit);

} // namespace heddle

#endif
