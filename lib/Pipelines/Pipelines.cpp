//===- Pipelines.cpp - the ladder as pass pipelines -------------------------===//
#include "heddle/Pipelines/Pipelines.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace heddle;

/// A step as text, so that `heddle-opt` replays it word by word.
static LogicalResult append(OpPassManager &manager, const std::string &passes) {
  return parsePassPipeline(passes, manager);
}

LogicalResult heddle::buildAttnPipeline(OpPassManager &manager) {
  return append(manager, "attn-link-prelude,verify-attn");
}

LogicalResult heddle::buildAttnToTilePipeline(OpPassManager &manager, tile::TargetAttr,
                                              const LoweringOptions &options) {
  std::string schedule = options.schedule.empty() ? "" : llvm::formatv("{{schedule={0}}", options.schedule).str();
  return append(manager, "attn-to-tile" + schedule + ",canonicalize,cse,verify-tile");
}

static std::string cpuPasses(tile::TargetAttr target) {
  return llvm::formatv("tile-to-llvm-cpu{{vector-bits={0} vector-registers={1} fma={2} avx512-bf16={3} amx={4}}",
                       target.getVectorBytes() * 8, target.getVectorRegisters(), target.getHasFma(),
                       target.getHasBf16Dot(), target.getHasTileMma());
}

LogicalResult heddle::buildTileToLLVMPipeline(OpPassManager &manager, tile::TargetAttr target,
                                              const LoweringOptions &) {
  if (!target.getIsGpu())
    return append(manager, cpuPasses(target));
  return append(manager, "tile-to-nvvm");
}
