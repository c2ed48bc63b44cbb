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

/// The registers of a product that is not done yet hold nothing.
static LogicalResult verifyAsync(warp::MmaOp mma) {
  for (OpOperand &use : mma->getUses()) {
    auto next = dyn_cast<warp::MmaOp>(use.getOwner());
    if (!isa<warp::WaitOp>(use.getOwner()) && !(next && next.getAsync() && use.get() == next.getAcc()))
      return use.getOwner()->emitOpError("expected a wait for an async product before it is read, got none");
  }
  return success();
}

/// A bulk ring has barriers, a cursor wherever it is used, and copies of arrays that are arguments.
static LogicalResult verifyBulk(Operation *op) {
  auto lacksCursor = [](auto access) { return access && access.getRing().getType().getBulk() && !access.getStage(); };
  auto numbersLackCursor = [](auto access) {
    return access && access.getRing().getType().getBulk() && !access.getCursor();
  };
  if (lacksCursor(dyn_cast<warp::AcquireOp>(op)) || lacksCursor(dyn_cast<warp::ReceiveOp>(op)) ||
      numbersLackCursor(dyn_cast<warp::SendOp>(op)) || numbersLackCursor(dyn_cast<warp::TakeOp>(op)))
    return op->emitOpError("expected a cursor of a bulk ring, got none");
  if (auto ring = dyn_cast<warp::RingOp>(op); ring && ring.getResult().getType().getBulk() && !ring.getBarriers())
    return op->emitOpError("expected barriers of a bulk ring, got none");
  if (auto copy = dyn_cast<warp::CopyOp>(op);
      copy && copy.getDest().getType().isSwizzled() && !isa<BlockArgument>(copy.getSource()))
    return op->emitOpError("expected a bulk copy of an argument of the kernel, got ") << copy.getSource();
  return success();
}

/// One thread knows the number; the others get it when it has been sent.
static LogicalResult verifyNextItem(warp::NextItemOp item) {
  for (Operation *user : item->getUsers())
    if (!isa<warp::SendOp>(user))
      return user->emitOpError("expected the next item's number to be sent before it is read");
  return success();
}

/// Warps differ in what `any` says: what all threads take part in cannot depend on it.
static LogicalResult verifyAny(scf::IfOp branch) {
  WalkResult result = branch->walk([](Operation *op) {
    auto mma = dyn_cast<warp::MmaOp>(op);
    if (isa<warp::AcquireOp, warp::ReceiveOp, warp::SyncOp, warp::ReduceOp, warp::SendOp, warp::TakeOp,
            warp::TakeTurnOp, warp::PassTurnOp, warp::WaitOp>(op) ||
        (mma && mma.getAsync())) {
      op->emitOpError("expected no work of other warps where a warp decides for itself");
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

static LogicalResult verifyOp(Operation *op) {
  bool allowed =
      isa<tensor::SplatOp>(op) || isa<tile::TileDialect, warp::WarpDialect, arith::ArithDialect, math::MathDialect,
                                      scf::SCFDialect, memref::MemRefDialect, func::FuncDialect>(op->getDialect());
  if (!allowed)
    return op->emitOpError("expected an operation of the warp rung, got ") << op->getName();
  if (isa<tile::DotOp, tile::TransposeOp, tile::LaunchOp, tile::MachineOp, tile::NextItemOp, tile::ResiduesOp>(op))
    return op->emitOpError("expected it to be gone in a scheduled kernel");
  if (auto ring = dyn_cast<warp::RingOp>(op); ring && !ring.getOffset())
    return op->emitOpError("expected an offset in shared memory, got none");
  if (auto mma = dyn_cast<warp::MmaOp>(op); mma && mma.getAsync() && failed(verifyAsync(mma)))
    return failure();
  if (auto item = dyn_cast<warp::NextItemOp>(op); item && failed(verifyNextItem(item)))
    return failure();
  if (auto branch = dyn_cast<scf::IfOp>(op);
      branch && branch.getCondition().getDefiningOp<warp::AnyOp>() && failed(verifyAny(branch)))
    return failure();
  if (failed(verifyBulk(op)))
    return failure();
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
