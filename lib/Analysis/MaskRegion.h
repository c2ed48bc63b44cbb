//===- MaskRegion.h - reading a mask region as an expression ----*- C++ -*-===//
#ifndef HEDDLE_LIB_ANALYSIS_MASKREGION_H
#define HEDDLE_LIB_ANALYSIS_MASKREGION_H

#include "heddle/Analysis/IndexExpr.h"
#include "mlir/IR/Region.h"

namespace heddle {

/// The truth that `mask` yields, in Batch, Head, Row and Key. What cannot be read becomes opaque with a reason.
ExprRef readMaskRegion(IndexExprContext &context, mlir::Region &mask);
/// The same for a region that takes a row and yields a position.
ExprRef readRowRegion(IndexExprContext &context, mlir::Region &region);

} // namespace heddle

#endif
