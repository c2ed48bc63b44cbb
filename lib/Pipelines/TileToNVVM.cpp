//===- TileToNVVM.cpp - tile kernels to instructions, for any GPU target ----===//
//
// Tiles get their layouts. Kernels whose products suit warpgroups overlap them and
// split into roles; in all others copies run an iteration ahead. Shared memory and
// registers are planned, the warp rung is checked, and what remains is one thread's
// scalar program.
//
//===----------------------------------------------------------------------===//
#include "heddle/Pipelines/TileToNVVM.h"
#include "heddle/Conversion/Passes.h"
#include "heddle/Transforms/Passes.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace heddle;

void heddle::buildTileToWarp(OpPassManager &manager) {
  manager.addPass(createTileToWarp());
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
  OpPassManager &kernels = manager.nest<func::FuncOp>();
  kernels.addPass(createLoopInvariantCodeMotionPass());
  kernels.addPass(createWarpOverlapProducts());
  kernels.addPass(createWarpHoldOperands());
  kernels.addPass(createWarpTakeTurns());
  kernels.addPass(createWarpSkipRows());
  kernels.addPass(createWarpSpecialize());
  kernels.addPass(createWarpPipelineCopies());
  kernels.addPass(createWarpElideBarriers());
  kernels.addPass(createWarpPlanResources());
  kernels.addPass(createVerifyWarp());
}

void heddle::buildTileToNVVM(OpPassManager &manager) {
  buildTileToWarp(manager);
  manager.addPass(createWarpToNVVM());
  OpPassManager &kernels = manager.nest<LLVM::LLVMFuncOp>();
  kernels.addPass(createCSEPass());
  kernels.addPass(arith::createArithExpandOpsPass());
  kernels.addPass(createSCFToControlFlowPass());
  kernels.addPass(createConvertMathToLLVMPass());
  // Sizes and coordinates are below 2^31; only addresses are 64 bits wide, and they are i64 by now.
  ArithToLLVMConversionPassOptions arithOptions;
  arithOptions.indexBitwidth = 32;
  kernels.addPass(createArithToLLVMConversionPass(arithOptions));
  ConvertControlFlowToLLVMPassOptions branchOptions;
  branchOptions.indexBitwidth = 32;
  manager.addPass(createConvertControlFlowToLLVMPass(branchOptions));
  manager.addPass(createReconcileUnrealizedCastsPass());
}

void heddle::registerTileToNVVM() {
  // Upstream's steps by name, so that a printed pipeline can be given back.
  registerPass([] { return createLoopInvariantCodeMotionPass(); });
  registerPass([] { return arith::createArithExpandOpsPass(); });
  registerPass([] { return createSCFToControlFlowPass(); });
  registerPass([] { return createConvertMathToLLVMPass(); });
  registerPass([] { return createArithToLLVMConversionPass(); });
  registerPass([] { return createConvertControlFlowToLLVMPass(); });
  registerPass([] { return createReconcileUnrealizedCastsPass(); });
  PassPipelineRegistration<>("tile-to-warp-schedule", "Tile kernels to the warp rung, planned and checked",
                             buildTileToWarp);
  PassPipelineRegistration<>("tile-to-nvvm", "Tile kernels to the llvm and nvvm dialects", buildTileToNVVM);
}
