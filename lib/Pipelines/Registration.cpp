//===- Registration.cpp - passes and dialects of the ladder -----------------===//
#include "dialects/Attn/AttnDialect.h"
#include "dialects/Tile/TileDialect.h"
#include "dialects/Warp/WarpDialect.h"
#include "heddle/Analysis/Passes.h"
#include "heddle/Conversion/Passes.h"
#include "heddle/Conversion/TileToCPU.h"
#include "heddle/Pipelines/Pipelines.h"
#include "heddle/Pipelines/TileToNVVM.h"
#include "heddle/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Transforms/Passes.h"
#include <mutex>

using namespace mlir;

void heddle::registerPipelinePasses() {
  static std::once_flag once;
  std::call_once(once, [] {
    registerAnalysisPasses();
    registerConversionPasses();
    registerTransformsPasses();
    registerCanonicalizerPass();
    registerCSEPass();
    registerTileToCPUPipelines();
    registerTileToNVVM();
  });
}

void heddle::registerPipelineDialects(DialectRegistry &registry) {
  registry.insert<attn::AttnDialect, tile::TileDialect, warp::WarpDialect, arith::ArithDialect, func::FuncDialect,
                  LLVM::LLVMDialect, NVVM::NVVMDialect, linalg::LinalgDialect, math::MathDialect, memref::MemRefDialect,
                  scf::SCFDialect, tensor::TensorDialect, vector::VectorDialect>();
}
