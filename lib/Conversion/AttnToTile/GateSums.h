//===- GateSums.h - sums of a chunk's gates, by a kernel in front -----------===//
//
// Gates of a token and head are few numbers, but every block that reads a head's chunk
// needs their sums up to each token, as a row and as a column, before anything else; and
// arrays (b, t, h) have the heads side by side, of which a block wants one. A kernel in
// front adds up the gates of several heads of a chunk at once and leaves the sums in
// order (b, h, t), from where copies bring them ahead of time.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_GATESUMS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_GATESUMS_H

#include "RecurKernels.h"

namespace heddle {

/// Whether a recurrence has such sums: with a gate per token, where warps share out chunks and keys take the decays.
bool hasGateSums(attn::RecurOp op, const RecurSchedule &schedule);

/// Emits the kernel and its launch, where `isUsed` (of the plan; null: always). What it leaves is workspace (b, h, t)
/// of the gate's own extents, filled up to whole groups of heads and whole chunks: in base 2 and f32, the sum of the
/// gates from the start of a token's chunk up to and with it.
mlir::FailureOr<mlir::Value> emitGateSums(PlanBuilder &plan, attn::RecurOp op, const RecurSchedule &schedule,
                                          mlir::Value isUsed);

} // namespace heddle

#endif
