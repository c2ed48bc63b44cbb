//===- MaskKernels.h - what a mask needs before the kernel that uses it -----===//
//
// Two things about a mask are known only when its arrays are: whether a table that is
// searched does not fall (a fact of MaskAnalysis), and what an evaluation of the parts
// outside the algebra finds. Each is a small kernel in front of the attend's.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_MASKKERNELS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_MASKKERNELS_H

#include "AttendKernels.h"
#include "KeyBlocks.h"
#include "TileEmitter.h"

namespace heddle {

/// The analysis of an attend's mask and the plan's arrays that go with it.
struct PreparedMask {
  std::optional<MaskAnalysis> analysis; ///< none: every key is visible
  mlir::Value violations;               ///< i32 per fact, nonzero where it does not hold; null without facts
  mlir::Value table;                    ///< i32 (b, h, row block, ends): ranges that tables were searched for; or null
  bool byBatch = false, byHead = false; ///< whether lists and tables of ranges differ between batches or heads
  mlir::Value list, count;              ///< evaluated blocks (KeyBlocks::fromList); null inside the algebra
};

/// Analyses the mask and emits the kernels it needs.
mlir::FailureOr<PreparedMask> prepareMask(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule);

/// What a block of rows knows about itself.
struct RowBlock {
  mlir::Value batch, head, firstRow, rowEnd, rowLength, keyLength;
};

/// The ranges of keys of a block of rows, in a kernel.
KeyRanges emitKeyRanges(const PreparedMask &mask, attn::AttendOp op, const RowBlock &block, KernelBuilder &kernel,
                        TileEmitter &emitter);

/// The blocks of keys that a block of rows visits, in a kernel.
KeyBlocks emitKeyBlocks(const PreparedMask &mask, attn::AttendOp op, const RowBlock &block,
                        const AttendSchedule &schedule, KernelBuilder &kernel, TileEmitter &emitter);

/// Sizes (b, h, i, j) that an attend runs over, in a scope.
mlir::Value getAttendSize(ScalarScope &scope, mlir::ImplicitLocOpBuilder &builder, attn::AttendOp op, int64_t which);

/// Rows and keys that exist in `batch`: the sizes, bounded by the lengths of the views the operands come from.
struct Lengths {
  mlir::Value rows, keys;
  mlir::Value isClamped; ///< i1: a length was negative or beyond its array; null without lengths
};
Lengths emitLengths(attn::AttendOp op, mlir::Value batch, mlir::Value rowCount, mlir::Value keyCount,
                    KernelBuilder &kernel, TileEmitter &emitter);

} // namespace heddle

#endif
