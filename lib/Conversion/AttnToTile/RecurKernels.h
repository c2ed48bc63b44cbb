//===- RecurKernels.h - the kernel of one recurrence ------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_RECURKERNELS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_RECURKERNELS_H

#include "AttendKernels.h"
#include "heddle/Analysis/RecurSchedule.h"

namespace heddle {

/// Whether the recurrence is of one token, known from its types: its kernel has no products.
bool isOneToken(attn::RecurOp op);

struct InnerAttend;

/// Emits the kernels and their launches. `inner`: attends whose rows are computed beside its own.
mlir::LogicalResult emitRecur(PlanBuilder &plan, attn::RecurOp op, const RecurSchedule &schedule,
                              llvm::ArrayRef<KernelOutput> outputs, llvm::ArrayRef<InnerAttend> inner = {});

} // namespace heddle

#endif
