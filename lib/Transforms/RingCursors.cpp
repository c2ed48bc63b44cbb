//===- RingCursors.cpp - cursors of the rings of a kernel -------------------===//
#include "lib/Transforms/RingCursors.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace heddle;

namespace {
/// Carries the cursor of a ring through everything that uses the ring.
class CursorThreader {
public:
  explicit CursorThreader(warp::RingOp ring) : ring(ring), rewriter(ring.getContext()) {}

  Value visit(Block &block, Value cursor);

private:
  Value advance(Operation *op, Value cursor);
  bool isUsedIn(Operation &op) {
    return llvm::any_of(ring->getUsers(), [&](Operation *user) { return op.isProperAncestor(user); });
  }
  Value visitFor(scf::ForOp loop, Value cursor);
  Value visitWhile(scf::WhileOp loop, Value cursor);
  Value visitIf(scf::IfOp branch, Value cursor);

  warp::RingOp ring;
  IRRewriter rewriter;
};
} // namespace

Value CursorThreader::visit(Block &block, Value cursor) {
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (auto acquire = dyn_cast<warp::AcquireOp>(op); acquire && acquire.getRing() == ring) {
      acquire.getStageMutable().assign(cursor);
    } else if (auto send = dyn_cast<warp::SendOp>(op); send && send.getRing() == ring) {
      send.getCursorMutable().assign(cursor);
    } else if (auto receive = dyn_cast<warp::ReceiveOp>(op); receive && receive.getRing() == ring) {
      receive.getStageMutable().assign(cursor);
      cursor = advance(&op, cursor);
    } else if (auto take = dyn_cast<warp::TakeOp>(op); take && take.getRing() == ring) {
      take.getCursorMutable().assign(cursor);
      cursor = advance(&op, cursor);
    } else if (isUsedIn(op)) {
      if (auto loop = dyn_cast<scf::ForOp>(op))
        cursor = visitFor(loop, cursor);
      else if (auto loop = dyn_cast<scf::WhileOp>(op))
        cursor = visitWhile(loop, cursor);
      else
        cursor = visitIf(cast<scf::IfOp>(op), cursor);
    }
  }
  return cursor;
}

Value CursorThreader::advance(Operation *op, Value cursor) {
  rewriter.setInsertionPointAfter(op);
  auto stages = static_cast<uint64_t>(ring.getResult().getType().getStages());
  return warp::AdvanceOp::create(rewriter, op->getLoc(), rewriter.getI32Type(), cursor, stages);
}

Value CursorThreader::visitFor(scf::ForOp loop, Value cursor) {
  rewriter.setInsertionPoint(loop);
  auto yieldNext = [&](OpBuilder &, Location, ArrayRef<BlockArgument> arguments) {
    return SmallVector<Value>{visit(*loop.getBody(), arguments[0])};
  };
  auto replaced = cast<scf::ForOp>(
      *loop.replaceWithAdditionalYields(rewriter, {cursor}, /*replaceInitOperandUsesInLoop=*/false, yieldNext));
  return replaced.getResults().back();
}

Value CursorThreader::visitWhile(scf::WhileOp loop, Value cursor) {
  rewriter.setInsertionPoint(loop);
  SmallVector<Value> inits(loop.getInits());
  SmallVector<Type> types(loop.getResultTypes());
  inits.push_back(cursor);
  types.push_back(cursor.getType());
  auto replaced = scf::WhileOp::create(rewriter, loop.getLoc(), types, inits);
  for (auto [from, to] : llvm::zip(loop->getRegions(), replaced->getRegions())) {
    to.takeBody(from);
    cursor = visit(to.front(), to.front().addArgument(cursor.getType(), loop.getLoc()));
    if (auto condition = dyn_cast<scf::ConditionOp>(to.front().getTerminator()))
      condition.getArgsMutable().append(cursor);
    else
      cast<scf::YieldOp>(to.front().getTerminator()).getResultsMutable().append(cursor);
  }
  rewriter.replaceOp(loop, replaced.getResults().drop_back());
  return replaced.getResults().back();
}

Value CursorThreader::visitIf(scf::IfOp branch, Value cursor) {
  rewriter.setInsertionPoint(branch);
  SmallVector<Type> types(branch.getResultTypes());
  types.push_back(cursor.getType());
  auto replaced = scf::IfOp::create(rewriter, branch.getLoc(), types, branch.getCondition(), /*withElseRegion=*/true);
  for (auto [from, to] : llvm::zip(branch->getRegions(), replaced->getRegions())) {
    if (from.empty()) {
      rewriter.setInsertionPointToEnd(&to.front());
      scf::YieldOp::create(rewriter, branch.getLoc(), ValueRange{cursor});
      continue;
    }
    to.takeBody(from);
    Value next = visit(to.front(), cursor);
    auto yield = cast<scf::YieldOp>(to.front().getTerminator());
    yield.getResultsMutable().append(next);
  }
  rewriter.replaceOp(branch, replaced.getResults().drop_back());
  return replaced.getResults().back();
}

LogicalResult heddle::threadCursor(warp::RingOp ring) {
  for (Operation *user : ring->getUsers())
    for (Operation *parent = user->getParentOp(); !isa<func::FuncOp>(parent); parent = parent->getParentOp())
      if (!isa<scf::ForOp, scf::IfOp, scf::WhileOp>(parent))
        return user->emitOpError("expected a bulk ring to be used in loops and branches only, got ")
               << parent->getName();
  OpBuilder builder(ring.getContext());
  builder.setInsertionPointAfter(ring);
  Value start = arith::ConstantIntOp::create(builder, ring->getParentOfType<func::FuncOp>().getLoc(), 0, 32);
  CursorThreader(ring).visit(*ring->getBlock(), start);
  return success();
}
