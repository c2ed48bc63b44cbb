//===- ConvertTileToCPU.cpp - tile kernels as vector code -------------------===//
//
// In:   func.func @k(%a: memref<..>, %s: f32) attributes {tile.kernel} { .. scf.forall (%x, %y) in (..) { tiles } }
// Out:  func.func @k(%slots: !llvm.ptr, %x: i64, %y: i64, %z: i64) { loops over vectors and buffers }
//
// Tested by test/Conversion/tile-to-cpu.mlir and, for numbers, test/cpu.
//
//===----------------------------------------------------------------------===//
#include "heddle/Conversion/Passes.h"
#include "lib/Conversion/TileToCPU/KernelEmitter.h"
#include "mlir/Dialect/AMX/AMXDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace heddle {
#define GEN_PASS_DEF_CONVERTTILETOCPU
#include "heddle/Conversion/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct ConvertTileToCPU : heddle::impl::ConvertTileToCPUBase<ConvertTileToCPU> {
  using Base::Base;

  void runOnOperation() override {
    CPUOptions options;
    options.vectorBits = vectorBits;
    options.vectorRegisters = vectorRegisters;
    options.hasFMA = hasFMA;
    options.hasAVX512BF16 = hasAVX512BF16;
    options.hasAMX = hasAMX;
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (function->hasAttr(tile::kPlanAttr)) {
        if (erasePlans)
          function.erase();
        continue;
      }
      if (!function->hasAttr(tile::kKernelAttr))
        continue;
      if (failed(cpu::KernelEmitter(function, options).emit()))
        return signalPassFailure();
      function.erase();
    }
  }
};
} // namespace
