//===- WarpPlanResources.cpp - shared memory and registers of a kernel ------===//
//
// A ring is in use from its first acquire to the last read of one of its slots, which of
// an asynchronous product ends with the wait for it,
// and all through a loop that some of its uses are in and some are not. Rings in
// use at the same time get disjoint bytes, first fit in order of first use. Bulk rings
// are in use all the time, because their two roles are at different places.
// Shown by test/Transforms/warp-plan-resources.mlir.
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "dialects/Tile/TileTarget.h"
#include "dialects/Warp/WarpOps.h"
#include "heddle/Analysis/GpuSchedule.h"
#include "heddle/Transforms/Passes.h"
#include "lib/Transforms/RegisterEstimate.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

namespace heddle {
#define GEN_PASS_DEF_WARPPLANRESOURCES
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct Interval {
  warp::RingOp ring;
  int64_t first, last; // positions in program order
  int64_t bytes, offset = 0;
};

struct WarpPlanResourcesPass : heddle::impl::WarpPlanResourcesBase<WarpPlanResourcesPass> {
  void runOnOperation() override;

private:
  Interval intervalOf(warp::RingOp ring);
  int64_t placeRings();
  void divideRegisters(warp::RolesOp roles, tile::TargetAttr target);

  DenseMap<Operation *, std::pair<int64_t, int64_t>> span; // first and last position inside an operation
};
} // namespace

/// Swizzling goes by the bits of an address below 1024.
static int64_t alignmentOf(warp::RingOp ring) { return ring.getResult().getType().getSlot().isSwizzled() ? 1024 : 128; }
/// Of a full or an empty barrier.
static constexpr int64_t barrierBytes = 8;

/// Whatever waits for an asynchronous product that reads a slot.
static void appendWaits(Operation *reader, SmallVectorImpl<Operation *> &users) {
  auto product = dyn_cast<warp::MmaOp>(reader);
  if (!product || !product.getAsync())
    return;
  for (Operation *user : product->getUsers())
    if (isa<warp::MmaOp, warp::WaitOp>(user)) {
      users.push_back(user);
      appendWaits(user, users);
    }
}

Interval WarpPlanResourcesPass::intervalOf(warp::RingOp ring) {
  SmallVector<Operation *> users;
  for (Operation *user : ring->getUsers()) {
    users.push_back(user);
    if (user->getNumResults() == 0)
      continue;
    for (Operation *reader : user->getResult(0).getUsers()) {
      users.push_back(reader);
      appendWaits(reader, users);
    }
  }
  warp::SlotType slot = ring.getResult().getType().getSlot();
  Interval interval{ring, INT64_MAX, 0, slot.getBytes() * ring.getResult().getType().getStages()};
  if (ring.getResult().getType().getBulk())
    return {ring, 0, INT64_MAX, interval.bytes};
  for (Operation *user : users) {
    interval.first = std::min(interval.first, span[user].first);
    interval.last = std::max(interval.last, span[user].second);
    for (Operation *loop = user->getParentOp(); loop != getOperation(); loop = loop->getParentOp()) {
      if (!isa<scf::ForOp, scf::WhileOp>(loop) ||
          llvm::all_of(users, [&](Operation *other) { return loop->isProperAncestor(other); }))
        continue;
      interval.first = std::min(interval.first, span[loop].first);
      interval.last = std::max(interval.last, span[loop].second);
    }
  }
  return interval;
}

int64_t WarpPlanResourcesPass::placeRings() {
  SmallVector<Interval> intervals;
  getOperation().walk([&](warp::RingOp ring) { intervals.push_back(intervalOf(ring)); });
  llvm::sort(intervals, [](const Interval &a, const Interval &b) { return a.first < b.first; });
  int64_t total = 0;
  SmallVector<Interval *> placed; // by offset
  for (Interval &interval : intervals) {
    int64_t offset = 0;
    for (Interval *other : placed)
      if (other->first <= interval.last && interval.first <= other->last && other->offset < offset + interval.bytes &&
          offset < other->offset + other->bytes)
        offset = llvm::alignTo(other->offset + other->bytes, alignmentOf(interval.ring));
    interval.offset = offset;
    interval.ring.setOffset(offset);
    total = std::max(total, offset + interval.bytes);
    placed.insert(llvm::upper_bound(placed, &interval, [](Interval *a, Interval *b) { return a->offset < b->offset; }),
                  &interval);
  }
  for (Interval &interval : intervals)
    if (warp::RingType type = interval.ring.getResult().getType(); type.getBulk()) {
      interval.ring.setBarriers(total);
      total += 2 * type.getStages() * barrierBytes;
    }
  return total;
}

void WarpPlanResourcesPass::divideRegisters(warp::RolesOp roles, tile::TargetAttr target) {
  int64_t threads = cast<IntegerAttr>(getOperation()->getAttr(warp::WarpDialect::threadsAttr)).getInt();
  int64_t consumers = roles.getConsumers() / 4;
  int64_t producers = threads / 128 - consumers;
  bool gathers = roles.getProducer().walk([](warp::GatherOp) { return WalkResult::interrupt(); }).wasInterrupted();
  bool sends = roles.getProducer().walk([](warp::SendOp) { return WalkResult::interrupt(); }).wasInterrupted();
  int64_t needed = estimateRegisters(getOperation());
  RoleRegisters registers;
  for (int64_t fewest : {gatheringProducerRegisters, ampleProducerRegisters, fewestProducerRegisters}) {
    if (!gathers && fewest == gatheringProducerRegisters)
      continue;
    registers = heddle::divideRegisters(target, consumers, producers, fewest);
    // Who sends numbers computes for the consumers, too, and spills at once where it has few; but three groups of
    // consumers have none to give: their products would wait for each other.
    if (needed <= registers.consumer || (sends && consumers < 3 && fewest == ampleProducerRegisters))
      break;
  }
  roles.setConsumerRegisters(registers.consumer);
  roles.setProducerRegisters(registers.producer);
}

void WarpPlanResourcesPass::runOnOperation() {
  func::FuncOp kernel = getOperation();
  if (!kernel->hasAttr(warp::WarpDialect::kernelAttr))
    return;
  tile::TargetAttr target = tile::getTarget(kernel);
  if (!target)
    return signalPassFailure();
  int64_t limit = target.getSharedBytesPerBlock();
  int64_t position = 0;
  span.clear();
  kernel.walk([&](Operation *op, const WalkStage &stage) {
    if (stage.isBeforeAllRegions())
      span[op].first = position++;
    if (stage.isAfterAllRegions())
      span[op].second = std::max(span[op].first, position - 1);
  });
  int64_t bytes = placeRings();
  if (bytes > limit) {
    kernel.emitOpError("needs ") << bytes << " bytes of shared memory, " << target.getName() << " has " << limit;
    return signalPassFailure();
  }
  kernel.walk([&](warp::RolesOp roles) { divideRegisters(roles, target); });
  Builder builder(kernel.getContext());
  kernel->setAttr(warp::WarpDialect::sharedBytesAttr, builder.getI64IntegerAttr(bytes));
  kernel->setAttr(warp::WarpDialect::registersAttr, builder.getI64IntegerAttr(estimateRegisters(kernel)));
}
