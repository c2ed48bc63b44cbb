//===- TileSplitPositions.cpp - what depends on rows apart from columns -----===//
//
// A score that adds a multiple of a distance, a * (j - i), has a part for each column and
// a part for each row; only the first needs work for each element:
//
//   %d = sitofp (repeat(%j) - repeat(%i))      %c = %a * sitofp %j'     (a row vector of columns)
//   %y = %x + %a * %d   (fma or not)           %t = %x + repeat(%c)
//                                              %y = %t - repeat(%a * sitofp %i')
//
// The part for each row then moves behind masks and maxima, like a scale, until it meets
// the row vector that is subtracted anyway.
// Test: test/Transforms/tile-split-positions.mlir
//
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "dialects/Tile/UniformTile.h"
#include "heddle/Transforms/Passes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace heddle {
#define GEN_PASS_DEF_TILESPLITPOSITIONS
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

/// The vector that a tile repeats along `dim`.
static Value repeatedAlong(Value tile, int64_t dim) {
  auto broadcast = tile.getDefiningOp<tile::BroadcastOp>();
  if (!broadcast || broadcast.getSource().getType().getDimSize(dim) != 1 ||
      broadcast.getSource().getType().getDimSize(1 - dim) == 1)
    return {};
  return broadcast.getSource();
}

namespace {
/// `tile` as another one minus a vector of rows.
struct RowDifference {
  Value tile, rows;

  static std::optional<RowDifference> match(Value value) {
    auto difference = value.getDefiningOp<arith::SubFOp>();
    Value rows = difference ? repeatedAlong(difference.getRhs(), 1) : Value();
    return rows ? std::optional(RowDifference{difference.getLhs(), rows}) : std::nullopt;
  }
};

Value subtractRows(OpBuilder &builder, Location loc, Value tile, Value rows) {
  Value repeated = tile::BroadcastOp::create(builder, loc, tile.getType(), rows);
  return arith::SubFOp::create(builder, loc, tile, repeated);
}

/// sitofp(repeat(j) - repeat(i)) of positions: positions relative to the block's first row are exact below 2^24.
struct SplitDistance : OpRewritePattern<arith::SIToFPOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::SIToFPOp op, PatternRewriter &rewriter) const override {
    auto type = dyn_cast<RankedTensorType>(op.getType());
    auto difference = op.getIn().getDefiningOp<arith::SubIOp>();
    if (!type || !type.getElementType().isF32() || !difference)
      return rewriter.notifyMatchFailure(op, "not a difference of tiles");
    Value columns = repeatedAlong(difference.getLhs(), 0), rows = repeatedAlong(difference.getRhs(), 1);
    auto j = columns ? columns.getDefiningOp<tile::IotaOp>() : tile::IotaOp();
    auto i = rows ? rows.getDefiningOp<tile::IotaOp>() : tile::IotaOp();
    if (!i || !j)
      return rewriter.notifyMatchFailure(op, "not columns minus rows");
    Location loc = op.getLoc();
    Value offset = arith::SubIOp::create(rewriter, loc, j.getOffset(), i.getOffset());
    Value zero = arith::ConstantIndexOp::create(rewriter, loc, 0);
    auto asReal = [&](tile::IotaOp iota, Value start) -> Value {
      Value moved = tile::IotaOp::create(rewriter, loc, iota.getType(), iota.getDim(), start);
      auto real = cast<RankedTensorType>(iota.getType()).clone(type.getElementType());
      return arith::SIToFPOp::create(rewriter, loc, real, moved);
    };
    Value repeated = tile::BroadcastOp::create(rewriter, loc, type, asReal(j, offset));
    rewriter.replaceOp(op, subtractRows(rewriter, loc, repeated, asReal(i, zero)));
    return success();
  }
};

/// x + a * (repeat(c) - repeat(r)), a uniform: (x + repeat(a c)) - repeat(a r). Replaces `op`, which computes it.
LogicalResult splitMultiple(PatternRewriter &rewriter, Operation *op, Value a, Value b, Value x) {
  for (auto [factor, other] : {std::pair(a, b), std::pair(b, a)}) {
    std::optional<UniformTile> uniform = UniformTile::match(factor);
    std::optional<RowDifference> distance = RowDifference::match(other);
    Value columns = distance ? repeatedAlong(distance->tile, 0) : Value();
    if (!uniform || !columns)
      continue;
    Location loc = op->getLoc();
    auto scale = [&](Value vector) -> Value {
      Value repeated = uniform->getTile(rewriter, loc, cast<RankedTensorType>(vector.getType()));
      return arith::MulFOp::create(rewriter, loc, vector, repeated);
    };
    Value bias = tile::BroadcastOp::create(rewriter, loc, cast<RankedTensorType>(x.getType()), scale(columns)), sum;
    // A scaled score takes the bias in the same instruction.
    auto scaled = x.getDefiningOp<arith::MulFOp>();
    if (scaled && scaled->hasOneUse())
      sum = math::FmaOp::create(rewriter, loc, scaled.getLhs(), scaled.getRhs(), bias);
    else
      sum = arith::AddFOp::create(rewriter, loc, x, bias);
    rewriter.replaceOp(op, subtractRows(rewriter, loc, sum, scale(distance->rows)));
    return success();
  }
  return rewriter.notifyMatchFailure(op, "not a multiple of columns minus rows");
}

struct SplitFusedMultiple : OpRewritePattern<math::FmaOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::FmaOp op, PatternRewriter &rewriter) const override {
    return splitMultiple(rewriter, op, op.getA(), op.getB(), op.getC());
  }
};

struct SplitAddedMultiple : OpRewritePattern<arith::AddFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::AddFOp op, PatternRewriter &rewriter) const override {
    for (auto [multiple, other] : {std::pair(op.getLhs(), op.getRhs()), std::pair(op.getRhs(), op.getLhs())})
      if (auto product = multiple.getDefiningOp<arith::MulFOp>())
        if (succeeded(splitMultiple(rewriter, op, product.getLhs(), product.getRhs(), other)))
          return success();
    return rewriter.notifyMatchFailure(op, "adds no multiple of columns minus rows");
  }
};

struct SinkBelowSelect : OpRewritePattern<arith::SelectOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::SelectOp op, PatternRewriter &rewriter) const override {
    std::optional<RowDifference> difference = RowDifference::match(op.getTrueValue());
    std::optional<UniformTile> other = UniformTile::match(op.getFalseValue());
    if (!difference || !other || !other->number || !other->number->isInfinity())
      return rewriter.notifyMatchFailure(op, "not a difference or an infinity");
    Value chosen =
        arith::SelectOp::create(rewriter, op.getLoc(), op.getCondition(), difference->tile, op.getFalseValue());
    rewriter.replaceOp(op, subtractRows(rewriter, op.getLoc(), chosen, difference->rows));
    return success();
  }
};

struct SinkBelowReduce : OpRewritePattern<tile::ReduceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tile::ReduceOp op, PatternRewriter &rewriter) const override {
    std::optional<RowDifference> difference = RowDifference::match(op.getSource());
    if (!difference || op.getKind() == tile::ReduceKind::Sum || op.getDim() != 1)
      return rewriter.notifyMatchFailure(op, "not an extremum of a difference");
    Value reduced =
        tile::ReduceOp::create(rewriter, op.getLoc(), op.getType(), op.getKind(), difference->tile, op.getDim());
    rewriter.replaceOpWithNewOp<arith::SubFOp>(op, reduced, difference->rows);
    return success();
  }
};

struct SinkBelowBranch : OpRewritePattern<scf::IfOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(scf::IfOp op, PatternRewriter &rewriter) const override {
    bool changed = false;
    for (auto [index, result] : llvm::enumerate(op.getResults())) {
      auto left = RowDifference::match(op.thenYield().getOperand(index));
      auto right = RowDifference::match(op.elseYield().getOperand(index));
      if (!left || !right || left->rows != right->rows || op->isAncestor(left->rows.getParentRegion()->getParentOp()))
        continue;
      rewriter.modifyOpInPlace(op.thenYield(), [&] { op.thenYield()->setOperand(index, left->tile); });
      rewriter.modifyOpInPlace(op.elseYield(), [&] { op.elseYield()->setOperand(index, right->tile); });
      rewriter.setInsertionPointAfter(op);
      Value repeated = tile::BroadcastOp::create(rewriter, op.getLoc(), result.getType(), left->rows);
      auto difference = arith::SubFOp::create(rewriter, op.getLoc(), result, repeated);
      rewriter.replaceAllUsesExcept(result, difference, difference);
      changed = true;
    }
    return success(changed);
  }
};

/// (t - repeat(r)) - repeat(m) = t - repeat(r + m).
struct MergeDifferences : OpRewritePattern<arith::SubFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::SubFOp op, PatternRewriter &rewriter) const override {
    std::optional<RowDifference> outer = RowDifference::match(op.getResult());
    std::optional<RowDifference> inner = outer ? RowDifference::match(outer->tile) : std::nullopt;
    if (!inner)
      return rewriter.notifyMatchFailure(op, "subtracts one vector at most");
    Value rows = arith::AddFOp::create(rewriter, op.getLoc(), inner->rows, outer->rows);
    rewriter.replaceOp(op, subtractRows(rewriter, op.getLoc(), inner->tile, rows));
    return success();
  }
};

struct TileSplitPositions : heddle::impl::TileSplitPositionsBase<TileSplitPositions> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SplitDistance, SplitFusedMultiple, SplitAddedMultiple, SinkBelowSelect, SinkBelowReduce,
                 SinkBelowBranch, MergeDifferences>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
