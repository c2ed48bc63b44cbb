//===- InnerAttends.h - attends inside of a recurrence's kernel -------------===//
//
// Where rows of a recurrence are merged with those of an attend that sees few keys (a window, anchors), the kernel of
// the recurrence computes the attend's rows of a chunk when it has its own: one more loop inside of the loop over
// chunks. So the attend's part, and what its rows share with the recurrence's, does not go through memory.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_INNERATTENDS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_INNERATTENDS_H

#include "AttendKernels.h"
#include "BlockPlace.h"
#include "MaskKernels.h"
#include "dialects/Tile/TileTarget.h"
#include "heddle/Analysis/RecurSchedule.h"

namespace heddle {

/// An attend inside of a recurrence's kernel: its mask is solved, and its blocks of rows are the recurrence's.
struct InnerAttend {
  attn::AttendOp op;
  attn::NormalizerOp definition; ///< null if it has none
  AttendSchedule schedule;
  PreparedMask mask;
};

/// Whether the kernel of `around` can compute rows of `op`: neither needs results of the other, and whatever the number
/// of tokens, by the mask's algebra, a block of rows sees few keys.
bool canBeInner(attn::AttendOp op, attn::RecurOp around);

/// Whether that is known to be faster than a kernel of its own: on groups of warps whose registers hold the state, the
/// rows and the attend's sums, which they do up to 64 channels (test/gpu/README.md).
bool paysInside(attn::AttendOp op, attn::RecurOp around, tile::TargetAttr target);

/// What is inside of a recurrence's kernel of such a schedule; steps have `keys` keys (0: as usual).
mlir::FailureOr<std::vector<InnerAttend>> prepareInner(PlanBuilder &plan, llvm::ArrayRef<attn::AttendOp> attends,
                                                       const RecurSchedule &around, int64_t keys);

/// Emits the rows `row` of one head, in some columns, and says what the op's results are there.
mlir::LogicalResult provideInnerRows(const InnerAttend &inner, const BlockPlace &place, const Lifted &row,
                                     const Lifted &columns, KernelBuilder &kernel, TileEmitter &emitter);

} // namespace heddle

#endif
