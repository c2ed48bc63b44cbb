//===- TileToCPUPipeline.cpp - from tile kernels to LLVM for CPUs -----------===//
#include "heddle/Conversion/Passes.h"
#include "heddle/Conversion/TileToCPU.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void heddle::buildTileToLLVMForCPU(OpPassManager &manager, const CPUOptions &options) {
  ConvertTileToCPUOptions convert;
  convert.vectorBits = options.vectorBits;
  convert.vectorRegisters = options.vectorRegisters;
  convert.hasFMA = options.hasFMA;
  convert.hasAVX512BF16 = options.hasAVX512BF16;
  convert.hasAMX = options.hasAMX;
  convert.erasePlans = true;
  manager.addPass(createConvertTileToCPU(convert));
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
  // Arithmetic on narrow floats is done in f32.
  arith::ArithEmulateUnsupportedFloatsOptions emulate;
  emulate.sourceTypeStrs = {"bf16", "f16"};
  emulate.targetTypeStr = "f32";
  manager.addPass(arith::createArithEmulateUnsupportedFloats(emulate));
  ExpandMathForCPUOptions expand;
  expand.hasFMA = options.hasFMA;
  expand.hasScaleByPower = options.hasScaleByPower;
  expand.hasAVX512BF16 = options.hasAVX512BF16;
  manager.addPass(createExpandMathForCPU(expand));
  manager.addPass(createSCFToControlFlowPass());
  LowerCPUToLLVMOptions lower;
  lower.hasAVX512BF16 = options.hasAVX512BF16;
  manager.addPass(createLowerCPUToLLVM(lower));
  manager.addPass(createReconcileUnrealizedCastsPass());
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
}

namespace {
struct TileToCPUPipelineOptions : PassPipelineOptions<TileToCPUPipelineOptions> {
  Option<int64_t> vectorBits{*this, "vector-bits", llvm::cl::desc("width of a vector register"), llvm::cl::init(256)};
  Option<int64_t> vectorRegisters{*this, "vector-registers", llvm::cl::desc("how many vector registers there are"),
                                  llvm::cl::init(16)};
  Option<bool> hasFMA{*this, "fma", llvm::cl::desc("fused multiply-add is an instruction"), llvm::cl::init(true)};
  Option<bool> hasScaleByPower{*this, "scale-by-power",
                               llvm::cl::desc("vectors have instructions for exponents (vreduceps, vscalefps)"),
                               llvm::cl::init(false)};
  Option<bool> hasAVX512BF16{*this, "avx512-bf16", llvm::cl::desc("rounding to bf16 is an instruction"),
                             llvm::cl::init(false)};
  Option<bool> hasAMX{*this, "amx", llvm::cl::desc("bf16 matrix tiles"), llvm::cl::init(false)};
};
} // namespace

void heddle::registerTileToCPUPipelines() {
  // Upstream's steps by name, so that a printed pipeline can be given back.
  registerPass([] { return arith::createArithEmulateUnsupportedFloats(); });
  registerPass([] { return createSCFToControlFlowPass(); });
  registerPass([] { return createReconcileUnrealizedCastsPass(); });
  PassPipelineRegistration<TileToCPUPipelineOptions>("tile-to-llvm-cpu", "Lower tile kernels to LLVM for CPUs",
                                                     [](OpPassManager &manager, const TileToCPUPipelineOptions &given) {
                                                       CPUOptions options;
                                                       options.vectorBits = given.vectorBits;
                                                       options.vectorRegisters = given.vectorRegisters;
                                                       options.hasFMA = given.hasFMA;
                                                       options.hasScaleByPower = given.hasScaleByPower;
                                                       options.hasAVX512BF16 = given.hasAVX512BF16;
                                                       options.hasAMX = given.hasAMX;
                                                       buildTileToLLVMForCPU(manager, options);
                                                     });
}
