//===- IterationExtents.h - heads and batches paired by extents -------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOLOOPS_ITERATIONEXTENTS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOLOOPS_ITERATIONEXTENTS_H

#include "lib/Conversion/AttnToLoops/KernelBuilder.h"

namespace heddle::loops {

/// An operation iterates over the largest batch and head extent of its operands; where an operand with fewer is read.
class IterationExtents {
public:
  using Dimension = std::pair<mlir::Value, int64_t>; ///< a tensor of the source and one of its dimensions

  IterationExtents(KernelBuilder &kernel, llvm::ArrayRef<Dimension> batches, llvm::ArrayRef<Dimension> heads);

  /// 0: batches, 1: heads.
  mlir::Value extent(unsigned dim) { return dim == 0 ? batch : head; }
  /// Position `x` of the iteration's dimension `dim` in dimension `memoryDim` of an operand's memory.
  mlir::Value position(mlir::Value x, unsigned dim, mlir::Value memory, unsigned memoryDim);

private:
  KernelBuilder &kernel;
  mlir::Value batch, head;
  llvm::DenseMap<std::pair<mlir::Value, mlir::Value>, mlir::Value> groups;
};

/// The largest of several extents, from what a function says about each.
mlir::Value largestExtent(llvm::ArrayRef<IterationExtents::Dimension> dimensions,
                          llvm::function_ref<mlir::Value(mlir::Value, int64_t)> size,
                          llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> larger);

} // namespace heddle::loops

#endif
