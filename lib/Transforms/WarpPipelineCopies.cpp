//===- WarpPipelineCopies.cpp - copy ahead in loops -------------------------===//
//
//   scf.for %n = %lb to %ub step %c1 {
//     %j = f(%n)
//     %w = warp.acquire %k   warp.copy %m[%j] to %w   %s = warp.receive %k
//     use(%s) }
//
// becomes, with the ring of two slots,
//
//   scf.if %lb < %ub { %w = warp.acquire %k at 0   warp.copy %m[f(%lb)] to %w }
//   scf.for %n = .. iter_args(%stage = 0) {
//     %s = warp.receive %k at %stage
//     scf.if %n + 1 < %ub { %w = warp.acquire %k at 1 - %stage ordered   warp.copy %m[f(%n + 1)] to %w }
//     use(%s)   scf.yield 1 - %stage }
//
// The receive is a barrier, after which nobody reads the other slot any more.
//
// A second slot may cost a block of its multiprocessor. Several rings that are read one after another do without:
//
//   scf.if %lb < %ub { %w = warp.acquire %k   warp.copy %m[f(%lb)] to %w }
//   scf.for %n = .. {
//     %s = warp.receive %k   %x = warp.acquire %v ordered   warp.copy %m[g(%n)] to %x
//     use(%s)   ..
//     %t = warp.receive %v   scf.if %n + 1 < %ub { %w = warp.acquire %k ordered   warp.copy %m[f(%n + 1)] to %w }
//     use(%t) }
//
// Each receive is the barrier after which nobody reads the slot before it, so that this is filled beside what follows.
// Shown by test/Transforms/warp-pipeline-copies.mlir.
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "dialects/Tile/TileTarget.h"
#include "dialects/Warp/WarpOps.h"
#include "heddle/Transforms/Passes.h"
#include "lib/Transforms/RegisterEstimate.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"

namespace heddle {
#define GEN_PASS_DEF_WARPPIPELINECOPIES
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
/// A copy (or gather) that may be issued an iteration early, and the operations of the body that compute where from.
struct Candidate {
  warp::RingOp ring;
  warp::AcquireOp acquire;
  Operation *copy;
  warp::ReceiveOp receive;
  SmallVector<Operation *> slice; // in program order
};

struct WarpPipelineCopiesPass : heddle::impl::WarpPipelineCopiesBase<WarpPipelineCopiesPass> {
  void runOnOperation() override;

private:
  std::optional<Candidate> match(scf::ForOp loop, warp::AcquireOp acquire);
  bool collectSlice(scf::ForOp loop, Candidate candidate, SmallVector<Operation *> &slice);
  void addSlots(scf::ForOp loop, ArrayRef<Candidate> candidates);
  void takeTurns(scf::ForOp loop, ArrayRef<Candidate> candidates);
  int64_t countBlocks(int64_t sharedBytes);

  DenseSet<Value> written; // arrays that the kernel writes
};
} // namespace

/// The operations in the body that the copy's coordinates need; fails if they depend on carried values or on memory
/// that the kernel writes.
bool WarpPipelineCopiesPass::collectSlice(scf::ForOp loop, Candidate candidate, SmallVector<Operation *> &slice) {
  DenseSet<Operation *> needed;
  SmallVector<Value> work;
  llvm::copy_if(candidate.copy->getOperands(), std::back_inserter(work),
                [&](Value operand) { return operand.getDefiningOp() != candidate.acquire.getOperation(); });
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (!loop.getRegion().isAncestor(value.getParentRegion()) || value == loop.getInductionVar())
      continue;
    Operation *op = value.getDefiningOp();
    if (!op || op->getBlock() != loop.getBody() || op->getNumRegions() != 0)
      return false;
    bool isRead = isa<memref::LoadOp, tile::GatherOp>(op) && !written.contains(op->getOperand(0));
    if (!isMemoryEffectFree(op) && !isRead)
      return false;
    if (needed.insert(op).second)
      work.append(op->operand_begin(), op->operand_end());
  }
  for (Operation &op : loop.getBody()->without_terminator())
    if (needed.contains(&op))
      slice.push_back(&op);
  return true;
}

std::optional<Candidate> WarpPipelineCopiesPass::match(scf::ForOp loop, warp::AcquireOp acquire) {
  if (!acquire->hasOneUse() || !isa<warp::CopyOp, warp::GatherOp>(*acquire->user_begin()))
    return std::nullopt;
  Candidate candidate;
  candidate.acquire = acquire;
  candidate.copy = *acquire->user_begin();
  if (candidate.copy->getBlock() != loop.getBody() || written.contains(candidate.copy->getOperand(0)))
    return std::nullopt;
  candidate.ring = acquire.getRing().getDefiningOp<warp::RingOp>();
  if (!candidate.ring || candidate.ring.getResult().getType().getStages() != 1 ||
      candidate.ring.getResult().getType().getBulk())
    return std::nullopt;
  for (Operation *user : candidate.ring->getUsers()) {
    if (user == candidate.acquire)
      continue;
    auto receive = dyn_cast<warp::ReceiveOp>(user);
    if (!receive || candidate.receive || receive->getBlock() != loop.getBody())
      return std::nullopt;
    candidate.receive = receive;
  }
  if (!candidate.receive || !collectSlice(loop, candidate, candidate.slice))
    return std::nullopt;
  return candidate;
}

/// Emits acquire and copy for induction value `position` into slot `stage`, null in a ring of one.
static void issueCopies(OpBuilder &builder, scf::ForOp loop, ArrayRef<Candidate> candidates, Value position,
                        Value stage, bool ordered) {
  IRMapping mapping;
  mapping.map(loop.getInductionVar(), position);
  for (Candidate candidate : candidates) {
    for (Operation *op : candidate.slice)
      if (!mapping.contains(op->getResult(0)))
        builder.clone(*op, mapping);
    Location loc = candidate.copy->getLoc();
    Value slot = warp::AcquireOp::create(builder, loc, candidate.acquire.getResult().getType(),
                                         candidate.ring.getResult(), stage, ordered);
    mapping.map(candidate.acquire.getResult(), slot);
    builder.clone(*candidate.copy, mapping);
  }
}

static void eraseCopies(RewriterBase &rewriter, ArrayRef<Candidate> candidates) {
  for (Candidate candidate : candidates) {
    rewriter.eraseOp(candidate.receive);
    rewriter.eraseOp(candidate.copy);
    rewriter.eraseOp(candidate.acquire);
  }
}

/// scf.if lower < upper, before a loop.
static scf::IfOp ifAny(RewriterBase &rewriter, scf::ForOp loop) {
  Value any = arith::CmpIOp::create(rewriter, loop.getLoc(), arith::CmpIPredicate::slt, loop.getLowerBound(),
                                    loop.getUpperBound());
  return scf::IfOp::create(rewriter, loop.getLoc(), any, /*withElseRegion=*/false);
}

void WarpPipelineCopiesPass::addSlots(scf::ForOp loop, ArrayRef<Candidate> candidates) {
  IRRewriter rewriter(loop.getContext());
  Location loc = loop.getLoc();
  for (Candidate candidate : candidates)
    candidate.ring.getResult().setType(
        warp::RingType::get(loop.getContext(), 2, candidate.ring.getResult().getType().getSlot(), false, false));

  rewriter.setInsertionPoint(loop);
  Value zero = arith::ConstantIntOp::create(rewriter, loc, 0, 32),
        one = arith::ConstantIntOp::create(rewriter, loc, 1, 32);
  OpBuilder inFirst = ifAny(rewriter, loop).getThenBodyBuilder();
  issueCopies(inFirst, loop, candidates, loop.getLowerBound(), zero, /*ordered=*/false);

  auto yieldOther = [&](OpBuilder &builder, Location yieldLoc, ArrayRef<BlockArgument> stages) {
    return SmallVector<Value>{arith::SubIOp::create(builder, yieldLoc, one, stages[0])};
  };
  auto replaced = cast<scf::ForOp>(
      *loop.replaceWithAdditionalYields(rewriter, {zero}, /*replaceInitOperandUsesInLoop=*/false, yieldOther));
  Value stage = replaced.getRegionIterArgs().back();

  rewriter.setInsertionPointToStart(replaced.getBody());
  for (Candidate candidate : candidates) {
    Value slot = warp::ReceiveOp::create(rewriter, candidate.receive.getLoc(), candidate.receive.getResult().getType(),
                                         candidate.ring.getResult(), stage, false);
    rewriter.replaceAllUsesWith(candidate.receive.getResult(), slot);
  }
  Value next = arith::AddIOp::create(rewriter, loc, replaced.getInductionVar(), replaced.getStep());
  Value more = arith::CmpIOp::create(rewriter, loc, arith::CmpIPredicate::slt, next, replaced.getUpperBound());
  Value other = arith::SubIOp::create(rewriter, loc, one, stage);
  auto ahead = scf::IfOp::create(rewriter, loc, more, /*withElseRegion=*/false);
  OpBuilder inAhead = ahead.getThenBodyBuilder();
  issueCopies(inAhead, replaced, candidates, next, other, /*ordered=*/true);
  eraseCopies(rewriter, candidates);
}

/// The operation of the body that reads a slot first, or last.
static Operation *readerOf(scf::ForOp loop, Candidate candidate, bool last) {
  Operation *found = nullptr;
  for (Operation *user : candidate.receive->getUsers()) {
    Operation *here = loop.getBody()->findAncestorOpInBlock(*user);
    if (!found || found->isBeforeInBlock(here) == last)
      found = here;
  }
  return found;
}

/// Whether the slots are read one after another, in this order.
static bool areReadInTurn(scf::ForOp loop, ArrayRef<Candidate> candidates) {
  if (candidates.size() < 2 || llvm::any_of(candidates, [](Candidate one) { return one.receive->use_empty(); }))
    return false;
  for (auto [one, next] : llvm::zip(candidates.drop_back(), candidates.drop_front()))
    if (!readerOf(loop, one, /*last=*/true)->isBeforeInBlock(readerOf(loop, next, /*last=*/false)))
      return false;
  return true;
}

void WarpPipelineCopiesPass::takeTurns(scf::ForOp loop, ArrayRef<Candidate> candidates) {
  IRRewriter rewriter(loop.getContext());
  Location loc = loop.getLoc();
  rewriter.setInsertionPoint(loop);
  OpBuilder inFirst = ifAny(rewriter, loop).getThenBodyBuilder();
  issueCopies(inFirst, loop, candidates.drop_back(), loop.getLowerBound(), Value(), /*ordered=*/false);

  rewriter.setInsertionPointToStart(loop.getBody());
  Value next = arith::AddIOp::create(rewriter, loc, loop.getInductionVar(), loop.getStep());
  Value more = arith::CmpIOp::create(rewriter, loc, arith::CmpIPredicate::slt, next, loop.getUpperBound());
  for (size_t index = 0; index < candidates.size(); ++index) {
    Candidate candidate = candidates[index];
    // Right before the first reader: what is computed in between takes fewer registers by then.
    if (index > 0)
      rewriter.setInsertionPoint(readerOf(loop, candidate, /*last=*/false));
    Value slot = warp::ReceiveOp::create(rewriter, candidate.receive.getLoc(), candidate.receive.getResult().getType(),
                                         candidate.ring.getResult(), Value(), false);
    rewriter.replaceAllUsesWith(candidate.receive.getResult(), slot);
    if (index == 0) {
      issueCopies(rewriter, loop, candidates.take_back(), loop.getInductionVar(), Value(), /*ordered=*/true);
    } else {
      OpBuilder ahead = scf::IfOp::create(rewriter, loc, more, /*withElseRegion=*/false).getThenBodyBuilder();
      issueCopies(ahead, loop, candidates.slice(index - 1, 1), next, Value(), /*ordered=*/true);
    }
  }
  eraseCopies(rewriter, candidates);
}

/// How many blocks a multiprocessor holds, as far as is known before resources are planned; 1 if the target does not
/// say.
int64_t WarpPipelineCopiesPass::countBlocks(int64_t sharedBytes) {
  constexpr int64_t reservedBytes = 1024; // of each block's shared memory, for the driver
  tile::TargetAttr target = tile::getTarget(getOperation());
  if (!target.getRegistersPerThread() || !target.getRegistersPerUnit() || !target.getSharedBytesPerUnit())
    return 1;
  int64_t threads = cast<IntegerAttr>(getOperation()->getAttr(warp::WarpDialect::threadsAttr)).getInt();
  int64_t registers = std::min(estimateRegisters(getOperation()), target.getRegistersPerThread());
  return std::min(target.getRegistersPerUnit() / (registers * threads),
                  target.getSharedBytesPerUnit() / (sharedBytes + reservedBytes));
}

void WarpPipelineCopiesPass::runOnOperation() {
  func::FuncOp kernel = getOperation();
  if (!kernel->hasAttr(warp::WarpDialect::kernelAttr))
    return;
  tile::TargetAttr target = tile::getTarget(kernel);
  if (!target)
    return signalPassFailure();
  int64_t limit = target.getSharedBytesPerBlock();
  written.clear();
  int64_t bytes = 0; // an upper bound: every ring at once
  kernel.walk([&](Operation *op) {
    if (auto store = dyn_cast<tile::StoreOp>(op))
      written.insert(store.getDest());
    else if (auto store = dyn_cast<memref::StoreOp>(op))
      written.insert(store.getMemRef());
    else if (auto ring = dyn_cast<warp::RingOp>(op))
      bytes += ring.getResult().getType().getSlot().getBytes();
  });
  SmallVector<scf::ForOp> loops;
  kernel.walk([&](scf::ForOp loop) { loops.push_back(loop); });
  for (scf::ForOp loop : loops) {
    SmallVector<Candidate> candidates;
    int64_t more = 0;
    for (auto acquire : loop.getBody()->getOps<warp::AcquireOp>())
      if (std::optional<Candidate> candidate = match(loop, acquire)) {
        more += candidate->ring.getResult().getType().getSlot().getBytes();
        candidates.push_back(*candidate);
      }
    if (candidates.empty())
      continue;
    llvm::sort(candidates, [](Candidate a, Candidate b) { return a.receive->isBeforeInBlock(b.receive); });
    bool fits = bytes + more <= limit;
    if (areReadInTurn(loop, candidates) && (!fits || countBlocks(bytes) > countBlocks(bytes + more))) {
      takeTurns(loop, candidates);
    } else if (fits) {
      bytes += more;
      addSlots(loop, candidates);
    }
  }
}
