//===- ExpandAtan.cpp - angles by a polynomial ------------------------------===//
//
// t = min(|x|, |y|) / max(|x|, |y|) is in [0, 1], where atan(t) / t is a polynomial in t^2 (fitted to an error of
// 2e-9). The other seven parts of the plane follow by reflection.
//
//===----------------------------------------------------------------------===//
#include "lib/Conversion/ExpandAtan.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using namespace heddle;

static constexpr double kAtan[] = {0.999999998,   -0.333332877, 0.199983744,   -0.142630488, 0.109477834,
                                   -0.0839397037, 0.0578352454, -0.0310850638, 0.0108767266, -0.001787254};
static constexpr double kPi = 3.14159265358979323846;

/// The angle of the point (x, y).
static Value angleOf(ImplicitLocOpBuilder &b, Value y, Value x) {
  Type type = x.getType();
  auto constant = [&](double value) -> Value {
    TypedAttr attr = b.getF32FloatAttr(static_cast<float>(value));
    if (auto shaped = dyn_cast<ShapedType>(type))
      attr = DenseElementsAttr::get(shaped, Attribute(attr));
    return arith::ConstantOp::create(b, attr);
  };
  auto isLess = [&](Value low, Value high) {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, low, high).getResult();
  };
  Value across = math::AbsFOp::create(b, x), up = math::AbsFOp::create(b, y);
  Value isSteep = isLess(across, up);
  Value low = arith::MinimumFOp::create(b, across, up), high = arith::MaximumFOp::create(b, across, up);
  high = arith::MaximumFOp::create(b, high, constant(1e-37)); // at the origin
  Value t = arith::DivFOp::create(b, low, high), square = arith::MulFOp::create(b, t, t);
  Value angle = constant(kAtan[std::size(kAtan) - 1]);
  for (double coefficient : llvm::reverse(ArrayRef(kAtan).drop_back()))
    angle = arith::AddFOp::create(b, arith::MulFOp::create(b, angle, square), constant(coefficient));
  angle = arith::MulFOp::create(b, angle, t);
  angle = arith::SelectOp::create(b, isSteep, arith::SubFOp::create(b, constant(kPi / 2), angle), angle);
  Value isBehind = isLess(math::CopySignOp::create(b, constant(1), x), constant(0)); // -0, too
  angle = arith::SelectOp::create(b, isBehind, arith::SubFOp::create(b, constant(kPi), angle), angle);
  return math::CopySignOp::create(b, angle, y);
}

namespace {
struct ExpandAtan2 : OpRewritePattern<math::Atan2Op> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::Atan2Op op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "not f32");
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    rewriter.replaceOp(op, angleOf(builder, op.getLhs(), op.getRhs()));
    return success();
  }
};

struct ExpandAtan : OpRewritePattern<math::AtanOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::AtanOp op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "not f32");
    TypedAttr one = rewriter.getF32FloatAttr(1);
    if (auto shaped = dyn_cast<ShapedType>(op.getType()))
      one = DenseElementsAttr::get(shaped, Attribute(one));
    Value x = arith::ConstantOp::create(rewriter, op.getLoc(), one);
    rewriter.replaceOpWithNewOp<math::Atan2Op>(op, op.getOperand(), x);
    return success();
  }
};
} // namespace

void heddle::populateAtanExpansion(RewritePatternSet &patterns, PatternBenefit benefit) {
  patterns.add<ExpandAtan2, ExpandAtan>(patterns.getContext(), benefit);
}
