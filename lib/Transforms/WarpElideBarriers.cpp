//===- WarpElideBarriers.cpp - drop barriers that order nothing new ---------===//
//
//   %a = warp.receive %k            %a = warp.receive %k
//   %b = warp.receive %v   becomes  %b = warp.receive %v ordered
//
// Shown by test/Transforms/warp-elide-barriers.mlir.
//===----------------------------------------------------------------------===//
#include "dialects/Warp/WarpOps.h"
#include "heddle/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace heddle {
#define GEN_PASS_DEF_WARPELIDEBARRIERS
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

static void visit(Block &block) {
  bool reads = true, writes = true; // of shared memory, since the last barrier
  for (Operation &op : block) {
    for (Region &region : op.getRegions())
      for (Block &nested : region)
        visit(nested);
    // The barriers of bulk rings order their own slots only.
    auto isBulk = [](auto access) { return access.getRing().getType().getBulk(); };
    if (auto acquire = dyn_cast<warp::AcquireOp>(op); acquire && isBulk(acquire))
      continue;
    if (auto receive = dyn_cast<warp::ReceiveOp>(op); receive && isBulk(receive))
      continue;
    if (op.getNumRegions() != 0) {
      reads = writes = true;
    } else if (auto acquire = dyn_cast<warp::AcquireOp>(op)) {
      if (!reads)
        acquire.setOrdered(true);
      else if (!acquire.getOrdered())
        reads = false;
    } else if (auto receive = dyn_cast<warp::ReceiveOp>(op)) {
      if (!writes)
        receive.setOrdered(true);
      else if (!receive.getOrdered())
        reads = writes = false;
    } else if (isa<warp::SyncOp>(op)) {
      reads = false;
    } else if (isa<warp::CopyOp, warp::GatherOp, warp::PutOp, warp::SendOp>(op)) {
      writes = true;
    } else if (isa<warp::LoadOp, warp::MmaOp, warp::ReduceOp, warp::TakeOp>(op)) {
      reads = true;
    }
  }
}

namespace {
struct WarpElideBarriersPass : heddle::impl::WarpElideBarriersBase<WarpElideBarriersPass> {
  void runOnOperation() override {
    if (getOperation()->hasAttr(warp::WarpDialect::kernelAttr))
      for (Block &block : getOperation().getBody())
        visit(block);
  }
};
} // namespace
