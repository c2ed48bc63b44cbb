//===- TensorMaps.h - kernels that copy through CUDA tensor maps -------------===//
//
// A lowered kernel says which of its memrefs it wants as tensor maps (contract 3
// of dialects/README.md); the runtime makes them for every launch.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_TARGET_TENSORMAPS_H
#define HEDDLE_TARGET_TENSORMAPS_H

#include "heddle/Target/PackWriter.h"
#include "mlir/IR/Operation.h"
#include "mlir/IR/TypeRange.h"

namespace heddle {

/// The records of `warp.tensor_maps` on a lowered kernel; none without it. `arguments` are the types of the tile kernel
/// that it was: they tell rank, element type and slots of what the attribute names. Emits an error on failure.
mlir::FailureOr<std::vector<heddle_tensor_map_record>> readTensorMaps(mlir::Operation *function,
                                                                      mlir::TypeRange arguments);

/// Beside the alignment guard, what a caller's tensors must hold for a plan's launches to have their maps: positive
/// strides of dimensions with more than one position (no driver promises to map a stride of 0). Nothing where no launch
/// makes a map of the caller's tensors.
std::optional<Expression> tensorMapGuard(const Plan &plan, llvm::ArrayRef<CompiledKernel> kernels);

} // namespace heddle

#endif
