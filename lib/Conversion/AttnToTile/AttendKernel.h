//===- AttendKernel.h - one kernel of an attend -----------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_ATTENDKERNEL_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_ATTENDKERNEL_H

#include "AttendKernels.h"
#include "MaskKernels.h"
#include "StagedKeys.h"

namespace heddle {

enum class AttendRole { Direct, Partial, Merge };

/// Workspace for the states of a split, as plan values: one array per tile of the state.
struct SplitWorkspace {
  mlir::Value splits; ///< index
  llvm::SmallVector<mlir::Value> arrays;
};

/// Emits the kernel and its launch. `workspace` is null for the direct one; with `staged` it reads keys and values
/// there.
mlir::LogicalResult emitAttendKernel(PlanBuilder &plan, attn::AttendOp op, attn::NormalizerOp normalizer,
                                     const AttendSchedule &schedule, const PreparedMask &mask, AttendRole role,
                                     const SplitWorkspace *workspace, llvm::ArrayRef<KernelOutput> outputs,
                                     const StagedKeys *staged = nullptr);

} // namespace heddle

#endif
