//===- WarpSpecialize.cpp - copies in some warps, the rest in others --------===//
//
//   scf.for .. { %w = acquire %k  copy .. to %w  %s = receive %k  use(%s) }
//
// becomes, with four warps more,
//
//   warp.roles 8 consumer { scf.for .. iter_args(%c) { %s = receive %k at %c  use(%s)  release %k at %c  advance %c } }
//                producer { scf.for .. iter_args(%c) { %w = acquire %k at %c  copy .. to %w  advance %c } }
//
// Each role is the slice of the kernel that its effects need: loops keep what their
// trip counts need, and carry only what is read. Numbers that are sent come from the
// producer; who needs them takes them.
// Shown by test/Transforms/warp-specialize.mlir.
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileTarget.h"
#include "dialects/Warp/WarpOps.h"
#include "heddle/Transforms/Passes.h"
#include "lib/Transforms/ProgramSlice.h"
#include "lib/Transforms/RingCursors.h"
#include "lib/Transforms/SentNumbers.h"
#include "lib/Transforms/StoreThroughSlots.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace heddle {
#define GEN_PASS_DEF_WARPSPECIALIZE
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

//===----------------------------------------------------------------------===//
// releases
//===----------------------------------------------------------------------===//

/// The last operation of the block of `receive` that reads the slot: for an asynchronous product, the wait for it, and
/// behind a put, the store of what was put.
static Operation *lastRead(warp::ReceiveOp receive) {
  Operation *last = receive;
  SmallVector<Operation *> readers(receive->getUsers());
  while (!readers.empty()) {
    Operation *reader = readers.pop_back_val();
    if (isa<warp::PutOp>(reader))
      readers.push_back(reader->getNextNode());
    if (auto mma = dyn_cast<warp::MmaOp>(reader); mma && mma.getAsync())
      for (Operation *user : mma->getUsers())
        if (isa<warp::MmaOp, warp::WaitOp>(user))
          readers.push_back(user);
    Operation *here = receive->getBlock()->findAncestorOpInBlock(*reader);
    if (last->isBeforeInBlock(here))
      last = here;
  }
  return last;
}

static void placeRelease(warp::ReceiveOp receive) {
  Operation *last = lastRead(receive);
  OpBuilder builder(receive.getContext());
  builder.setInsertionPointAfter(last);
  warp::ReleaseOp::create(builder, receive.getLoc(), receive.getRing(), receive.getStage());
}

//===----------------------------------------------------------------------===//
// roles
//===----------------------------------------------------------------------===//

static bool isBulk(Value slot) {
  auto acquire = slot.getDefiningOp<warp::AcquireOp>();
  return acquire && acquire.getRing().getType().getBulk();
}

/// Such a ring is used again and again without much in between, so one slot is filled while another is read.
static bool isUsedInInnermostLoop(warp::RingOp ring) {
  return llvm::any_of(ring->getUsers(), [](Operation *user) {
    auto loop = user->getParentOfType<scf::ForOp>();
    auto isOften = [](scf::ForOp inner) {
      return inner->hasAttr(tile::kSeldomAttr) ? WalkResult::advance() : WalkResult::interrupt();
    };
    return loop && !loop.getBody()->walk(isOften).wasInterrupted();
  });
}

/// Such a ring's slot is read by a loop's own products, and maybe by those of a loop inside, through which the copies
/// of the next iteration can come.
static bool isUsedAroundALoop(warp::RingOp ring) {
  return llvm::any_of(ring->getUsers(), [](Operation *user) {
    auto loop = dyn_cast<scf::ForOp>(user->getParentOp());
    if (!loop || loop.getBody()->getOps<warp::MmaOp>().empty())
      return false;
    auto hasProducts = [&](scf::ForOp inner) {
      bool found = inner->walk([](warp::MmaOp) { return WalkResult::interrupt(); }).wasInterrupted();
      return found ? WalkResult::interrupt() : WalkResult::advance();
    };
    return loop.getBody()->walk(hasProducts).wasInterrupted();
  });
}

/// Whether a slot is read to registers before an iteration's first product (but for what is seldom): then there is
/// time to fill it again behind that.
static bool isReadAtOnce(warp::RingOp ring) {
  return llvm::all_of(ring->getUsers(), [](Operation *user) {
    auto receive = dyn_cast<warp::ReceiveOp>(user);
    if (!receive)
      return true;
    Block &block = *receive->getBlock();
    auto isProduct = [](Operation &op) { return isa<warp::MmaOp>(op); };
    auto firstProduct = llvm::find_if(block, isProduct);
    return llvm::all_of(receive->getUsers(), [&](Operation *reader) {
      return reader->getBlock() != &block ||
             (isa<warp::LoadOp>(reader) && firstProduct != block.end() && reader->isBeforeInBlock(&*firstProduct));
    });
  });
}

/// Whether a step of a loop copies more operands than it has products: what it waits for is memory.
static bool waitsForMemory(func::FuncOp kernel, ArrayRef<warp::RingOp> rings) {
  int64_t operands = llvm::count_if(rings, [](warp::RingOp ring) {
    return isUsedInInnermostLoop(ring) && ring.getResult().getType().getSlot().isSwizzled();
  });
  int64_t products = 0;
  kernel.walk([&](warp::MmaOp mma) { products += isa<scf::ForOp>(mma->getParentOp()); });
  return products < operands;
}

/// How many slots each of `rings` has that is filled ahead. What a piece of work begins with is known late where its
/// number comes from a counter: then the copies run one more step ahead, if that fits, as they do where memory sets the
/// pace. Where not even two slots each fit, rings that can do with one have one, the largest first.
static DenseMap<Operation *, int64_t> chooseStages(func::FuncOp kernel, ArrayRef<warp::RingOp> rings, bool hasCounter) {
  constexpr int64_t usual = 2, more = 3, barrierBytes = 2 * 8;
  DenseMap<Operation *, int64_t> stages;
  auto setStages = [&](int64_t count) {
    for (warp::RingOp ring : rings)
      if (isUsedInInnermostLoop(ring))
        stages[ring] = count;
  };
  setStages(usual);
  auto target = kernel->getParentOfType<ModuleOp>()->getAttrOfType<tile::TargetAttr>(tile::kTargetAttr);
  if (!target)
    return stages;
  auto fits = [&](int64_t alignment = 128) {
    int64_t bytes = 0;
    kernel.walk([&](warp::RingOp ring) {
      warp::RingType type = ring.getResult().getType();
      int64_t count = stages.contains(ring) ? stages.lookup(ring) : type.getStages();
      bytes += llvm::alignTo(type.getSlot().getBytes() * count, type.getSlot().isSwizzled() ? 1024 : alignment);
      bytes += type.getBulk() ? barrierBytes * count : 0;
    });
    return bytes <= target.getSharedBytesPerBlock();
  };
  SmallVector<warp::RingOp> bySize(rings);
  llvm::stable_sort(bySize, [](warp::RingOp a, warp::RingOp b) {
    return a.getResult().getType().getSlot().getBytes() > b.getResult().getType().getSlot().getBytes();
  });
  for (warp::RingOp ring : bySize)
    if (!fits() && stages.contains(ring) && isReadAtOnce(ring))
      stages[ring] = 1;
  // A second slot around a loop, as far as there is room, in the order of copies: those behind wait for it.
  kernel.walk([&](warp::AcquireOp acquire) {
    auto ring = acquire.getRing().getDefiningOp<warp::RingOp>();
    if (!llvm::is_contained(rings, ring) || stages.contains(ring) || !isUsedAroundALoop(ring))
      return;
    stages[ring] = usual;
    if (!fits(/*alignment=*/1024))
      stages.erase(ring);
  });
  if (!hasCounter && !waitsForMemory(kernel, rings))
    return stages;
  DenseMap<Operation *, int64_t> fewer = stages;
  // Small rings between large ones take as much as these are aligned to.
  setStages(more);
  return fits(/*alignment=*/1024) ? stages : fewer;
}

/// Whether two rings are used in different loops or branches of one block of operations, one after the other.
static bool areApart(warp::RingOp a, warp::RingOp b) {
  auto isApart = [](Operation *user, Operation *other) {
    for (; user->getParentOp(); user = user->getParentOp())
      if (Operation *there = user->getBlock()->findAncestorOpInBlock(*other))
        return user != there && user->getNumRegions() != 0 && there->getNumRegions() != 0;
    return false;
  };
  return llvm::all_of(a->getUsers(), [&](Operation *user) {
    return llvm::all_of(b->getUsers(), [&](Operation *other) { return isApart(user, other); });
  });
}

/// What one loop leaves off, the next takes up: they need one ring.
static void shareRings(func::FuncOp kernel) {
  SmallVector<warp::RingOp> kept;
  for (auto ring : llvm::make_early_inc_range(kernel.getOps<warp::RingOp>())) {
    if (!ring.getResult().getType().getBulk())
      continue;
    auto other = llvm::find_if(kept, [&](warp::RingOp before) {
      return before.getResult().getType() == ring.getResult().getType() && areApart(before, ring);
    });
    if (other == kept.end()) {
      kept.push_back(ring);
      continue;
    }
    ring.getResult().replaceAllUsesWith(other->getResult());
    ring.erase();
  }
}

/// What runs in a role is the slice that the operations with effects of its own need.
static void requireAll(ProgramSlice &slice, func::FuncOp kernel, function_ref<bool(Operation *)> isOfRole) {
  kernel.walk([&](Operation *op) {
    if (isOfRole(op))
      slice.require(op);
  });
}

/// What fills the slots of rings: bulk copies, gathered rows, and numbers that are sent.
static bool isFill(Operation *op) {
  if (auto gather = dyn_cast<warp::GatherOp>(op))
    return isBulk(gather.getDest());
  auto copy = dyn_cast<warp::CopyOp>(op);
  return isa<warp::SendOp>(op) || (copy && isBulk(copy.getDest()));
}

static bool isOtherEffect(Operation *op) {
  auto acquire = dyn_cast<warp::AcquireOp>(op);
  bool isForFills = isFill(op) || isa<warp::NextItemOp>(op) || (acquire && isBulk(acquire.getResult()));
  return !isForFills && op->getNumRegions() == 0 && !op->hasTrait<OpTrait::IsTerminator>() && !isa<warp::RingOp>(op) &&
         !wouldOpBeTriviallyDead(op);
}

/// Copying warps hold no tiles and do not take part in the block barriers of the others.
static LogicalResult verifyProducer(func::FuncOp kernel, const ProgramSlice &producer) {
  WalkResult result = kernel.walk([&](Operation *op) {
    if (!isa<warp::PutOp, warp::ReduceOp, warp::MmaOp>(op) || !producer.contains(op))
      return WalkResult::advance();
    op->emitOpError("expected bulk copies that do not depend on tiles, got one that needs this");
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

/// Replaces the kernel's body, but for its rings, by the two roles.
static void replaceByRoles(func::FuncOp kernel, const ProgramSlice &consumer, const ProgramSlice &producer) {
  Block &body = kernel.front();
  OpBuilder builder(body.getTerminator());
  int64_t consumers = cast<IntegerAttr>(kernel->getAttr(warp::WarpDialect::threadsAttr)).getInt() / 32;
  auto roles = warp::RolesOp::create(builder, kernel.getLoc(), consumers, 0, 0);
  SmallVector<Operation *> old;
  for (Operation &op : body.without_terminator())
    if (&op != roles && !isa<warp::RingOp>(op))
      old.push_back(&op);
  for (auto [slice, region] : {std::pair(&consumer, &roles.getConsumer()), {&producer, &roles.getProducer()}}) {
    OpBuilder inner = OpBuilder::atBlockEnd(&region->emplaceBlock());
    IRMapping mapping;
    slice->cloneInto(body, inner, mapping);
  }
  for (Operation *op : llvm::reverse(old)) {
    op->dropAllUses();
    op->erase();
  }
  kernel->setAttr(warp::WarpDialect::threadsAttr,
                  builder.getI64IntegerAttr(32 * (consumers + warp::WarpDialect::copyingWarps)));
}

static LogicalResult specialize(func::FuncOp kernel) {
  shareRings(kernel);
  storeThroughSlots(kernel);
  auto requireConsumer = [&](ProgramSlice &slice) { requireAll(slice, kernel, isOtherEffect); };
  SmallVector<SentNumbers> sent = sendNumbers(kernel, requireConsumer);
  SmallVector<warp::RingOp> rings;
  kernel.walk([&](warp::RingOp ring) {
    if (ring.getResult().getType().getBulk())
      rings.push_back(ring);
  });
  DenseMap<Operation *, int64_t> stages = chooseStages(kernel, rings, !sent.empty());
  for (warp::RingOp ring : rings) {
    warp::RingType type = ring.getResult().getType();
    if (int64_t count = stages.lookup(ring))
      ring.getResult().setType(
          warp::RingType::get(kernel.getContext(), count, type.getSlot(), true, type.getGathered()));
    if (failed(threadCursor(ring)))
      return failure();
  }
  SmallVector<warp::ReceiveOp> receives;
  kernel.walk([&](warp::ReceiveOp receive) {
    if (receive.getRing().getType().getBulk())
      receives.push_back(receive);
  });
  llvm::for_each(receives, placeRelease);

  ProgramSlice producer, consumer;
  requireAll(producer, kernel, isFill);
  for (const SentNumbers &message : sent)
    consumer.give(message.numbers, message.take);
  requireConsumer(consumer);
  if (failed(verifyProducer(kernel, producer)))
    return failure();
  replaceByRoles(kernel, consumer, producer);
  return success();
}

namespace {
struct WarpSpecializePass : heddle::impl::WarpSpecializeBase<WarpSpecializePass> {
  void runOnOperation() override {
    func::FuncOp kernel = getOperation();
    if (!kernel->hasAttr(warp::WarpDialect::kernelAttr))
      return;
    bool hasBulk = kernel
                       .walk([](warp::RingOp ring) {
                         return ring.getResult().getType().getBulk() ? WalkResult::interrupt() : WalkResult::advance();
                       })
                       .wasInterrupted();
    if (hasBulk && failed(specialize(kernel)))
      signalPassFailure();
  }
};
} // namespace
