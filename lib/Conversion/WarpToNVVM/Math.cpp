//===- Math.cpp - scalar math by the machine's instructions -----------------===//
//
// ex2.approx and lg2.approx have an error of 2 ulp and 2^-22; what is built on
// them keeps an absolute error near that. Types narrower than f32 go through f32.
//
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "lib/Conversion/ExpandAtan.h"
#include "lib/Conversion/ExpandPow.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace heddle;

namespace {
/// Builds f32 expressions.
struct Scalar {
  ImplicitLocOpBuilder builder;

  Scalar(Location loc, OpBuilder &rewriter) : builder(loc, rewriter) {}
  Value constant(double value) const {
    return arith::ConstantOp::create(b(), b().getF32FloatAttr(static_cast<float>(value)));
  }
  Value add(Value x, Value y) const { return arith::AddFOp::create(b(), x, y); }
  Value sub(Value x, Value y) const { return arith::SubFOp::create(b(), x, y); }
  Value mul(Value x, Value y) const { return arith::MulFOp::create(b(), x, y); }
  Value fma(Value x, Value y, Value z) const { return LLVM::FMAOp::create(b(), x, y, z); }
  Value div(Value x, Value y) const { return call("llvm.nvvm.div.full", {x, y}); }
  Value call(StringRef name, ValueRange arguments) const {
    return LLVM::CallIntrinsicOp::create(b(), b().getF32Type(), b().getStringAttr(name), arguments).getResult(0);
  }
  Value abs(Value x) const { return math::AbsFOp::create(b(), x); }
  Value exp2(Value x) const { return call("llvm.nvvm.ex2.approx.ftz.f", x); }
  Value log2(Value x) const { return call("llvm.nvvm.lg2.approx.ftz.f", x); }
  Value select(arith::CmpFPredicate predicate, Value x, Value y, Value yes, Value no) const {
    return arith::SelectOp::create(b(), arith::CmpFOp::create(b(), predicate, x, y), yes, no);
  }

  ImplicitLocOpBuilder &b() const { return const_cast<ImplicitLocOpBuilder &>(builder); }
};

constexpr double log2e = 1.4426950408889634, ln2 = 0.6931471805599453;

Value expandExp2(const Scalar &s, ValueRange x) { return s.exp2(x[0]); }
/// The product's rounding costs |x| / 2 ulp, at most 1e-5 where the result is finite.
Value expandExp(const Scalar &s, ValueRange x) { return s.exp2(s.mul(x[0], s.constant(log2e))); }
Value expandExpM1(const Scalar &s, ValueRange x) {
  // Near 0 the difference cancels; a short series does not.
  Value series = s.constant(1.0 / 720);
  for (double term : {1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0})
    series = s.fma(series, x[0], s.constant(term));
  Value plain = s.sub(expandExp(s, x), s.constant(1));
  return s.select(arith::CmpFPredicate::OLT, s.mul(x[0], x[0]), s.constant(0.0625), s.mul(series, x[0]), plain);
}
Value expandLog2(const Scalar &s, ValueRange x) { return s.log2(x[0]); }
Value expandLog(const Scalar &s, ValueRange x) { return s.mul(s.log2(x[0]), s.constant(ln2)); }
/// log(u) x / (u - 1) with u = 1 + x cancels the rounding of u.
Value expandLog1p(const Scalar &s, ValueRange x) {
  Value u = s.add(x[0], s.constant(1)), less = s.sub(u, s.constant(1));
  Value scaled = s.mul(expandLog(s, u), s.div(x[0], less));
  return s.select(arith::CmpFPredicate::OEQ, less, s.constant(0), x[0],
                  s.select(arith::CmpFPredicate::OEQ, s.sub(u, u), s.constant(0), scaled, expandLog(s, u)));
}
/// expm1(2x) / (expm1(2x) + 2): no cancellation near 0, and 1 where expm1 overflows.
Value expandTanh(const Scalar &s, ValueRange x) {
  Value bounded = arith::MinimumFOp::create(s.b(), x[0], s.constant(20));
  Value e = expandExpM1(s, s.mul(bounded, s.constant(2)));
  return s.div(e, s.add(e, s.constant(2)));
}
/// One instruction, with a relative error of 2^-11. (No intrinsic stands for it.)
Value approximateTanh(const Scalar &s, ValueRange x) {
  return LLVM::InlineAsmOp::create(s.b(), s.b().getF32Type(), x[0], "tanh.approx.f32 $0, $1;", "=f,f",
                                   /*has_side_effects=*/false, /*is_align_stack=*/false, LLVM::TailCallKind::None,
                                   LLVM::AsmDialectAttr(), ArrayAttr())
      .getResult(0);
}
Value expandRsqrt(const Scalar &s, ValueRange x) { return s.call("llvm.nvvm.rsqrt.approx.f", x); }
Value expandSqrt(const Scalar &s, ValueRange x) { return s.call("llvm.nvvm.sqrt.rn.f", x); }

/// x - 2 pi round(x / 2 pi), with 2 pi in three parts.
Value reduceAngle(const Scalar &s, Value x) {
  Value turns = s.call("llvm.nvvm.round.f", s.mul(x, s.constant(0.15915494309189535)));
  Value rest = s.fma(turns, s.constant(-6.28125), x);
  rest = s.fma(turns, s.constant(-1.935307169333100e-3), rest);
  return s.fma(turns, s.constant(-1.0253127e-11), rest);
}
Value expandSin(const Scalar &s, ValueRange x) { return s.call("llvm.nvvm.sin.approx.f", reduceAngle(s, x[0])); }
Value expandCos(const Scalar &s, ValueRange x) { return s.call("llvm.nvvm.cos.approx.f", reduceAngle(s, x[0])); }
/// Abramowitz and Stegun 7.1.26, absolute error 1.5e-7.
Value expandErf(const Scalar &s, ValueRange x) {
  Value magnitude = s.abs(x[0]);
  Value t = s.div(s.constant(1), s.fma(magnitude, s.constant(0.3275911), s.constant(1)));
  Value p = s.constant(1.061405429);
  for (double term : {-1.453152027, 1.421413741, -0.284496736, 0.254829592})
    p = s.fma(p, t, s.constant(term));
  Value square = s.mul(s.mul(magnitude, magnitude), s.constant(-1));
  Value result = s.sub(s.constant(1), s.mul(s.mul(p, t), expandExp(s, square)));
  return s.select(arith::CmpFPredicate::OLT, x[0], s.constant(0), s.mul(result, s.constant(-1)), result);
}
Value expandDiv(const Scalar &s, ValueRange x) {
  // A reciprocal needs no care for a numerator and denominator that are both large. (1 ulp)
  return matchPattern(x[0], m_OneFloat()) ? s.call("llvm.nvvm.rcp.approx.ftz.f", x[1]) : s.div(x[0], x[1]);
}

using Expansion = Value (*)(const Scalar &, ValueRange);

/// `OpT` on f32 (or a narrower float, through f32) becomes `expand`, or `approximate` where it may (`afn`).
template <typename OpT, Expansion expand, Expansion approximate = nullptr> struct Expand : OpRewritePattern<OpT> {
  using OpRewritePattern<OpT>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpT op, PatternRewriter &rewriter) const override {
    Type type = op.getType();
    if (!type.isF32() && !type.isBF16() && !type.isF16())
      return rewriter.notifyMatchFailure(op, "not a scalar of up to 32 bits");
    SmallVector<Value> operands(op->getOperands());
    if (!type.isF32())
      for (Value &operand : operands)
        operand = arith::ExtFOp::create(rewriter, op.getLoc(), rewriter.getF32Type(), operand);
    Scalar scalar(op.getLoc(), rewriter);
    Expansion chosen = expand;
    if (approximate != nullptr && arith::bitEnumContainsAll(op.getFastmath(), arith::FastMathFlags::afn))
      chosen = approximate;
    Value result = chosen(scalar, operands);
    if (!type.isF32())
      result = arith::TruncFOp::create(rewriter, op.getLoc(), type, result);
    rewriter.replaceOp(op, result);
    return success();
  }
};
} // namespace

namespace {
/// Extrema are one instruction; the general expansion would take four.
template <typename OpT, typename TargetT> struct Extremum : OpRewritePattern<OpT> {
  using OpRewritePattern<OpT>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpT op, PatternRewriter &rewriter) const override {
    if (!op.getType().isF32())
      return rewriter.notifyMatchFailure(op, "not a scalar of 32 bits");
    rewriter.replaceOpWithNewOp<TargetT>(op, op.getLhs(), op.getRhs());
    return success();
  }
};
} // namespace

void heddle::populateMathLowering(RewritePatternSet &patterns) {
  // For these the machine has no instruction, and there is no library.
  populateMathF32ExpansionPatterns(patterns, [](StringRef name) {
    return name == math::AtanOp::getOperationName() || name == math::Atan2Op::getOperationName() ||
           name == math::PowFOp::getOperationName() || name == math::FPowIOp::getOperationName();
  });
  populateAtanExpansion(patterns, /*benefit=*/1);
  populatePowExpansion(patterns, /*benefit=*/1);
  math::populateExpansionPatterns(patterns, {"sinh", "cosh", "tan"});
  patterns.add<Expand<math::Exp2Op, expandExp2>, Expand<math::ExpOp, expandExp>, Expand<math::ExpM1Op, expandExpM1>,
               Expand<math::Log2Op, expandLog2>, Expand<math::LogOp, expandLog>, Expand<math::Log1pOp, expandLog1p>,
               Expand<math::TanhOp, expandTanh, approximateTanh>, Expand<math::RsqrtOp, expandRsqrt>,
               Expand<math::SqrtOp, expandSqrt>, Expand<math::SinOp, expandSin>, Expand<math::CosOp, expandCos>,
               Expand<math::ErfOp, expandErf>, Expand<arith::DivFOp, expandDiv>,
               Extremum<arith::MaxNumFOp, LLVM::MaxNumOp>, Extremum<arith::MinNumFOp, LLVM::MinNumOp>,
               Extremum<arith::MaximumFOp, LLVM::MaximumOp>, Extremum<arith::MinimumFOp, LLVM::MinimumOp>>(
      patterns.getContext());
}
