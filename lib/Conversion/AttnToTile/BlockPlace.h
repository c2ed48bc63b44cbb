//===- BlockPlace.h - the batch and head of a block, in every operand -------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_BLOCKPLACE_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_BLOCKPLACE_H

#include "TileEmitter.h"

namespace heddle {

/// A block's place among all batches and heads of its operation; an operand with fewer is read where its extents say.
struct BlockPlace {
  KernelBuilder &kernel;
  mlir::Value batchCount, headCount; ///< of the head
  mlir::Value batch, head;           ///< of the block

  Lifted batchOf(mlir::Value tensor) const;
  Lifted headOf(mlir::Value tensor, int64_t dimension = 1) const;
};

/// Positions of `count` that exist in sequence `batch`: bounded by the lengths of the views that operands come from.
struct SequenceEnd {
  mlir::Value count;
  mlir::Value isClamped; ///< i1: a length was negative or beyond its array; null without lengths
};
SequenceEnd findSequenceEnd(llvm::ArrayRef<mlir::Value> operands, mlir::Value batch, mlir::Value count,
                            KernelBuilder &kernel, TileEmitter &emitter);
/// Raises the status word where a length was clamped (null: it was not).
void reportClamped(KernelBuilder &kernel, mlir::Value isClamped);

} // namespace heddle

#endif
