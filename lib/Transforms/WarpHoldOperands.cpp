//===- WarpHoldOperands.cpp - left operands of a loop in registers ----------===//
//
//   %s = receive %q                       %s = receive %q  %a = load %s
//   for { mma %s, %k, .. async }   ->     for { mma %a, %k, .. async }
//
// The product then reads shared memory for one operand only, and the slot is free
// as soon as it has been read.
// Shown by test/Transforms/warp-hold-operands.mlir.
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileTarget.h"
#include "dialects/Warp/WarpOps.h"
#include "heddle/Analysis/GpuSchedule.h"
#include "heddle/Transforms/Passes.h"
#include "lib/Transforms/RegisterEstimate.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

namespace heddle {
#define GEN_PASS_DEF_WARPHOLDOPERANDS
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct WarpHoldOperandsPass : heddle::impl::WarpHoldOperandsBase<WarpHoldOperandsPass> {
  void runOnOperation() override;
};
} // namespace

/// The fragments of a slot as the left operand of its products; null if some reader is something else, or none is in a
/// loop that the slot is not.
static RankedTensorType fragmentsOf(warp::ReceiveOp receive) {
  RankedTensorType type;
  bool isRepeated = false;
  for (OpOperand &use : receive->getUses()) {
    auto mma = dyn_cast<warp::MmaOp>(use.getOwner());
    if (!mma || !mma.getAsync() || use.getOperandNumber() != 0)
      return {};
    auto loop = mma->getParentOfType<LoopLikeOpInterface>();
    isRepeated |= loop && !loop->isAncestor(receive);
    auto acc = cast<warp::FragAttr>(mma.getResult().getType().getEncoding());
    warp::SlotType slot = receive.getResult().getType();
    type = RankedTensorType::get(slot.getShape(), slot.getElementType(),
                                 warp::FragAttr::get(mma.getContext(), warp::FragKind::a, acc.getWarps()));
  }
  return isRepeated ? type : RankedTensorType();
}

void WarpHoldOperandsPass::runOnOperation() {
  func::FuncOp kernel = getOperation();
  if (!kernel->hasAttr(warp::WarpDialect::kernelAttr))
    return;
  tile::TargetAttr target = tile::getTarget(kernel);
  if (!target)
    return signalPassFailure();
  int64_t threads = cast<IntegerAttr>(kernel->getAttr(warp::WarpDialect::threadsAttr)).getInt();
  int64_t budget = divideRegisters(target, threads / 128, 1).consumer;
  if (budget == 0)
    budget = target.getRegistersPerThread();
  int64_t needed = estimateRegisters(kernel);
  SmallVector<warp::ReceiveOp> receives;
  kernel.walk([&](warp::ReceiveOp receive) { receives.push_back(receive); });
  for (warp::ReceiveOp receive : receives) {
    RankedTensorType type = fragmentsOf(receive);
    if (!type)
      continue;
    OpBuilder builder(receive.getContext());
    builder.setInsertionPointAfter(receive);
    Value held = warp::LoadOp::create(builder, receive.getLoc(), type, receive.getResult(), 0, 0, false);
    if (needed + registersOf(held) > budget) {
      held.getDefiningOp()->erase();
      continue;
    }
    needed += registersOf(held);
    receive.getResult().replaceAllUsesExcept(held, held.getDefiningOp());
  }
}
