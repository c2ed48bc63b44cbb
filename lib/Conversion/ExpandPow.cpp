//===- ExpandPow.cpp - powers by exponentials -------------------------------===//
//
// x^y = 2^(y log2 |x|), negated where x is negative and y odd, and no number where x is below 0 and y not whole. Few
// constant exponents are products or roots.
//
//===----------------------------------------------------------------------===//
#include "lib/Conversion/ExpandPow.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace heddle;

namespace {
/// Arithmetic on f32, scalars or vectors like `x`.
struct PowBuilder {
  ImplicitLocOpBuilder b;
  Value x;

  Value constant(double value) {
    TypedAttr attr = b.getF32FloatAttr(static_cast<float>(value));
    if (auto shaped = dyn_cast<ShapedType>(x.getType()))
      attr = DenseElementsAttr::get(shaped, Attribute(attr));
    return arith::ConstantOp::create(b, attr);
  }
  Value compare(arith::CmpFPredicate predicate, Value left, Value right) {
    return arith::CmpFOp::create(b, predicate, left, right);
  }
  Value isWhole(Value y) { return compare(arith::CmpFPredicate::OEQ, math::FloorOp::create(b, y), y); }
  Value select(Value condition, Value yes, Value no) { return arith::SelectOp::create(b, condition, yes, no); }

  /// Null for other exponents.
  Value power(double exponent) {
    if (exponent == 0.5)
      return math::SqrtOp::create(b, x);
    if (exponent == -0.5)
      return math::RsqrtOp::create(b, x);
    if (exponent == 1)
      return x;
    if (exponent == -1)
      return arith::DivFOp::create(b, constant(1), x);
    if (exponent == 2 || exponent == 3) {
      Value square = arith::MulFOp::create(b, x, x);
      return exponent == 2 ? square : arith::MulFOp::create(b, square, x).getResult();
    }
    return {};
  }

  Value power(Value y) {
    Value logarithm = math::Log2Op::create(b, math::AbsFOp::create(b, x));
    Value size = math::Exp2Op::create(b, arith::MulFOp::create(b, y, logarithm));
    Value zero = constant(0), isEven = isWhole(arith::MulFOp::create(b, y, constant(0.5)));
    Value isNegative = compare(arith::CmpFPredicate::OLT, math::CopySignOp::create(b, constant(1), x), zero); // -0, too
    Value ofWhole = select(isNegative, select(isEven, size, arith::NegFOp::create(b, size)), size);
    Value isBelow = compare(arith::CmpFPredicate::OLT, x, zero);
    Value none = constant(std::numeric_limits<double>::quiet_NaN());
    Value result = select(isWhole(y), ofWhole, select(isBelow, none, size));
    return select(compare(arith::CmpFPredicate::OEQ, y, zero), constant(1), result);
  }
};

struct ExpandPowF : OpRewritePattern<math::PowFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::PowFOp op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "not f32");
    PowBuilder builder{ImplicitLocOpBuilder(op.getLoc(), rewriter), op.getLhs()};
    APFloat exponent(0.0f);
    Value result;
    if (matchPattern(op.getRhs(), m_ConstantFloat(&exponent)))
      result = builder.power(exponent.convertToDouble());
    rewriter.replaceOp(op, result ? result : builder.power(op.getRhs()));
    return success();
  }
};

struct ExpandFPowI : OpRewritePattern<math::FPowIOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::FPowIOp op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "not f32");
    Value exponent = arith::SIToFPOp::create(rewriter, op.getLoc(), op.getType(), op.getRhs());
    rewriter.replaceOpWithNewOp<math::PowFOp>(op, op.getLhs(), exponent);
    return success();
  }
};
} // namespace

void heddle::populatePowExpansion(RewritePatternSet &patterns, PatternBenefit benefit) {
  patterns.add<ExpandPowF, ExpandFPowI>(patterns.getContext(), benefit);
}
