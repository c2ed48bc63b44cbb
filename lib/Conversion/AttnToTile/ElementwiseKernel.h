//===- ElementwiseKernel.h - a kernel that only computes a tensor -----------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_ELEMENTWISEKERNEL_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_ELEMENTWISEKERNEL_H

#include "PlanBuilder.h"

namespace heddle {

/// Emits a kernel that computes `tensor` tile by tile and leaves it in `memory` (a value of the plan).
mlir::LogicalResult emitElementwise(PlanBuilder &plan, mlir::Value tensor, mlir::Value memory);

/// Emits a kernel that sets `memory` (a value of the plan, of rank 1 to 4) to zero.
void emitZeros(PlanBuilder &plan, mlir::Value memory);

} // namespace heddle

#endif
