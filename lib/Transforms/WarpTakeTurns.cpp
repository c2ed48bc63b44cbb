//===- WarpTakeTurns.cpp - groups of warps issue products in turn -----------===//
//
// A loop that issues several asynchronous products before it waits for the first is a
// burst of matrix work and then element-wise work. With two groups of four warps the
// burst of one should run beside the rest of the other:
//
//   take_turn  mma  mma  pass_turn  wait ..
//
// Shown by test/Transforms/warp-take-turns.mlir.
//===----------------------------------------------------------------------===//
#include "dialects/Warp/WarpOps.h"
#include "heddle/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace heddle {
#define GEN_PASS_DEF_WARPTAKETURNS
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

/// The first and the last product of a loop's body that are issued before anything waits, if there are several.
static std::pair<Operation *, Operation *> findBurst(Block &body) {
  Operation *first = nullptr, *last = nullptr;
  for (Operation &op : body) {
    if (isa<warp::WaitOp>(op) && first)
      break;
    auto mma = dyn_cast<warp::MmaOp>(op);
    if (!mma || !mma.getAsync())
      continue;
    (first ? last : first) = mma;
  }
  return {first, last};
}

/// Groups that wait for each other anyway cannot be apart by a burst, and one that waits in its turn waits for ever.
static bool isBlockBarrier(Operation &op) {
  auto isBulk = [](auto access) { return access.getRing().getType().getBulk(); };
  if (auto acquire = dyn_cast<warp::AcquireOp>(op))
    return !isBulk(acquire);
  if (auto receive = dyn_cast<warp::ReceiveOp>(op))
    return !isBulk(receive);
  return isa<warp::SyncOp, warp::ReduceOp>(op);
}

namespace {
struct WarpTakeTurnsPass : heddle::impl::WarpTakeTurnsBase<WarpTakeTurnsPass> {
  void runOnOperation() override {
    func::FuncOp kernel = getOperation();
    constexpr int64_t groupThreads = 128;
    auto threads = kernel->getAttrOfType<IntegerAttr>(warp::WarpDialect::threadsAttr);
    if (!kernel->hasAttr(warp::WarpDialect::kernelAttr) || !threads || threads.getInt() < 2 * groupThreads)
      return;
    kernel.walk([&](scf::ForOp loop) {
      if (llvm::any_of(*loop.getBody(), isBlockBarrier))
        return;
      auto [first, last] = findBurst(*loop.getBody());
      if (!last)
        return;
      OpBuilder builder(first);
      warp::TakeTurnOp::create(builder, first->getLoc());
      builder.setInsertionPointAfter(last);
      warp::PassTurnOp::create(builder, last->getLoc());
    });
  }
};
} // namespace
