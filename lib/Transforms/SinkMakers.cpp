//===- SinkMakers.cpp - element-wise work behind the waits before its reader -===//
//
//   %s = mma ..  async                    %s = mma .. async
//   %e = exp2 %d                    ->    %t = wait %s
//   %t = wait %s                          %e = exp2 %d
//   %p = mulf %t, %e                      %p = mulf %t, %e
//
// Element by element the registers of %e then are those of one element.
// Shown by test/Transforms/warp-overlap-products.mlir.
//===----------------------------------------------------------------------===//
#include "lib/Transforms/SinkMakers.h"
#include "dialects/Tile/TileOps.h"
#include "dialects/Tile/TileTarget.h"
#include "dialects/Warp/WarpOps.h"
#include "heddle/Analysis/GpuSchedule.h"
#include "lib/Transforms/RegisterEstimate.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace heddle;

static bool isTile(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && isa<warp::FragAttr>(tensor.getEncoding());
}

/// Whether `op` makes a whole tile, element by element, in the block of `reader` and for it alone.
static bool isMakerFor(Operation *op, Operation *reader) {
  return op && op->getBlock() == reader->getBlock() && op->hasOneUse() && op->getNumRegions() == 0 &&
         isMemoryEffectFree(op) && (OpTrait::hasElementwiseMappableTraits(op) || isa<tile::BroadcastOp>(op)) &&
         isTile(op->getResult(0).getType());
}

/// Whether `op` reads a slot, and nothing frees the slot before `reader`.
static bool isReadFor(Operation *op, Operation *reader) {
  if (!isa_and_nonnull<warp::LoadOp>(op) || op->getBlock() != reader->getBlock() || !op->hasOneUse())
    return false;
  for (Operation *next = op; next != reader; next = next->getNextNode())
    if (next->getNumRegions() != 0 || isa<warp::AcquireOp, warp::ReleaseOp>(next))
      return false;
  return true;
}

static void sinkTo(Operation *reader) {
  for (Value operand : reader->getOperands()) {
    Operation *maker = operand.getDefiningOp();
    if (!isMakerFor(maker, reader) && !isReadFor(maker, reader))
      continue;
    maker->moveBefore(reader);
    sinkTo(maker);
  }
}

/// Operations right behind a wait that read it, and something that is made for them before.
static SmallVector<Operation *> findReaders(func::FuncOp kernel) {
  SmallVector<Operation *> readers;
  kernel.walk([&](warp::WaitOp wait) {
    Operation *next = wait->getNextNode();
    if (next->getNumRegions() != 0)
      return;
    bool isMadeBefore = llvm::any_of(next->getOperands(), [&](Value operand) {
      Operation *maker = operand.getDefiningOp();
      return isMakerFor(maker, next) && maker->isBeforeInBlock(wait);
    });
    if (isMadeBefore && llvm::is_contained(next->getOperands(), wait.getResult()))
      readers.push_back(next);
  });
  return readers;
}

LogicalResult heddle::sinkMakers(func::FuncOp kernel) {
  SmallVector<Operation *> readers = findReaders(kernel);
  if (readers.empty())
    return success();
  tile::TargetAttr target = tile::getTarget(kernel);
  if (!target)
    return failure();
  int64_t threads = cast<IntegerAttr>(kernel->getAttr(warp::WarpDialect::threadsAttr)).getInt();
  int64_t budget = divideRegisters(target, threads / 128, 1).consumer;
  if (estimateRegisters(kernel) <= (budget ? budget : target.getRegistersPerThread()))
    return success();
  llvm::for_each(readers, sinkTo);
  return success();
}
