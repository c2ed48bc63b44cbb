//===- ExpandPow.h - powers by exponentials ---------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_EXPANDPOW_H
#define HEDDLE_LIB_CONVERSION_EXPANDPOW_H

#include "mlir/IR/PatternMatch.h"

namespace heddle {

/// `math.powf` and `math.fpowi` of f32 (or vectors of it) to `math.exp2`, `math.log2` and arithmetic, with the signs of
/// negative bases. (The compiler's own expansion has no value for those, nor for 0 to the power of 0.)
void populatePowExpansion(mlir::RewritePatternSet &patterns, mlir::PatternBenefit benefit);

} // namespace heddle

#endif
