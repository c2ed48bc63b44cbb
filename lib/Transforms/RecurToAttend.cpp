//===- RecurToAttend.cpp - recurrences as masked products of pairs -----------===//
//
//   %o = attn.recur query(%q) key(%k) value(%v) gate(%g)
//
// is, where every row reads the state of its own token and there is one number for each head,
//
//   %o = attn.attend dot(%q, %k) value(%v) score(..) { s * exp(g[h] * (i - j)) } mask(..) { j <= i }
//
// Test: test/Transforms/recur-to-attend.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/Attn/Alternatives.h"
#include "dialects/Attn/AttnOps.h"
#include "dialects/Attn/SequenceLengths.h"
#include "dialects/Tile/TileDialect.h"
#include "heddle/Analysis/RecurPairs.h"
#include "heddle/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace heddle {
#define GEN_PASS_DEF_RECURTOATTEND
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

/// Whether rows are sums over the tokens up to their own, weighted by how far these are and by nothing else.
static bool isOfPairs(attn::RecurOp op) {
  SmallVector<Value> operands = op.getTokenOperands();
  operands.push_back(op.getQuery());
  return !op.hasAt() && !op.getSegments() && !op.getInitial() && !op.getFinal() && !op.getMass() &&
         (!op.getGate() || op.getGate().getType().getRank() == 1) && attn::findSequenceLengths(operands).empty();
}

/// The only operation of the function that sums over positions, or null.
static attn::RecurOp findOnly(func::FuncOp function) {
  attn::RecurOp only;
  unsigned count = 0;
  function.walk([&](Operation *op) {
    count += isa<attn::AttendOp, attn::RecurOp>(op);
    if (auto recur = dyn_cast<attn::RecurOp>(op))
      only = recur;
  });
  return count == 1 ? only : attn::RecurOp();
}

static RecurWork describe(attn::RecurOp op) {
  auto isPlain = [](Value tensor) { return isa<BlockArgument>(tensor) || tensor.getDefiningOp<attn::ViewOp>(); };
  RecurWork work{op.getKeyWidth(), op.getValueWidth()};
  work.elementBytes = op.getKey().getType().getElementTypeBitWidth() / 8;
  work.isInOrder = !op.hasAt() && !op.getSegments();
  work.hasPlainQueries = isPlain(op.getQuery());
  work.hasPlainKeys = isPlain(op.getKey());
  work.hasPlainValues = isPlain(op.getValue());
  work.hasGate = static_cast<bool>(op.getGate());
  return work;
}

/// s * exp(gate[h] * (i - j)). A gate whose exponential is 0 is a finite number, for the token itself.
static void buildScore(ImplicitLocOpBuilder &b, Region &region, Value gate) {
  Type f32 = b.getF32Type(), index = b.getIndexType();
  SmallVector<Type> types{f32, index, index, index, index};
  OpBuilder::InsertionGuard guard(b);
  Block *block = b.createBlock(&region, region.end(), types, SmallVector<Location>(types.size(), b.getLoc()));
  Value score = block->getArgument(0), head = block->getArgument(2);
  if (gate) {
    Value number = tensor::ExtractOp::create(b, gate, head);
    if (!number.getType().isF32())
      number = arith::ExtFOp::create(b, f32, number);
    number = arith::MaximumFOp::create(b, number, arith::ConstantOp::create(b, b.getF32FloatAttr(-1e4f)));
    Value apart = arith::SubIOp::create(b, block->getArgument(3), block->getArgument(4));
    apart = arith::IndexCastOp::create(b, b.getI32Type(), apart);
    Value power = arith::MulFOp::create(b, number, arith::SIToFPOp::create(b, f32, apart));
    score = arith::MulFOp::create(b, score, math::ExpOp::create(b, power));
  }
  attn::YieldOp::create(b, score);
}

static void buildMask(ImplicitLocOpBuilder &b, Region &region) {
  SmallVector<Type> types(4, b.getIndexType());
  OpBuilder::InsertionGuard guard(b);
  Block *block = b.createBlock(&region, region.end(), types, SmallVector<Location>(types.size(), b.getLoc()));
  Value isSeen = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, block->getArgument(3), block->getArgument(2));
  attn::YieldOp::create(b, isSeen);
}

static void replace(attn::RecurOp op) {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  Value dots[] = {op.getQuery(), op.getKey()}, value = op.getValue();
  auto attend = attn::AttendOp::create(b, op.getResultTypes(), {ValueRange(dots)}, ValueRange(), {ValueRange(value)},
                                       ValueRange(), ValueRange(), ValueRange(), FlatSymbolRefAttr(),
                                       b.getStrArrayAttr({}), FloatAttr(), /*bodiesCount=*/0);
  buildScore(b, attend.getScore(), op.getGate());
  buildMask(b, attend.getMask());
  op.replaceAllUsesWith(attend);
  op.erase();
}

namespace {
struct RecurToAttend : heddle::impl::RecurToAttendBase<RecurToAttend> {
  using Base::Base;

  /// A copy of the function in pairs, and for which sizes it stands for it.
  void addAlternative(func::FuncOp function, attn::RecurOp op, const RecurPairs &pairs) {
    int64_t tokens = op.getKey().getType().getDimSize(2);
    if (!ShapedType::isDynamic(tokens) && (tokens < pairs.fewestTokens || tokens > pairs.mostTokens))
      return;
    func::FuncOp other = function.clone();
    other.setName((function.getSymName() + "_pairs").str());
    other.setPrivate();
    function->getBlock()->getOperations().insertAfter(function->getIterator(), other);
    replace(findOnly(other));
    Builder b(&getContext());
    other->setAttr(attn::kInsteadOfAttr, FlatSymbolRefAttr::get(function.getSymNameAttr()));
    other->setAttr(attn::kTokensAttr, b.getI64ArrayAttr({pairs.fewestTokens, pairs.mostTokens}));
    other->setAttr(attn::kShareAttr, b.getI64IntegerAttr(pairs.share));
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (form != "auto" && form != "chunks" && form != "pairs") {
      module.emitError("expected form to be auto, chunks or pairs, got ") << form;
      return signalPassFailure();
    }
    auto target = module->getAttrOfType<tile::TargetAttr>(tile::kTargetAttr);
    SmallVector<func::FuncOp> functions(module.getOps<func::FuncOp>());
    for (func::FuncOp function : functions) {
      attn::RecurOp op = form == "chunks" ? attn::RecurOp() : findOnly(function);
      if (!op || !isOfPairs(op))
        continue;
      if (form == "pairs")
        replace(op);
      else if (std::optional<RecurPairs> pairs = chooseRecurPairs(target, describe(op)))
        addAlternative(function, op, *pairs);
    }
  }
};
} // namespace
