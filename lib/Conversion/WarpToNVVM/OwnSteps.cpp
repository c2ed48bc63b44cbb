//===- OwnSteps.cpp - iterations that a group of warps leaves out -----------===//
//
// In a loop over slots that copying warps fill, of which parts of the rows need some
// iterations only (dialects/Tile/RowParts.h), a group of four warps that multiplies one
// part goes through its own. It says of all other slots that it has read them:
//
//   for n = least to own begin { receive, release }
//   for n = own begin to own end { .. }
//   for n = own end to greatest { receive, release }
//
// Groups go through the loop at different times then, and take no turns.
// Shown by test/Conversion/warp-to-nvvm-row-parts.mlir.
//===----------------------------------------------------------------------===//
#include "dialects/Tile/RowParts.h"
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace heddle;

namespace {
/// A loop with marked bounds, and what stands around it since its first iteration was moved in front of it.
struct PartedLoop {
  Value least, greatest;
  Operation *around; ///< the loop, or the branch on whether there are iterations
  SmallVector<Value> begins, ends;

  static std::optional<PartedLoop> find(arith::MinSIOp least);
  bool isOfGroups(int64_t groups) const;
};

/// The cursor of a ring where the loop begins, and the result that has it at the end.
struct LoopCursor {
  Value before, after;
};
} // namespace

std::optional<PartedLoop> PartedLoop::find(arith::MinSIOp least) {
  if (!least->hasAttr(tile::kRowPartsAttr))
    return std::nullopt;
  PartedLoop loop{least, {}, nullptr, {}, {}};
  for (Operation *user : least->getUsers()) {
    if (auto plain = dyn_cast<scf::ForOp>(user); plain && plain.getLowerBound() == loop.least) {
      loop.greatest = plain.getUpperBound();
      loop.around = plain;
    }
    auto any = dyn_cast<arith::CmpIOp>(user);
    if (!any || any.getLhs() != loop.least || any.getPredicate() != arith::CmpIPredicate::slt || !any->hasOneUse())
      continue;
    if (auto branch = dyn_cast<scf::IfOp>(*any->user_begin()); branch && branch.elseBlock()) {
      loop.greatest = any.getRhs();
      loop.around = branch;
    }
  }
  if (!loop.around)
    return std::nullopt;
  loop.begins = tile::getBoundsOfParts<arith::MinSIOp>(loop.least);
  loop.ends = tile::getBoundsOfParts<arith::MaxSIOp>(loop.greatest);
  return loop;
}

/// Whether each of the groups multiplies the rows of one part.
bool PartedLoop::isOfGroups(int64_t groups) const {
  constexpr int64_t rows = 64; // of a group's product
  if (static_cast<int64_t>(begins.size()) != groups || begins.size() != ends.size())
    return false;
  bool hasProducts = false;
  WalkResult result = around->walk([&](warp::MmaOp mma) {
    hasProducts = true;
    auto type = cast<RankedTensorType>(mma.getResult().getType());
    return type.getDimSize(0) == groups * rows ? WalkResult::advance() : WalkResult::interrupt();
  });
  return hasProducts && !result.wasInterrupted();
}

/// What a cursor is before the loop: an operand of loops inside until it comes from outside.
static Value comesFrom(Value cursor, Operation *around) {
  while (auto argument = dyn_cast<BlockArgument>(cursor)) {
    auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
    if (!loop || !around->isAncestor(loop) || argument == loop.getInductionVar())
      break;
    cursor = loop.getTiedLoopInit(argument)->get();
  }
  Operation *definition = cursor.getParentRegion()->getParentOp();
  return around->isAncestor(definition) ? Value() : cursor;
}

static std::optional<LoopCursor> findCursor(warp::ReceiveOp first, Operation *around) {
  LoopCursor cursor{comesFrom(first.getStage(), around), {}};
  if (!cursor.before)
    return std::nullopt;
  auto branch = dyn_cast<scf::IfOp>(around);
  ValueRange inits = branch ? branch.elseYield().getOperands() : cast<scf::ForOp>(around).getInits();
  for (auto [init, result] : llvm::zip(inits, around->getResults()))
    if (init == cursor.before) {
      if (cursor.after)
        return std::nullopt;
      cursor.after = result;
    }
  return cursor.after ? std::optional(cursor) : std::nullopt;
}

/// The cursors of all rings that the loop reads, each once in an iteration; none where it is different.
static std::optional<llvm::MapVector<Value, LoopCursor>> findCursors(Operation *around) {
  llvm::MapVector<Value, LoopCursor> cursors;
  DenseSet<Value> seen;
  WalkResult result = around->walk([&](warp::ReceiveOp receive) {
    Value ring = receive.getRing();
    if (!receive.getRing().getType().getBulk())
      return WalkResult::interrupt();
    if (cursors.count(ring))
      return WalkResult::advance();
    std::optional<LoopCursor> cursor = findCursor(receive, around);
    if (!cursor || !seen.insert(cursor->before).second)
      return WalkResult::interrupt();
    cursors[ring] = *cursor;
    return WalkResult::advance();
  });
  result = result.wasInterrupted() ? result : around->walk([&](scf::ForOp loop) {
    for (auto &[ring, cursor] : cursors)
      if (llvm::count_if(*loop.getBody(), [ring = ring](Operation &op) {
            auto receive = dyn_cast<warp::ReceiveOp>(op);
            return receive && receive.getRing() == ring;
          }) != 1)
        return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return result.wasInterrupted() ? std::nullopt : std::optional(cursors);
}

/// Goes past the slots of iterations; the cursors behind them.
static SmallVector<Value> passBy(ImplicitLocOpBuilder &builder, Value begin, Value end, ArrayRef<Value> rings,
                                 ValueRange cursors) {
  auto loop = scf::ForOp::create(
      builder, begin, end, arith::ConstantIndexOp::create(builder, 1), cursors,
      [&](OpBuilder &inner, Location loc, Value, ValueRange here) {
        SmallVector<Value> next;
        for (auto [ring, cursor] : llvm::zip_equal(rings, here)) {
          auto type = cast<warp::RingType>(ring.getType());
          warp::ReceiveOp::create(inner, loc, type.getSlot(), ring, cursor, UnitAttr());
          warp::ReleaseOp::create(inner, loc, ring, cursor);
          next.push_back(warp::AdvanceOp::create(inner, loc, inner.getI32Type(), cursor, type.getStages()));
        }
        scf::YieldOp::create(inner, loc, next);
      });
  return SmallVector<Value>(loop.getResults());
}

static void leaveOut(const PartedLoop &loop, Value group) {
  std::optional<llvm::MapVector<Value, LoopCursor>> cursors = findCursors(loop.around);
  if (!cursors)
    return;
  ImplicitLocOpBuilder builder(loop.around->getLoc(), loop.around);
  Operation *later = loop.least.getDefiningOp();
  if (Operation *other = loop.greatest.getDefiningOp(); later->isBeforeInBlock(other))
    later = other;
  builder.setInsertionPointAfter(later);
  Value begin = loop.begins.front(), end = loop.ends.front();
  for (size_t part = 1; part < loop.begins.size(); ++part) {
    Value isMine = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, group,
                                         constantI32(builder, static_cast<int64_t>(part)));
    begin = arith::SelectOp::create(builder, isMine, loop.begins[part], begin);
    end = arith::SelectOp::create(builder, isMine, loop.ends[part], end);
  }
  Value(loop.least).replaceAllUsesWith(begin);
  Value(loop.greatest).replaceAllUsesWith(end);

  SmallVector<Value> rings, before, after;
  for (auto &[ring, cursor] : *cursors) {
    rings.push_back(ring);
    before.push_back(cursor.before);
    after.push_back(cursor.after);
  }
  builder.setInsertionPoint(loop.around);
  SmallVector<Value> first = passBy(builder, loop.least, begin, rings, before);
  for (auto [old, next] : llvm::zip(before, first))
    old.replaceUsesWithIf(next, [&](OpOperand &use) { return loop.around->isAncestor(use.getOwner()); });
  builder.setInsertionPointAfter(loop.around);
  SmallVector<Value> last = passBy(builder, end, loop.greatest, rings, after);
  Operation *passing = last.front().getDefiningOp();
  for (auto [old, next] : llvm::zip(after, last))
    old.replaceAllUsesExcept(next, passing);

  SmallVector<Operation *> turns;
  loop.around->walk([&](Operation *op) {
    if (isa<warp::TakeTurnOp, warp::PassTurnOp>(op))
      turns.push_back(op);
  });
  for (Operation *turn : turns)
    turn->erase();
}

void heddle::leaveOutSteps(warp::RolesOp roles, Value warp) {
  constexpr int64_t groupWarps = 4;
  SmallVector<PartedLoop> loops;
  roles.getConsumer().walk([&](arith::MinSIOp least) {
    std::optional<PartedLoop> loop = PartedLoop::find(least);
    if (loop && loop->isOfGroups(roles.getConsumers() / groupWarps))
      loops.push_back(*loop);
  });
  if (loops.empty())
    return;
  ImplicitLocOpBuilder builder(roles.getLoc(), roles);
  Value group = arith::DivUIOp::create(builder, warp, constantI32(builder, groupWarps));
  for (const PartedLoop &loop : loops)
    leaveOut(loop, group);
}
