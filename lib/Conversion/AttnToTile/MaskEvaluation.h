//===- MaskEvaluation.h - lists of visited blocks of a mask by evaluation ---===//
//
// What the algebra does not solve is evaluated once per run, at one position of each
// group that the mask cannot tell apart, and listed.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_MASKEVALUATION_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_MASKEVALUATION_H

#include "MaskKernels.h"

namespace heddle {

/// A kernel that evaluates the mask on blocks of rows and keys; `states` (b, h, row block, key block) gets 0 where
/// none is visible, 1 for some, 2 for all.
mlir::LogicalResult emitEvaluation(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule,
                                   mlir::Value states);

/// A kernel that lists the visited blocks of each block of rows, in order (KeyBlocks::fromList).
void emitListing(PlanBuilder &plan, mlir::Value states, mlir::Value list, mlir::Value count);

} // namespace heddle

#endif
