//===- PairEmitter.h - scores, visibility and weights of one pair -----------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOLOOPS_PAIREMITTER_H
#define HEDDLE_LIB_CONVERSION_ATTNTOLOOPS_PAIREMITTER_H

#include "dialects/Attn/AttnOps.h"
#include "lib/Conversion/AttnToLoops/IterationExtents.h"

namespace heddle::loops {

/// What the row kernel leaves for the others: memory of the plan.
struct RowMemory {
  mlir::Value factors;   ///< (b, h, i, weight)
  mlir::Value reference; ///< (b, h, i), null without a reference
};

/// Where a weight is evaluated.
struct Pair {
  mlir::Value b, h, i, j, k;
};

/// Emits scores, visibility and weights of one attend into one kernel.
class PairEmitter {
public:
  PairEmitter(attn::AttendOp op, attn::NormalizerOp normalizer, KernelBuilder &kernel);

  mlir::Value extent(unsigned dim) { return extents.extent(dim); }
  mlir::Value rows() { return kernel.sizeOf(op.getRowOperands().front(), 2); }
  mlir::Value keys() { return kernel.sizeOf(op.getKeyOperands().front(), 2); }
  /// The extents that a row is summed over.
  KernelBuilder::Values keyExtents();

  /// Where memory with its own extents is read for an iteration over all of them.
  mlir::Value position(mlir::Value x, unsigned dim, mlir::Value memory) {
    return extents.position(x, dim, memory, dim);
  }
  mlir::Value read(mlir::Value tensor, const Pair &pair, mlir::Value t, mlir::Value c);
  /// Runs `emit` with the score region's results where the pair is visible; `otherwise` is carried past the rest.
  KernelBuilder::Values whenVisible(const Pair &pair, mlir::ValueRange otherwise,
                                    llvm::function_ref<KernelBuilder::Values(mlir::ValueRange)> emit);
  /// The finished weight of a result, from what the score region yields.
  mlir::Value weight(unsigned result, mlir::ValueRange scores, const Pair &pair, const RowMemory &row);
  /// The arguments of a normalizer's region: reals, then positions, then the header's.
  KernelBuilder::Values run(mlir::Region &region, llvm::ArrayRef<mlir::Value> reals,
                            llvm::ArrayRef<mlir::Value> positions);
  mlir::Value arrayOrScalar(mlir::Value value);

private:
  KernelBuilder::Values positions(const Pair &pair);
  KernelBuilder::Values scores(const Pair &pair);
  mlir::Value visibleByMask(const Pair &pair);

  attn::AttendOp op;
  attn::NormalizerOp normalizer;
  KernelBuilder &kernel;
  IterationExtents extents;
};

/// Dimension `dim` of every operand of an attend.
llvm::SmallVector<IterationExtents::Dimension> operandDimensions(attn::AttendOp op, unsigned dim);

} // namespace heddle::loops

#endif
