//===- TileToBase2.cpp - exponentials and logarithms in base 2 --------------===//
//
// Machines have 2^x. Multiplying by log2(e) first would cost an operation per element;
// distributed over a difference it joins factors that are there already:
//
//   exp(x * scale - repeat(m))   becomes   exp2(fma(x, scale * log2e, repeat(-m * log2e)))
//
// where `m` is one number per row and `scale` one number. Quotients by constants and sums with a scaled tile join in,
// and products that only a sum reads may be contracted with it. Test: test/Transforms/tile-to-base-2.mlir
//
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "dialects/Tile/UniformTile.h"
#include "heddle/Transforms/Passes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace heddle {
#define GEN_PASS_DEF_TILETOBASE2
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

static constexpr double kLog2E = 1.44269504088896340736, kLn2 = 0.69314718055994530942;

static Value constantTile(PatternRewriter &rewriter, Location loc, RankedTensorType type, double value) {
  Type element = type.getElementType();
  return arith::ConstantOp::create(rewriter, loc, DenseElementsAttr::get(type, rewriter.getFloatAttr(element, value)));
}

namespace {

struct ExpToExp2 : OpRewritePattern<math::ExpOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::ExpOp op, PatternRewriter &rewriter) const override {
    auto type = dyn_cast<RankedTensorType>(op.getType());
    if (!type || !type.getElementType().isF32())
      return rewriter.notifyMatchFailure(op, "not an f32 tile");
    Value factor = constantTile(rewriter, op.getLoc(), type, kLog2E);
    Value scaled = arith::MulFOp::create(rewriter, op.getLoc(), op.getOperand(), factor);
    rewriter.replaceOpWithNewOp<math::Exp2Op>(op, scaled);
    return success();
  }
};

struct LogToLog2 : OpRewritePattern<math::LogOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::LogOp op, PatternRewriter &rewriter) const override {
    auto type = dyn_cast<RankedTensorType>(op.getType());
    if (!type || !type.getElementType().isF32())
      return rewriter.notifyMatchFailure(op, "not an f32 tile");
    Value log = math::Log2Op::create(rewriter, op.getLoc(), op.getOperand());
    rewriter.replaceOpWithNewOp<arith::MulFOp>(op, log, constantTile(rewriter, op.getLoc(), type, kLn2));
    return success();
  }
};

/// (a - repeat(m)) * u becomes fma(a, u, repeat(-(m * u))): the product with m is per row, not per element.
struct DistributeOverDifference : OpRewritePattern<arith::MulFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::MulFOp op, PatternRewriter &rewriter) const override {
    auto difference = op.getLhs().getDefiningOp<arith::SubFOp>();
    std::optional<UniformTile> factor = UniformTile::match(op.getRhs());
    if (!difference || !factor)
      return rewriter.notifyMatchFailure(op, "not a difference times one number");
    auto repeated = difference.getRhs().getDefiningOp<tile::BroadcastOp>();
    if (!repeated)
      return rewriter.notifyMatchFailure(op, "does not subtract a repeated vector");
    Location loc = op.getLoc();
    RankedTensorType vector = repeated.getSource().getType();
    Value product = arith::MulFOp::create(rewriter, loc, repeated.getSource(), factor->getTile(rewriter, loc, vector));
    Value negative = arith::NegFOp::create(rewriter, loc, product);
    Value addend = tile::BroadcastOp::create(rewriter, loc, op.getType(), negative);
    rewriter.replaceOpWithNewOp<math::FmaOp>(op, difference.getLhs(), op.getRhs(), addend);
    return success();
  }
};

/// fma(x * u, v, c) becomes fma(x, u * v, c), the product of two numbers.
struct MergeFactors : OpRewritePattern<math::FmaOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::FmaOp op, PatternRewriter &rewriter) const override {
    auto product = op.getA().getDefiningOp<arith::MulFOp>();
    std::optional<UniformTile> outer = UniformTile::match(op.getB());
    std::optional<UniformTile> inner = product ? UniformTile::match(product.getRhs()) : std::nullopt;
    auto type = dyn_cast<RankedTensorType>(op.getType());
    if (!outer || !inner || !type)
      return rewriter.notifyMatchFailure(op, "does not scale a scaled tile by one number");
    Type element = type.getElementType();
    Value merged = arith::MulFOp::create(rewriter, op.getLoc(), inner->getScalar(rewriter, op.getLoc(), element),
                                         outer->getScalar(rewriter, op.getLoc(), element));
    Value factor = tensor::SplatOp::create(rewriter, op.getLoc(), type, merged);
    rewriter.replaceOpWithNewOp<math::FmaOp>(op, product.getLhs(), factor, op.getC());
    return success();
  }
};

/// (x * u) * v and -(x * u) are one product with a number.
struct MergeProducts : OpRewritePattern<arith::MulFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::MulFOp op, PatternRewriter &rewriter) const override {
    std::optional<UniformTile> outer = UniformTile::match(op.getRhs());
    auto type = dyn_cast<RankedTensorType>(op.getType());
    if (!outer || !outer->number || !type)
      return rewriter.notifyMatchFailure(op, "not a tile times a constant");
    if (auto negated = op.getLhs().getDefiningOp<arith::NegFOp>()) {
      UniformTile opposite{{}, neg(*outer->number)};
      rewriter.replaceOpWithNewOp<arith::MulFOp>(op, negated.getOperand(),
                                                 opposite.getTile(rewriter, op.getLoc(), type));
      return success();
    }
    auto product = op.getLhs().getDefiningOp<arith::MulFOp>();
    std::optional<UniformTile> inner = product ? UniformTile::match(product.getRhs()) : std::nullopt;
    if (!inner || !inner->number)
      return rewriter.notifyMatchFailure(op, "does not scale a scaled tile");
    UniformTile merged{{}, *inner->number * *outer->number};
    rewriter.replaceOpWithNewOp<arith::MulFOp>(op, product.getLhs(), merged.getTile(rewriter, op.getLoc(), type));
    return success();
  }
};

/// x / u is a product, which meets others.
struct QuotientToProduct : OpRewritePattern<arith::DivFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::DivFOp op, PatternRewriter &rewriter) const override {
    auto type = dyn_cast<RankedTensorType>(op.getType());
    std::optional<UniformTile> divisor = UniformTile::match(op.getRhs());
    if (!type || !type.getElementType().isF32() || !divisor || !divisor->number || !divisor->number->isFiniteNonZero())
      return rewriter.notifyMatchFailure(op, "not a tile over a constant");
    Value factor = constantTile(rewriter, op.getLoc(), type, 1 / divisor->number->convertToDouble());
    rewriter.replaceOpWithNewOp<arith::MulFOp>(op, op.getLhs(), factor);
    return success();
  }
};

/// x * u + y is one operation.
struct ContractSum : OpRewritePattern<arith::AddFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::AddFOp op, PatternRewriter &rewriter) const override {
    if (!isa<RankedTensorType>(op.getType()))
      return rewriter.notifyMatchFailure(op, "not a tile");
    for (auto [sum, other] : {std::pair(op.getLhs(), op.getRhs()), {op.getRhs(), op.getLhs()}}) {
      auto product = sum.getDefiningOp<arith::MulFOp>();
      if (!product || !product->hasOneUse() || !UniformTile::match(product.getRhs()))
        continue;
      rewriter.replaceOpWithNewOp<math::FmaOp>(op, product.getLhs(), product.getRhs(), other);
      return success();
    }
    return rewriter.notifyMatchFailure(op, "does not add to a scaled tile");
  }
};

/// A reduction adds its elements up one by one: each is a fused multiply-add if it is a product that nothing else
/// reads.
struct ContractReduction : OpRewritePattern<tile::ReduceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tile::ReduceOp op, PatternRewriter &rewriter) const override {
    auto product = op.getSource().getDefiningOp<arith::MulFOp>();
    if (op.getKind() != tile::ReduceKind::Sum || !product || !product->hasOneUse() ||
        bitEnumContainsAll(product.getFastmath(), arith::FastMathFlags::contract))
      return rewriter.notifyMatchFailure(op, "not the sum of a product of its own");
    rewriter.modifyOpInPlace(product,
                             [&] { product.setFastmath(product.getFastmath() | arith::FastMathFlags::contract); });
    return success();
  }
};

struct TileToBase2 : heddle::impl::TileToBase2Base<TileToBase2> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<ExpToExp2, LogToLog2, DistributeOverDifference, MergeFactors, MergeProducts, QuotientToProduct,
                 ContractSum, ContractReduction>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
