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
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace heddle {
#define GEN_PASS_DEF_WARPELIDEBARRIERS
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

/// Whether `op` reads memory that acquiring a slot may free: not that of bulk rings, which share it with nothing.
static bool readsThreadSlots(Operation &op) {
  return llvm::any_of(op.getOperands(), [](Value operand) {
    auto receive = operand.getDefiningOp<warp::ReceiveOp>();
    return isa<warp::SlotType, warp::RingType>(operand.getType()) &&
           !(receive && receive.getRing().getType().getBulk());
  });
}

/// Whether the products that a wait ends read such memory: they may do so until then, whatever barriers they were
/// issued in front of.
static bool endsReads(warp::WaitOp wait) {
  for (auto product = wait.getSource().getDefiningOp<warp::MmaOp>(); product;
       product = product.getAcc().getDefiningOp<warp::MmaOp>())
    if (readsThreadSlots(*product))
      return true;
  return false;
}

/// A copy by threads, which a receive has to wait for with more than a barrier.
static bool isThreadCopy(Operation *op) {
  if (!isa<warp::CopyOp, warp::GatherOp>(op))
    return false;
  return llvm::none_of(op->getOperands(), [](Value operand) {
    auto acquire = operand.getDefiningOp<warp::AcquireOp>();
    return acquire && acquire.getRing().getType().getBulk();
  });
}

namespace {
/// What has been done to shared memory since the last barrier.
struct Accesses {
  bool reads, puts, copies;
};

class BarrierElision {
public:
  explicit BarrierElision(func::FuncOp kernel) {
    bool hasCopies =
        kernel.walk([](Operation *op) { return isThreadCopy(op) ? WalkResult::interrupt() : WalkResult::advance(); })
            .wasInterrupted();
    anything = {true, true, hasCopies};
    for (Block &block : kernel.getBody())
      visit(block, anything);
  }

private:
  Accesses visit(Block &block, Accesses since);
  Accesses visitRegions(Operation &op, Accesses since);

  Accesses anything; ///< that a kernel may have done
};
} // namespace

/// A branch goes on from where it is; a loop's body may come behind itself.
Accesses BarrierElision::visitRegions(Operation &op, Accesses since) {
  bool isBranch = isa<scf::IfOp>(op), isLoop = isa<scf::ForOp>(op);
  Accesses behind = isBranch && !op.getRegion(1).empty() ? Accesses{false, false, false} : since;
  for (Region &region : op.getRegions())
    for (Block &nested : region) {
      Accesses end = visit(nested, isBranch ? since : anything);
      behind = {behind.reads || end.reads, behind.puts || end.puts, behind.copies || end.copies};
    }
  return isBranch || isLoop ? behind : anything;
}

Accesses BarrierElision::visit(Block &block, Accesses since) {
  auto &[reads, puts, copies] = since;
  for (Operation &op : block) {
    // The barriers of bulk rings order their own slots only.
    auto isBulk = [](auto access) { return access.getRing().getType().getBulk(); };
    if (auto acquire = dyn_cast<warp::AcquireOp>(op); acquire && isBulk(acquire))
      continue;
    if (auto receive = dyn_cast<warp::ReceiveOp>(op); receive && isBulk(receive))
      continue;
    if (op.getNumRegions() != 0) {
      since = visitRegions(op, since);
    } else if (auto acquire = dyn_cast<warp::AcquireOp>(op)) {
      if (!reads)
        acquire.setOrdered(true);
      else if (!acquire.getOrdered())
        reads = false;
    } else if (auto receive = dyn_cast<warp::ReceiveOp>(op)) {
      if (!puts && !copies)
        receive.setOrdered(true);
      else if (!receive.getOrdered())
        reads = puts = copies = false;
    } else if (isa<warp::SyncOp>(op)) {
      reads = false;
    } else if (isThreadCopy(&op)) {
      copies = true;
    } else if (isa<warp::PutOp, warp::SendOp>(op)) {
      puts = true;
    } else if (isa<warp::ReduceOp>(op)) { // parts, a barrier, and all read them
      puts = false;
      reads = true;
    } else if (isa<warp::LoadOp, warp::MmaOp, warp::TakeOp>(op)) {
      reads |= readsThreadSlots(op);
    } else if (auto wait = dyn_cast<warp::WaitOp>(op)) {
      reads |= endsReads(wait);
    }
  }
  return since;
}

namespace {
struct WarpElideBarriersPass : heddle::impl::WarpElideBarriersBase<WarpElideBarriersPass> {
  void runOnOperation() override {
    if (getOperation()->hasAttr(warp::WarpDialect::kernelAttr))
      BarrierElision elision(getOperation());
  }
};
} // namespace
