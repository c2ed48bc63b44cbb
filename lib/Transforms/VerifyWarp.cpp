//===- VerifyWarp.cpp - the contract of the warp rung -----------------------===//
//
// Shown by test/Transforms/verify-warp-invalid.mlir.
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileDialect.h"
#include "dialects/Tile/TileOps.h"
#include "dialects/Warp/WarpOps.h"
#include "heddle/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace heddle {
#define GEN_PASS_DEF_VERIFYWARP
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

static LogicalResult verifyTypes(Operation *op, TypeRange types) {
  for (Type type : types)
    if (auto tensor = dyn_cast<RankedTensorType>(type);
        tensor && !isa_and_nonnull<warp::LayoutInterface>(tensor.getEncoding()))
      return op->emitOpError("expected a layout on every tile, got ") << tensor;
  return success();
}

static LogicalResult verifyOp(Operation *op) {
  bool allowed =
      isa<tensor::SplatOp>(op) || isa<tile::TileDialect, warp::WarpDialect, arith::ArithDialect, math::MathDialect,
                                      scf::SCFDialect, memref::MemRefDialect, func::FuncDialect>(op->getDialect());
  if (!allowed)
    return op->emitOpError("expected an operation of the warp rung, got ") << op->getName();
  if (isa<tile::DotOp, tile::TransposeOp, tile::LaunchOp, tile::MachineOp>(op))
    return op->emitOpError("expected it to be gone in a scheduled kernel");
  if (auto ring = dyn_cast<warp::RingOp>(op); ring && !ring.getOffset())
    return op->emitOpError("expected an offset in shared memory, got none");
  for (Region &region : op->getRegions())
    for (Block &block : region)
      if (failed(verifyTypes(op, block.getArgumentTypes())))
        return failure();
  return verifyTypes(op, op->getResultTypes());
}

namespace {
struct VerifyWarpPass : heddle::impl::VerifyWarpBase<VerifyWarpPass> {
  void runOnOperation() override {
    func::FuncOp kernel = getOperation();
    if (!kernel->hasAttr(warp::WarpDialect::kernelAttr))
      return;
    if (!kernel->hasAttr(warp::WarpDialect::threadsAttr)) {
      kernel.emitOpError("expected ") << warp::WarpDialect::threadsAttr << ", got none";
      return signalPassFailure();
    }
    WalkResult result = kernel.walk([&](Operation *op) {
      return op == kernel || succeeded(verifyOp(op)) ? WalkResult::advance() : WalkResult::interrupt();
    });
    if (result.wasInterrupted())
      signalPassFailure();
    markAllAnalysesPreserved();
  }
};
} // namespace
