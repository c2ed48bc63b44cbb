//===- WarpSkipRows.cpp - branch where no row of a warp changes -------------===//
//
//   %x = tile.reduce max %s                          %part = warp.fold max %s
//   %c = cmpf ogt, %x, %limit                        %some = warp.any (cmpf ogt, %part, broadcast %limit)
//   %m1 = select %c, (maxnumf %m, %x), %m            %m1, %f = scf.if %some {
//   %f = select %c, (exp2 (%m - %m1)), 1     becomes   %x = tile.reduce max %part  ..  yield %m1, %f
//   .. mulf %acc, broadcast %f                       } else { yield %m, 1 }
//                                                    .. scf.if %some { mulf %acc, broadcast %f } else { %acc }
//
// Test: test/Transforms/warp-skip-rows.mlir
//
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "dialects/Tile/UniformTile.h"
#include "dialects/Warp/WarpOps.h"
#include "heddle/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

namespace heddle {
#define GEN_PASS_DEF_WARPSKIPROWS
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

static bool isOne(Value tile) {
  std::optional<UniformTile> uniform = UniformTile::match(tile);
  return uniform && uniform->number && uniform->number->isExactlyValue(1.0);
}

/// A vector with an element for each row.
static bool isRowVector(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getDimSize(0) > 1 && type.getDimSize(1) == 1;
}

/// Products of accumulators with a factor of their rows.
static SmallVector<arith::MulFOp> productsWith(Value factor) {
  SmallVector<arith::MulFOp> products;
  for (Operation *user : factor.getUsers())
    if (auto repeat = dyn_cast<tile::BroadcastOp>(user))
      for (Operation *product : repeat->getUsers())
        if (auto mul = dyn_cast<arith::MulFOp>(product))
          products.push_back(mul);
  return products;
}

/// The choices by a condition in its block, in order.
static SmallVector<arith::SelectOp> choicesBy(arith::CmpFOp condition) {
  SmallVector<arith::SelectOp> choices;
  for (Operation *user : condition->getUsers())
    if (auto choice = dyn_cast<arith::SelectOp>(user); choice && choice->getBlock() == condition->getBlock())
      choices.push_back(choice);
  llvm::sort(choices, [](arith::SelectOp a, arith::SelectOp b) { return a->isBeforeInBlock(b); });
  return choices;
}

/// Whether one of them is a factor of whole accumulators that is 1 where nothing changes.
static bool pays(ArrayRef<arith::SelectOp> choices) {
  return llvm::any_of(choices, [](arith::SelectOp choice) {
    return isOne(choice.getFalseValue()) && !productsWith(choice.getResult()).empty();
  });
}

namespace {
struct WarpSkipRows : heddle::impl::WarpSkipRowsBase<WarpSkipRows> {
  void runOnOperation() override {
    SmallVector<arith::CmpFOp> conditions;
    getOperation().walk([&](arith::CmpFOp condition) {
      if (isRowVector(condition) && isa<scf::ForOp>(condition->getParentOp()) && pays(choicesBy(condition)))
        conditions.push_back(condition);
    });
    for (arith::CmpFOp condition : conditions)
      skip(condition);
  }

private:
  void skip(arith::CmpFOp condition);
  Value emitAny(IRRewriter &rewriter, arith::CmpFOp condition, IRMapping &parts);
};
} // namespace

/// The steps, last first, that make `value` of the maximum of a tile's rows by element-wise work that keeps the order,
/// each with the number of its operand that leads there; null if it is not so made.
static tile::ReduceOp findMaximum(Value value, SmallVectorImpl<OpOperand *> &steps) {
  Operation *definition = value.getDefiningOp();
  if (auto reduce = dyn_cast_or_null<tile::ReduceOp>(definition))
    return reduce.getKind() == tile::ReduceKind::Max && reduce.getDim() == 1 ? reduce : tile::ReduceOp();
  if (!isa_and_nonnull<arith::MulFOp, arith::AddFOp, arith::SubFOp>(definition))
    return {};
  std::optional<UniformTile> factor = UniformTile::match(definition->getOperand(1));
  bool isPositive = factor && factor->number && factor->number->convertToDouble() > 0;
  if (isa<arith::MulFOp>(definition) && !isPositive)
    return {};
  for (OpOperand &operand : definition->getOpOperands().take_front(isa<arith::AddFOp>(definition) ? 2 : 1)) {
    size_t count = steps.size();
    steps.push_back(&operand);
    if (tile::ReduceOp found = findMaximum(operand.get(), steps))
      return found;
    steps.truncate(count);
  }
  return {};
}

/// Whether `condition` holds anywhere in this warp, as an i1. If it compares what is made of a maximum, lanes ask for
/// what they hold of it, and `parts` maps the maximum's tile to that.
Value WarpSkipRows::emitAny(IRRewriter &rewriter, arith::CmpFOp condition, IRMapping &parts) {
  Location loc = condition.getLoc();
  SmallVector<OpOperand *> steps;
  tile::ReduceOp reduce = findMaximum(condition.getLhs(), steps);
  if (!reduce || condition.getPredicate() != arith::CmpFPredicate::OGT)
    return warp::AnyOp::create(rewriter, loc, condition);
  constexpr int64_t columns = 8; // that a fold leaves
  RankedTensorType source = reduce.getSource().getType();
  auto type = RankedTensorType::get({source.getDimSize(0), columns}, source.getElementType(), source.getEncoding());
  auto repeated = [&](Value vector) -> Value {
    if (std::optional<UniformTile> uniform = UniformTile::match(vector))
      return uniform->getTile(rewriter, loc, type);
    return tile::BroadcastOp::create(rewriter, loc, type, vector);
  };
  Value part = warp::FoldOp::create(rewriter, loc, type, tile::ReduceKind::Max, reduce.getSource());
  parts.map(reduce.getSource(), part);
  for (OpOperand *step : llvm::reverse(steps)) {
    SmallVector<Value> operands(2, part);
    unsigned other = 1 - step->getOperandNumber();
    operands[other] = repeated(step->getOwner()->getOperand(other));
    OperationState state(loc, step->getOwner()->getName(), operands, type, step->getOwner()->getAttrs());
    part = rewriter.create(state)->getResult(0);
  }
  return warp::AnyOp::create(
      rewriter, loc,
      arith::CmpFOp::create(rewriter, loc, arith::CmpFPredicate::OGT, part, repeated(condition.getRhs())));
}

void WarpSkipRows::skip(arith::CmpFOp condition) {
  Block *block = condition->getBlock();
  SmallVector<arith::SelectOp> choices = choicesBy(condition);
  Operation *first = choices.front();
  for (arith::SelectOp choice : choices)
    if (Operation *old = choice.getFalseValue().getDefiningOp();
        old && old->getBlock() == block && !old->isBeforeInBlock(first))
      return;

  // What the choices need of row vectors, in order.
  SetVector<Operation *> needed;
  SmallVector<Operation *> work(choices.begin(), choices.end());
  while (!work.empty()) {
    Operation *op = work.pop_back_val();
    if (!needed.insert(op))
      continue;
    for (Value operand : op->getOperands())
      if (Operation *definition = operand.getDefiningOp();
          definition && definition->getBlock() == block && isPure(definition) && isRowVector(operand))
        work.push_back(definition);
  }
  // All else that they read has to be there before the branch.
  for (Operation *op : needed)
    for (Value operand : op->getOperands())
      if (Operation *definition = operand.getDefiningOp(); definition && definition->getBlock() == block &&
                                                           !needed.contains(definition) &&
                                                           !definition->isBeforeInBlock(first))
        return;
  SmallVector<Operation *> slice(needed.begin(), needed.end());
  llvm::sort(slice, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });

  IRRewriter rewriter(condition.getContext());
  Location loc = condition.getLoc();
  rewriter.setInsertionPoint(first);
  IRMapping parts;
  Value some = emitAny(rewriter, condition, parts);
  SmallVector<Value> fresh, old;
  SmallVector<Type> types;
  for (arith::SelectOp choice : choices) {
    old.push_back(choice.getFalseValue());
    types.push_back(choice.getType());
  }
  auto branch = scf::IfOp::create(rewriter, loc, types, some, /*withElseRegion=*/true);
  rewriter.setInsertionPointToStart(branch.thenBlock());
  IRMapping mapping;
  for (Operation *op : slice) {
    Operation *copy = rewriter.clone(*op, mapping);
    // What a fold keeps is enough for the maximum of rows, and for nothing else.
    auto reduce = dyn_cast<tile::ReduceOp>(copy);
    if (reduce && reduce.getKind() == tile::ReduceKind::Max && reduce.getDim() == 1)
      reduce->setOperand(0, parts.lookupOrDefault(reduce.getSource()));
  }
  for (arith::SelectOp choice : choices)
    fresh.push_back(mapping.lookup(choice.getResult()));
  scf::YieldOp::create(rewriter, loc, fresh);
  rewriter.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(rewriter, loc, old);

  for (auto [choice, result] : llvm::zip_equal(choices, branch.getResults())) {
    rewriter.replaceAllUsesWith(choice.getResult(), result);
    if (!isOne(choice.getFalseValue()))
      continue;
    for (arith::MulFOp product : productsWith(result)) {
      auto repeated = product.getLhs().getDefiningOp<tile::BroadcastOp>();
      bool repeatsFirst = repeated && repeated.getSource() == result;
      Value kept = repeatsFirst ? product.getRhs() : product.getLhs();
      rewriter.setInsertionPoint(product);
      auto scale = scf::IfOp::create(rewriter, loc, TypeRange(product.getType()), some, /*withElseRegion=*/true);
      rewriter.setInsertionPointToStart(scale.thenBlock());
      Value scaled = rewriter.clone(*product)->getResult(0);
      scf::YieldOp::create(rewriter, loc, scaled);
      rewriter.setInsertionPointToStart(scale.elseBlock());
      scf::YieldOp::create(rewriter, loc, kept);
      rewriter.replaceOp(product, scale.getResults());
    }
  }
  for (Operation *op : llvm::reverse(slice))
    if (isOpTriviallyDead(op))
      rewriter.eraseOp(op);
}
