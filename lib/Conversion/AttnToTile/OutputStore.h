//===- OutputStore.h - tiles into the arrays that hold results --------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_OUTPUTSTORE_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_OUTPUTSTORE_H

#include "AttendKernels.h"
#include "TileEmitter.h"

namespace heddle {

/// What `tensor` holds, before an accumulate moved it to other coordinates.
mlir::Value getLogicalSource(mlir::Value tensor);

/// Stores the tile of `output.tensor` at `indices` (of its logical source).
mlir::LogicalResult storeOutput(KernelBuilder &kernel, TileEmitter &emitter, const KernelOutput &output,
                                llvm::ArrayRef<Lifted> indices, llvm::ArrayRef<int64_t> shape);

} // namespace heddle

#endif
