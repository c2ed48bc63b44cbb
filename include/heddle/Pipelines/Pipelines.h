//===- Pipelines.h - the ladder as pass pipelines ---------------------------===//
//
// One function per step between rungs. Each ends in the verifier of the rung it
// reaches. What depends on the machine is read from the target's capabilities.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_PIPELINES_PIPELINES_H
#define HEDDLE_PIPELINES_PIPELINES_H

#include "dialects/Tile/TileTarget.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/Error.h"

namespace heddle {

/// What may be chosen for a target beside the target itself.
struct LoweringOptions {
  std::string schedule; ///< override of the chooser, e.g. "rows=64,keys=64"; empty: choose
};

/// attn as written -> attn that stands alone.
llvm::Error buildAttnPipeline(mlir::OpPassManager &manager);
/// attn -> tile. The module carries its target.
llvm::Error buildAttnToTilePipeline(mlir::OpPassManager &manager, tile::TargetAttr target,
                                    const LoweringOptions &options);
/// attn -> a tile module of plain loops in f64: the reference semantics.
llvm::Error buildAttnToLoopsPipeline(mlir::OpPassManager &manager);
/// tile -> the llvm dialect (with nvvm for a GPU). Leaves no plan.
llvm::Error buildTileToLLVMPipeline(mlir::OpPassManager &manager, tile::TargetAttr target);

/// Every pass that the pipelines use, and the dialects of their rungs. Safe to call from several threads.
void registerPipelinePasses();
void registerPipelineDialects(mlir::DialectRegistry &registry);

} // namespace heddle

#endif
