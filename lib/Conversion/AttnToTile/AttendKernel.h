//===- AttendKernel.h - one kernel of an attend -----------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_ATTENDKERNEL_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_ATTENDKERNEL_H

#include "AttendKernels.h"
#include "MaskKernels.h"
#include "StagedKeys.h"

namespace heddle {

enum class AttendRole {
  Direct,  ///< all keys; results
  Partial, ///< a share of the keys; a state
  Merge,   ///< the states of all shares; results
  Begin,   ///< keys of a part of the mask; a state
  Finish,  ///< from a state, keys of another part; results
};

/// Workspace for the states of a split, as plan values: one array per tile of the state.
struct SplitWorkspace {
  mlir::Value splits; ///< index
  llvm::SmallVector<mlir::Value> arrays;

  /// For `splits` states: sizes (splits, b, h, i[, e]).
  static SplitWorkspace allocate(PlanBuilder &plan, attn::AttendOp op, attn::NormalizerOp normalizer,
                                 mlir::Value splits);
};

/// Emits the kernel and its launch. `mask` is a part of the op's in a kernel that begins or finishes. `workspace` is
/// null for the direct one; with `staged` it reads keys and values there.
mlir::LogicalResult emitAttendKernel(PlanBuilder &plan, attn::AttendOp op, attn::NormalizerOp normalizer,
                                     const AttendSchedule &schedule, const PreparedMask &mask, AttendRole role,
                                     const SplitWorkspace *workspace, llvm::ArrayRef<KernelOutput> outputs,
                                     const StagedKeys *staged = nullptr);

} // namespace heddle

#endif
