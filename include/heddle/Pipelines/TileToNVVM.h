//===- TileToNVVM.h - the ladder from tile to a GPU's instructions ----------===//
#ifndef HEDDLE_PIPELINES_TILETONVVM_H
#define HEDDLE_PIPELINES_TILETONVVM_H

#include "mlir/Pass/PassManager.h"

namespace heddle {

/// tile -> the warp rung, with resources planned and the rung verified. The module carries its target.
void buildTileToWarp(mlir::OpPassManager &manager);
/// tile -> llvm and nvvm. Kernels only: plans are dropped.
void buildTileToNVVM(mlir::OpPassManager &manager);

/// Both by name, for text pipelines: `tile-to-warp-schedule`, `tile-to-nvvm`.
void registerTileToNVVM();

} // namespace heddle

#endif
