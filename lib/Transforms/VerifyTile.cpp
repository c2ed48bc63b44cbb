//===- VerifyTile.cpp - the gate between operator and target ----------------===//
//
// What every back-end may take for granted of a tile module (contract 2 of
// dialects/README.md). Test: test/Transforms/verify-tile.mlir, one case per message.
//
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "heddle/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace heddle {
#define GEN_PASS_DEF_VERIFYTILE
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

static bool isOfRung(Operation *op) {
  if (isa<tensor::SplatOp, memref::DimOp, memref::LoadOp, memref::StoreOp, memref::AllocOp, memref::CastOp>(op))
    return true;
  return isa_and_nonnull<tile::TileDialect, arith::ArithDialect, math::MathDialect, scf::SCFDialect, func::FuncDialect,
                         BuiltinDialect>(op->getDialect());
}

static bool isOfPlan(Operation *op) {
  return isa<func::FuncOp, func::ReturnOp, memref::DimOp, memref::AllocOp, memref::CastOp, scf::IfOp, scf::YieldOp,
             tile::LaunchOp, tile::MachineOp, tile::RequireOp, tile::ResiduesOp>(op) ||
         isa<arith::ArithDialect>(op->getDialect());
}

static LogicalResult verifyTypes(Operation *op) {
  for (Type type : op->getResultTypes())
    if (auto tile = dyn_cast<TensorType>(type))
      if (!tile.hasStaticShape() || tile.getRank() != 2)
        return op->emitOpError("expected tiles of static shape and rank 2, got ") << type;
  return success();
}

static LogicalResult verifyMemory(func::FuncOp function) {
  for (Type type : function.getArgumentTypes()) {
    auto memory = dyn_cast<MemRefType>(type);
    if (!memory && !type.isIndex() && !type.isInteger(32) && !type.isF32())
      return function.emitOpError("expected arguments to be memrefs, index, i32 or f32, got ") << type;
    int64_t offset;
    SmallVector<int64_t> strides;
    if (memory && (failed(memory.getStridesAndOffset(strides, offset)) || strides.empty() || strides.back() != 1))
      return function.emitOpError("expected memory with unit stride in the last dimension, got ") << memory;
  }
  return success();
}

static LogicalResult verifyKernel(func::FuncOp kernel) {
  scf::ForallOp forall;
  for (Operation &op : kernel.front()) {
    if (auto found = dyn_cast<scf::ForallOp>(op)) {
      if (forall)
        return found.emitOpError("expected one forall in a kernel, got another");
      forall = found;
      continue;
    }
    // The host evaluates what the grid depends on.
    bool isSize = isa<memref::DimOp, func::ReturnOp>(op) || isa<arith::ArithDialect>(op.getDialect());
    if (!isSize)
      return op.emitOpError("expected sizes and numbers before the forall of a kernel");
  }
  if (!forall)
    return kernel.emitOpError("expected a forall in a kernel, got none");
  if (forall.getRank() < 1 || forall.getRank() > 3 || forall.getNumResults() || !forall.isNormalized())
    return forall.emitOpError("expected a forall from 0 with step 1, 1 to 3 dimensions and no results");
  return success();
}

namespace {
class VerifyTile : public heddle::impl::VerifyTileBase<VerifyTile> {
  LogicalResult check(func::FuncOp function) {
    bool isPlan = function->hasAttr(tile::kPlanAttr), isKernel = function->hasAttr(tile::kKernelAttr);
    if (isPlan == isKernel)
      return function.emitOpError("expected either tile.plan or tile.kernel on a function");
    WalkResult walk = function.walk([&](Operation *op) {
      if (!isOfRung(op)) {
        op->emitOpError("expected tile, arith, math, memref and scf in a tile module, got ") << op->getName();
        return WalkResult::interrupt();
      }
      if (isPlan && !isOfPlan(op)) {
        op->emitOpError("expected sizes, workspace and launches in a plan, got ") << op->getName();
        return WalkResult::interrupt();
      }
      if (isKernel &&
          isa<tile::LaunchOp, tile::MachineOp, tile::RequireOp, tile::ResiduesOp, memref::AllocOp, memref::CastOp>(
              op)) {
        op->emitOpError("expected it in a plan, got it in a kernel");
        return WalkResult::interrupt();
      }
      return failed(verifyTypes(op)) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (walk.wasInterrupted() || failed(verifyMemory(function)))
      return failure();
    return isKernel ? verifyKernel(function) : success();
  }

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (failed(check(function)))
        return signalPassFailure();
  }
};
} // namespace
