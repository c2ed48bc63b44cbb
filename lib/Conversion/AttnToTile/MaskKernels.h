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

struct PreparedGrid;

/// The analysis of an attend's mask and the plan's arrays that go with it.
struct PreparedMask {
  std::optional<MaskAnalysis> analysis; ///< of the mask or a part of it; none: every key is visible
  std::shared_ptr<mlir::Block> part;    ///< of a part: a scalar region of b, h, i, j and the residue of rows
  mlir::Value violations;               ///< i32 per fact, nonzero where it does not hold; null without facts
  mlir::Value table;                    ///< i32 (b, h, row block, ends): ranges that tables were searched for; or null
  bool byBatch = false, byHead = false; ///< whether lists and tables of ranges differ between batches or heads
  mlir::Value list, count;              ///< evaluated blocks (KeyBlocks::fromList); null inside the algebra

  std::shared_ptr<const PreparedGrid> grid; ///< whose boxes rows and keys are taken by, in place of the rest; or null

  /// Rows and keys are taken by residues of it; 1: they are not.
  int64_t getModulus() const { return analysis ? analysis->getModulus() : 1; }
};

/// Whether the mask reads an array at pairs of a row and a key. Even where its order allows a search, such an array is
/// rather a picture of the mask than a sorted table: evaluating it finds the blocks that it leaves out.
bool readsPairs(attn::AttendOp op);
/// Whether the keys that rows see are ranges which the device finds in tables.
bool searchesTables(attn::AttendOp op);

/// Analyses the mask and emits the kernels it needs. What stays unsolved of a mask with `parts` for long rows is not
/// evaluated for the others. `isUsed`: i1 of the plan, whether a kernel of the mask runs; null: always.
mlir::FailureOr<PreparedMask> prepareMask(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule,
                                          llvm::ArrayRef<MaskAnalysis> parts, mlir::Value isUsed = {});

/// The same for a part of a mask (MaskAnalysis::computeParts).
mlir::FailureOr<PreparedMask> preparePart(PlanBuilder &plan, const MaskAnalysis &part);

/// What a block of rows knows about itself. Of a part in residue classes rows and keys are those of a class.
struct RowBlock {
  mlir::Value batch, head, firstRow, rowEnd, rowLength, keyLength;
  mlir::Value residue; ///< null without classes
};

/// The residue of the keys that a block sees, whose batch, head and residue are known.
mlir::Value emitKeyResidue(const PreparedMask &mask, attn::AttendOp op, const RowBlock &block, KernelBuilder &kernel,
                           TileEmitter &emitter);

/// Whether the rows of `block` see keys, as a tile of this shape; null where the mask says nothing. Positions are those
/// of the whole.
mlir::FailureOr<mlir::Value> emitVisible(const PreparedMask &mask, attn::AttendOp op, const RowBlock &block,
                                         const Lifted &row, const Lifted &key, llvm::ArrayRef<int64_t> shape,
                                         TileEmitter &emitter);

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
