//===- WarpOverlapProducts.cpp - products of two iterations at once ---------===//
//
// A loop whose last product reads what was made of its first one leaves the matrix
// unit idle in between. With C the late product and all that follows from it, B what
// reads its result of the iteration before, and A the rest:
//
//   for n { A(n)  B(n)  C(n) }
//
// becomes
//
//   A(lb)  B(lb)
//   for n = lb + 1 .. { products of A(n) issued;  C(n - 1) issued;  rest of A(n);  B(n) }
//   C(last)
//
// so that the element-wise work of A(n) runs while C(n - 1) is on the matrix unit.
// What is done if n = lb is then done before the loop and not in it.
// Afterwards every asynchronous product is waited for where it is first read.
// Shown by test/Transforms/warp-overlap-products.mlir.
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileDialect.h"
#include "dialects/Warp/WarpOps.h"
#include "heddle/Transforms/Passes.h"
#include "lib/Transforms/SinkMakers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/SetVector.h"

namespace heddle {
#define GEN_PASS_DEF_WARPOVERLAPPRODUCTS
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

/// Calls `visit` for what `op` and the operations inside it read from outside.
static void forEachRead(Operation *op, function_ref<void(Value)> visit) {
  op->walk([&](Operation *nested) {
    for (Value operand : nested->getOperands())
      if (!op->isAncestor(operand.getParentRegion()->getParentOp()))
        visit(operand);
  });
}

static bool readsAny(Operation *op, const DenseSet<Value> &values) {
  bool found = false;
  forEachRead(op, [&](Value value) { found |= values.contains(value); });
  return found;
}

namespace {
/// The parts of a loop's body, each in program order.
class LoopParts {
public:
  static std::optional<LoopParts> split(scf::ForOp loop);
  void rotate(scf::ForOp loop) const;

private:
  void findMakers();
  void findCarried(scf::ForOp loop);
  bool isLate(unsigned index) const { return lateArguments[index]; }

  SmallVector<Operation *> issue, rest;     ///< A: up to its last product, and after
  SmallVector<Operation *> between, late;   ///< B and C
  SmallVector<bool> lateArguments;          ///< per carried value of the loop: C yields it
  SetVector<Value> carried;                 ///< what C reads of A, B and the loop's arguments
  llvm::SmallPtrSet<Operation *, 8> makers; ///< operations of A that turn a tile into C's left operand
};
} // namespace

/// Comparisons of a loop's variable with its lower bound.
static SmallVector<Value> findFirstTests(scf::ForOp loop) {
  SmallVector<Value> tests;
  for (Operation *user : loop.getInductionVar().getUsers())
    if (auto test = dyn_cast<arith::CmpIOp>(user); test && test->getBlock() == loop.getBody() &&
                                                   test.getPredicate() == arith::CmpIPredicate::eq &&
                                                   llvm::is_contained(test.getOperands(), loop.getLowerBound()))
      tests.push_back(test);
  return tests;
}

/// Takes an operation that a condition decides apart: it is known to be true, or known not to be. Whether there was
/// one.
static bool foldOneUse(IRRewriter &rewriter, Value condition, bool isTrue) {
  for (Operation *user : condition.getUsers()) {
    if (auto both = dyn_cast<arith::AndIOp>(user)) {
      Value other = both.getLhs() == condition ? both.getRhs() : both.getLhs();
      rewriter.replaceOp(both, isTrue ? other : condition);
      return true;
    }
    if (auto select = dyn_cast<arith::SelectOp>(user); select && select.getCondition() == condition) {
      rewriter.replaceOp(select, isTrue ? select.getTrueValue() : select.getFalseValue());
      return true;
    }
    if (auto branch = dyn_cast<scf::IfOp>(user); branch && branch.elseBlock()) {
      Block *taken = isTrue ? branch.thenBlock() : branch.elseBlock();
      Operation *yield = taken->getTerminator();
      SmallVector<Value> results(yield->getOperands());
      rewriter.eraseOp(yield);
      rewriter.inlineBlockBefore(taken, branch);
      rewriter.replaceOp(branch, results);
      return true;
    }
  }
  return false;
}

/// Products whose left operand was made, in this body, of another product.
static DenseSet<Operation *> findLateProducts(Block &body) {
  DenseSet<Value> made;
  DenseSet<Operation *> lateProducts;
  for (Operation &op : body.without_terminator()) {
    auto mma = dyn_cast<warp::MmaOp>(op);
    if (mma && mma.getAsync() && isa<RankedTensorType>(mma.getLhs().getType()) && made.contains(mma.getLhs()))
      lateProducts.insert(mma);
    if ((mma && mma.getAsync()) || readsAny(&op, made))
      made.insert(op.result_begin(), op.result_end());
  }
  return lateProducts;
}

/// A slot that only late products read is filled for them: its ring's operations go along.
static void addSlots(Block &body, DenseSet<Operation *> &lateOps) {
  SmallVector<Operation *> products(lateOps.begin(), lateOps.end());
  for (Operation *product : products) {
    auto receive = cast<warp::MmaOp>(product).getRhs().getDefiningOp<warp::ReceiveOp>();
    bool isPrivate = receive && receive->getBlock() == &body &&
                     llvm::all_of(receive->getUsers(), [&](Operation *user) { return lateOps.contains(user); });
    if (!isPrivate)
      continue;
    for (Operation *user : receive.getRing().getUsers()) {
      if (user->getBlock() != &body)
        continue;
      lateOps.insert(user);
      if (auto acquire = dyn_cast<warp::AcquireOp>(user))
        lateOps.insert(acquire->user_begin(), acquire->user_end());
    }
  }
}

std::optional<LoopParts> LoopParts::split(scf::ForOp loop) {
  Block &body = *loop.getBody();
  DenseSet<Operation *> lateOps = findLateProducts(body);
  if (lateOps.empty())
    return std::nullopt;
  addSlots(body, lateOps);
  DenseSet<Value> lateValues;
  for (Operation &op : body.without_terminator())
    if (lateOps.contains(&op) || readsAny(&op, lateValues)) {
      lateOps.insert(&op);
      lateValues.insert(op.result_begin(), op.result_end());
    }

  LoopParts parts;
  DenseSet<Value> betweenValues;
  for (auto [argument, yielded] : llvm::zip(loop.getRegionIterArgs(), loop.getYieldedValues())) {
    parts.lateArguments.push_back(lateValues.contains(yielded));
    if (parts.lateArguments.back())
      betweenValues.insert(argument);
  }
  Operation *lastProduct = nullptr;
  for (Operation &op : body.without_terminator()) {
    if (lateOps.contains(&op)) {
      parts.late.push_back(&op);
    } else if (readsAny(&op, betweenValues)) {
      parts.between.push_back(&op);
      betweenValues.insert(op.result_begin(), op.result_end());
    } else {
      parts.rest.push_back(&op);
      if (isa<warp::MmaOp>(op))
        lastProduct = &op;
    }
  }
  // The products of C are waited for at its end, so nothing of it may read them.
  auto isOfProduct = [](Value value) { return isa_and_nonnull<warp::MmaOp>(value.getDefiningOp()); };
  for (Operation *op : parts.late)
    if (!isa<warp::MmaOp>(op) && llvm::any_of(op->getOperands(), isOfProduct))
      return std::nullopt;
  // What goes around the loop early must not come from what is late.
  for (auto [index, yielded] : llvm::enumerate(loop.getYieldedValues()))
    if (!parts.isLate(index) && betweenValues.contains(yielded))
      return std::nullopt;
  // Nor may products of A read what is late, be it through a slot.
  auto feedsProducts = [](Operation *op) { return isa<warp::MmaOp, warp::PutOp>(op); };
  if (!lastProduct || llvm::any_of(parts.between, feedsProducts))
    return std::nullopt;
  auto afterLast = std::next(llvm::find(parts.rest, lastProduct));
  parts.issue.assign(parts.rest.begin(), afterLast);
  parts.rest.erase(parts.rest.begin(), afterLast);
  parts.findCarried(loop);
  // A slot that both parts read would have to be kept for an iteration more, and a product that goes on accumulating be
  // under way all through one.
  if (llvm::any_of(parts.carried, [](Value value) {
        return isa<warp::SlotType>(value.getType()) || value.getDefiningOp<warp::MmaOp>();
      }))
    return std::nullopt;
  parts.findMakers();
  return parts;
}

void LoopParts::findCarried(scf::ForOp loop) {
  DenseSet<Value> inside;
  for (Operation *op : late)
    inside.insert(op->result_begin(), op->result_end());
  for (Operation *op : late)
    forEachRead(op, [&](Value value) {
      if (loop.getRegion().isAncestor(value.getParentRegion()) && !inside.contains(value))
        carried.insert(value);
    });
}

/// The registers of a left operand are in use until its product is done, so the next one is made after the wait.
void LoopParts::findMakers() {
  for (Operation *op : llvm::reverse(rest)) {
    bool feedsOnlyLate = !op->use_empty() && llvm::all_of(op->getUsers(), [&](Operation *user) {
      return makers.contains(user) || llvm::is_contained(late, user);
    });
    if (isa<warp::ConvertOp, arith::TruncFOp>(op) && isa<RankedTensorType>(op->getResult(0).getType()) && feedsOnlyLate)
      makers.insert(op);
  }
}

static void cloneAll(OpBuilder &builder, ArrayRef<Operation *> ops, IRMapping &mapping) {
  for (Operation *op : ops)
    builder.clone(*op, mapping);
}

void LoopParts::rotate(scf::ForOp loop) const {
  IRRewriter rewriter(loop.getContext());
  rewriter.setInsertionPoint(loop);
  Location loc = loop.getLoc();
  unsigned count = loop.getNumRegionIterArgs();
  auto early = [&](ValueRange values, const IRMapping &mapping) {
    SmallVector<Value> result;
    for (unsigned index = 0; index < count; ++index)
      if (!isLate(index))
        result.push_back(mapping.lookupOrDefault(values[index]));
    return result;
  };
  auto lookUpCarried = [&](const IRMapping &mapping) {
    return llvm::map_to_vector(carried, [&](Value value) { return mapping.lookupOrDefault(value); });
  };
  Value any =
      arith::CmpIOp::create(rewriter, loc, arith::CmpIPredicate::slt, loop.getLowerBound(), loop.getUpperBound());
  auto guard = scf::IfOp::create(rewriter, loc, loop.getResultTypes(), any, /*withElseRegion=*/true);
  rewriter.setInsertionPointToStart(guard.elseBlock());
  scf::YieldOp::create(rewriter, loc, loop.getInits());
  rewriter.setInsertionPointToStart(guard.thenBlock());

  IRMapping first;
  first.map(loop.getInductionVar(), loop.getLowerBound());
  first.map(loop.getRegionIterArgs(), loop.getInits());
  for (const SmallVector<Operation *> *part : {&issue, &rest, &between})
    cloneAll(rewriter, *part, first);
  SmallVector<Value> inits = early(loop.getYieldedValues(), first);
  unsigned numEarly = inits.size();
  llvm::append_range(inits, lookUpCarried(first));

  Value second = arith::AddIOp::create(rewriter, loc, loop.getLowerBound(), loop.getStep());
  auto rotated = scf::ForOp::create(rewriter, loc, second, loop.getUpperBound(), loop.getStep(), inits);
  if (!rotated.getBody()->empty())
    rewriter.eraseOp(rotated.getBody()->getTerminator());
  rewriter.setInsertionPointToEnd(rotated.getBody());
  IRMapping now, before;
  now.map(loop.getInductionVar(), rotated.getInductionVar());
  for (unsigned index = 0, next = 0; index < count; ++index)
    if (!isLate(index))
      now.map(loop.getRegionIterArg(index), rotated.getRegionIterArg(next++));
  for (auto [value, argument] : llvm::zip(carried, rotated.getRegionIterArgs().drop_front(numEarly)))
    before.map(value, argument);
  cloneAll(rewriter, issue, now);
  cloneAll(rewriter, late, before);
  for (Operation *op : rest)
    if (!makers.contains(op))
      rewriter.clone(*op, now);
  for (Operation *op : late)
    if (auto mma = dyn_cast<warp::MmaOp>(op)) {
      Value done = warp::WaitOp::create(rewriter, loc, before.lookup(mma.getResult()));
      before.map(mma.getResult(), done);
    }
  for (unsigned index = 0; index < count; ++index)
    if (isLate(index))
      now.map(loop.getRegionIterArg(index), before.lookupOrDefault(loop.getYieldedValues()[index]));
  cloneAll(rewriter, between, now);
  for (Operation *op : rest)
    if (makers.contains(op))
      rewriter.clone(*op, now);
  SmallVector<Value> yields = early(loop.getYieldedValues(), now);
  llvm::append_range(yields, lookUpCarried(now));
  scf::YieldOp::create(rewriter, loc, yields);
  for (Value test : findFirstTests(loop)) {
    while (foldOneUse(rewriter, first.lookup(test), true))
      ;
    while (foldOneUse(rewriter, now.lookup(test), false))
      ;
  }

  rewriter.setInsertionPointAfter(rotated);
  IRMapping last;
  for (auto [value, result] : llvm::zip(carried, rotated.getResults().drop_front(numEarly)))
    last.map(value, result);
  cloneAll(rewriter, late, last);
  SmallVector<Value> results;
  for (unsigned index = 0, next = 0; index < count; ++index)
    results.push_back(isLate(index) ? last.lookupOrDefault(loop.getYieldedValues()[index]) : rotated.getResult(next++));
  scf::YieldOp::create(rewriter, loc, results);
  rewriter.replaceOp(loop, guard.getResults());
}

/// The first operation between `product` and `end`, in one block, that has products inside; else `end`.
static Operation *firstWithProducts(Operation *product, Operation *end) {
  for (Operation *op = product->getNextNode(); op != end; op = op->getNextNode())
    if (op->getNumRegions() && op->walk([](warp::MmaOp) { return WalkResult::interrupt(); }).wasInterrupted())
      return op;
  return end;
}

/// Waits for a product where it is first read by anything but a product that goes on accumulating, and before a loop
/// that has products of its own: it would be under way all through them, its registers in nobody's reach.
static void placeWait(warp::MmaOp mma) {
  Operation *first = nullptr;
  for (OpOperand &use : mma->getUses()) {
    if (isa<warp::WaitOp>(use.getOwner()))
      return;
    auto next = dyn_cast<warp::MmaOp>(use.getOwner());
    if (next && next.getAsync() && use.getOperandNumber() == 2 && next->getBlock() == mma->getBlock())
      continue;
    Operation *user = mma->getBlock()->findAncestorOpInBlock(*use.getOwner());
    if (!first || user->isBeforeInBlock(first))
      first = user;
  }
  if (!first)
    return;
  OpBuilder builder(firstWithProducts(mma, first));
  Value done = warp::WaitOp::create(builder, mma.getLoc(), mma.getResult());
  mma.getResult().replaceAllUsesExcept(done, done.getDefiningOp());
}

/// Whether something reads what a loop carries while a product is under way.
static bool isReadBesideProducts(BlockArgument carried) {
  Block &body = *carried.getOwner();
  return llvm::any_of(carried.getUsers(), [&](Operation *user) {
    if (isa<warp::MmaOp>(user) || user->getBlock() != &body)
      return false;
    int64_t pending = 0;
    for (Operation *op = &body.front(); op != user; op = op->getNextNode())
      pending += isa<warp::MmaOp>(op) - isa<warp::WaitOp>(op);
    return pending > 0;
  });
}

/// The assembler takes the registers of a carried accumulator for those of a product under way, unless what goes into
/// the loop has been waited for as well.
static void waitForInits(scf::ForOp loop) {
  for (auto [argument, init, yielded] :
       llvm::zip(loop.getRegionIterArgs(), loop.getInitsMutable(), loop.getYieldedValues())) {
    if (!yielded.getDefiningOp<warp::WaitOp>() || !isReadBesideProducts(argument))
      continue;
    OpBuilder builder(loop);
    init.set(warp::WaitOp::create(builder, loop.getLoc(), init.get()));
  }
}

namespace {
struct WarpOverlapProductsPass : heddle::impl::WarpOverlapProductsBase<WarpOverlapProductsPass> {
  using WarpOverlapProductsBase::WarpOverlapProductsBase;

  void runOnOperation() override {
    func::FuncOp kernel = getOperation();
    if (!kernel->hasAttr(warp::WarpDialect::kernelAttr))
      return;
    SmallVector<scf::ForOp> loops;
    kernel.walk([&](scf::ForOp loop) { loops.push_back(loop); });
    for (scf::ForOp loop : loops)
      if (std::optional<LoopParts> parts = LoopParts::split(loop); parts && rotate && !loop->hasAttr(tile::kSeldomAttr))
        parts->rotate(loop);
    SmallVector<warp::MmaOp> products;
    kernel.walk([&](warp::MmaOp mma) {
      if (mma.getAsync())
        products.push_back(mma);
    });
    for (warp::MmaOp mma : products)
      placeWait(mma);
    kernel.walk(waitForInits);
    if (failed(sinkMakers(kernel)))
      signalPassFailure();
  }
};
} // namespace
