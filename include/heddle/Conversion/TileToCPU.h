//===- TileToCPU.h - from tile kernels to LLVM for CPUs ---------------------===//
#ifndef HEDDLE_CONVERSION_TILETOCPU_H
#define HEDDLE_CONVERSION_TILETOCPU_H

#include <cstdint>

namespace mlir {
class OpPassManager;
} // namespace mlir

namespace heddle {

/// What a processor can do, as far as the lowering asks. Capabilities, never names.
struct CPUOptions {
  int64_t vectorBits = 256;     ///< width of a vector register: 128, 256 or 512
  int64_t vectorRegisters = 16; ///< how many of them: 16, or 32 with AVX-512 and NEON
  bool hasFMA = true;           ///< fused multiply-add is an instruction
  bool hasScaleByPower = false; ///< splitting off a fraction and scaling by a power of two are instructions
  bool hasAVX512BF16 = false;   ///< two f32 vectors round to one bf16 vector in one instruction
  bool hasAMX = false;          ///< bf16 matrix tiles
};

/// Lower a module of tile kernels (contract 2) to the LLVM dialect: one function per kernel with the parameters of
/// contract 3. Functions that are plans are erased; whoever needs them reads them first.
void buildTileToLLVMForCPU(mlir::OpPassManager &manager, const CPUOptions &options);

/// Register the same as the pipeline `tile-to-llvm-cpu` of a pass driver.
void registerTileToCPUPipelines();

} // namespace heddle
#endif
