//===- AttendSizes.h - sizes of an attend's blocks --------------------------===//
//
// What the inner loop of an attend works on is described in numbers, from which the
// target's chooser (GpuSchedule, CpuSchedule) takes the sizes of its blocks.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_ATTENDSIZES_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_ATTENDSIZES_H

#include "AttendKernels.h"

namespace heddle {

/// The sizes that the options leave open (0): what suits the target, or the usual ones where there is none. `note` is
/// for people: the choice and its budget.
mlir::FailureOr<AttendSchedule> completeSchedule(AttendSchedule schedule, PlanBuilder &plan, attn::AttendOp op,
                                                 attn::NormalizerOp definition, std::string &note);

} // namespace heddle

#endif
