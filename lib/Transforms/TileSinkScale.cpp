//===- TileSinkScale.cpp - move a positive factor behind masks and maxima ---===//
//
// A positive factor commutes with a maximum and with a choice between a value and an
// infinity, so it can wait until it meets another factor (TileToBase2) or a row vector:
//
//   %x = mulf %s, splat(u)                          %y = scf.if .. { select %vis, %s, -inf } else { %s }
//   %y = scf.if .. { select %vis, %x, -inf }        %m = mulf (reduce max %y), splat(u)
//        else { %x }                       becomes  %z = mulf %y, splat(u)
//   %m = reduce max %y
//
// Test: test/Transforms/tile-sink-scale.mlir
//
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "dialects/Tile/UniformTile.h"
#include "heddle/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace heddle {
#define GEN_PASS_DEF_TILESINKSCALE
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

/// `tile` as a tile times a number known to be positive and finite.
static std::optional<std::pair<Value, UniformTile>> matchPositiveScale(Value tile) {
  auto product = tile.getDefiningOp<arith::MulFOp>();
  if (!product)
    return std::nullopt;
  std::optional<UniformTile> factor = UniformTile::match(product.getRhs());
  if (!factor)
    return std::nullopt;
  std::optional<APFloat> number = factor->number;
  APFloat constant(0.0f);
  if (!number && matchPattern(factor->scalar, m_ConstantFloat(&constant)))
    number = constant;
  if (!number || number->isNegative() || !number->isFiniteNonZero())
    return std::nullopt;
  return std::pair(product.getLhs(), *factor);
}

namespace {

struct SinkBelowSelect : OpRewritePattern<arith::SelectOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::SelectOp op, PatternRewriter &rewriter) const override {
    auto scaled = matchPositiveScale(op.getTrueValue());
    std::optional<UniformTile> other = UniformTile::match(op.getFalseValue());
    if (!scaled || !other || !other->number || !other->number->isInfinity())
      return rewriter.notifyMatchFailure(op, "not a scaled tile or an infinity");
    Value chosen = arith::SelectOp::create(rewriter, op.getLoc(), op.getCondition(), scaled->first, op.getFalseValue());
    Value factor = scaled->second.getTile(rewriter, op.getLoc(), cast<RankedTensorType>(op.getType()));
    rewriter.replaceOpWithNewOp<arith::MulFOp>(op, chosen, factor);
    return success();
  }
};

struct SinkBelowReduce : OpRewritePattern<tile::ReduceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tile::ReduceOp op, PatternRewriter &rewriter) const override {
    auto scaled = matchPositiveScale(op.getSource());
    if (!scaled || op.getKind() == tile::ReduceKind::Sum)
      return rewriter.notifyMatchFailure(op, "not an extremum of a scaled tile");
    Value reduced =
        tile::ReduceOp::create(rewriter, op.getLoc(), op.getType(), op.getKind(), scaled->first, op.getDim());
    rewriter.replaceOpWithNewOp<arith::MulFOp>(op, reduced,
                                               scaled->second.getTile(rewriter, op.getLoc(), op.getType()));
    return success();
  }
};

struct SinkBelowBound : OpRewritePattern<arith::MaximumFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::MaximumFOp op, PatternRewriter &rewriter) const override {
    auto scaled = matchPositiveScale(op.getLhs());
    std::optional<UniformTile> bound = UniformTile::match(op.getRhs());
    auto type = dyn_cast<RankedTensorType>(op.getType());
    APFloat scale(0.0f);
    bool isKnown = scaled && (scaled->second.number || matchPattern(scaled->second.scalar, m_ConstantFloat(&scale)));
    if (!isKnown || !bound || !bound->number || !type)
      return rewriter.notifyMatchFailure(op, "not a scaled tile and a number");
    UniformTile quotient{{}, *bound->number / scaled->second.number.value_or(scale)};
    Value raised =
        arith::MaximumFOp::create(rewriter, op.getLoc(), scaled->first, quotient.getTile(rewriter, op.getLoc(), type));
    rewriter.replaceOpWithNewOp<arith::MulFOp>(op, raised, scaled->second.getTile(rewriter, op.getLoc(), type));
    return success();
  }
};

/// A branch whose two sides yield tiles scaled alike yields the tiles.
struct SinkBelowBranch : OpRewritePattern<scf::IfOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(scf::IfOp op, PatternRewriter &rewriter) const override {
    if (op.getNumResults() == 0)
      return rewriter.notifyMatchFailure(op, "yields nothing");
    bool changed = false;
    for (auto [index, result] : llvm::enumerate(op.getResults())) {
      auto left = matchPositiveScale(op.thenYield().getOperand(index));
      auto right = matchPositiveScale(op.elseYield().getOperand(index));
      if (!left || !right || !left->second.isSame(right->second))
        continue;
      if (Value scalar = left->second.scalar; scalar && op->isAncestor(scalar.getParentRegion()->getParentOp()))
        continue;
      rewriter.modifyOpInPlace(op.thenYield(), [&] { op.thenYield()->setOperand(index, left->first); });
      rewriter.modifyOpInPlace(op.elseYield(), [&] { op.elseYield()->setOperand(index, right->first); });
      rewriter.setInsertionPointAfter(op);
      Value factor = left->second.getTile(rewriter, op.getLoc(), cast<RankedTensorType>(result.getType()));
      auto product = arith::MulFOp::create(rewriter, op.getLoc(), result, factor);
      rewriter.replaceAllUsesExcept(result, product, product);
      changed = true;
    }
    return success(changed);
  }
};

struct TileSinkScale : heddle::impl::TileSinkScaleBase<TileSinkScale> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SinkBelowSelect, SinkBelowReduce, SinkBelowBound, SinkBelowBranch>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
