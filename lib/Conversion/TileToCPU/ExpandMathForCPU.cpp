//===- ExpandMathForCPU.cpp - elementary functions without a library --------===//
//
// f32 functions become arithmetic on vectors. f64 functions (the reference path computes in them) are left to the
// platform's libm, which is exact to the last place.
//
// exp2(x): x = n + r with |r| <= 1/2, then 2^r by a polynomial (relative error 1.6e-7) and n added to its exponent.
// Results below the normal range are exactly 0, so that no denormal slows the products that follow. Where taking n from
// x and adding it to an exponent are instructions, they are used, and n is the integer below x. A result that is
// rounded to a narrower type keeps no more digits than a shorter polynomial gives (relative error 3e-6).
//
//===----------------------------------------------------------------------===//
#include "heddle/Conversion/Passes.h"
#include "lib/Conversion/ExpandAtan.h"
#include "lib/Conversion/ExpandPow.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace heddle {
#define GEN_PASS_DEF_EXPANDMATHFORCPU
#include "heddle/Conversion/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
/// Arithmetic on values of one f32 type, scalar or vector.
struct FloatMath {
  ImplicitLocOpBuilder &b;
  Type type;

  Value splat(double value) {
    TypedAttr attr = b.getF32FloatAttr(value);
    if (auto vector = dyn_cast<VectorType>(type))
      attr = DenseElementsAttr::get(vector, Attribute(attr));
    return arith::ConstantOp::create(b, attr);
  }
  Type integers() const {
    Type i32 = b.getI32Type();
    if (auto vector = dyn_cast<VectorType>(type))
      return vector.clone(i32);
    return i32;
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value fma(Value x, Value y, Value z) { return math::FmaOp::create(b, x, y, z); }
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) { return arith::CmpFOp::create(b, predicate, x, y); }
  Value select(Value condition, Value x, Value y) { return arith::SelectOp::create(b, condition, x, y); }

  /// 2^r for |r| <= 1/2, with 2^0 = 1 exactly.
  Value exp2OfFraction(Value r) {
    constexpr double coefficients[] = {1.326472614891827e-03, 9.671512991189957e-03, 5.550733581185341e-02,
                                       2.402224242687225e-01, 6.931470036506653e-01, 1.0};
    Value p = splat(coefficients[0]);
    for (double c : ArrayRef(coefficients).drop_front())
      p = fma(p, r, splat(c));
    return p;
  }
  /// p * 2^n where `shifted` is n + 1.5 * 2^23, whose low bits are n.
  Value scaleByPowerOfTwo(Value p, Value shifted) {
    Value bits = arith::BitcastOp::create(b, integers(), p), n = arith::BitcastOp::create(b, integers(), shifted);
    TypedAttr places = b.getI32IntegerAttr(23);
    if (auto vector = dyn_cast<VectorType>(integers()))
      places = DenseElementsAttr::get(vector, Attribute(places));
    n = arith::ShLIOp::create(b, n, arith::ConstantOp::create(b, places));
    return arith::BitcastOp::create(b, type, arith::AddIOp::create(b, bits, n));
  }
};

constexpr int64_t kLanes = 16; // of f32 in the vectors that have instructions for this

constexpr double kShift = 12582912.0; // 1.5 * 2^23: adding it rounds to an integer

struct ExpandExp2 : OpRewritePattern<math::Exp2Op> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::Exp2Op op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "not f32");
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    FloatMath f{b, op.getType()};
    Value top = f.splat(128.0), input = op.getOperand();
    Value x = f.select(f.compare(arith::CmpFPredicate::OGT, input, top), top, input);
    Value shift = f.splat(kShift), shifted = f.add(x, shift), n = f.sub(shifted, shift);
    Value result = f.scaleByPowerOfTwo(f.exp2OfFraction(f.sub(x, n)), shifted);
    Value tiny = f.compare(arith::CmpFPredicate::OLT, input, f.splat(-126.0));
    rewriter.replaceOp(op, f.select(tiny, f.splat(0.0), result));
    return success();
  }
};

struct ExpandExp : OpRewritePattern<math::ExpOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::ExpOp op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "not f32");
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    FloatMath f{b, op.getType()};
    // x log2(e) = n + r, with log2(e) in two parts so that r has the accuracy of x.
    Value high = f.splat(1.4426950216293335), low = f.splat(1.9259629911e-08), input = op.getOperand();
    Value top = f.splat(88.7228394), bottom = f.splat(-87.3365447);
    Value large = f.compare(arith::CmpFPredicate::OGT, input, top);
    Value x = f.select(large, top, input);
    Value shift = f.splat(kShift), shifted = f.fma(x, high, shift), n = f.sub(shifted, shift);
    Value negated = arith::NegFOp::create(b, n);
    Value r = f.fma(x, low, f.fma(x, high, negated));
    Value result = f.scaleByPowerOfTwo(f.exp2OfFraction(r), shifted);
    result = f.select(large, f.splat(std::numeric_limits<double>::infinity()), result);
    Value tiny = f.compare(arith::CmpFPredicate::OLT, input, bottom);
    rewriter.replaceOp(op, f.select(tiny, f.splat(0.0), result));
    return success();
  }
};

/// The parts of `vector`, each of 16 lanes.
SmallVector<Value> splitVector(PatternRewriter &rewriter, Location loc, Value vector) {
  SmallVector<Value> parts;
  for (int64_t start = 0, size = cast<VectorType>(vector.getType()).getDimSize(0); start < size; start += kLanes)
    parts.push_back(size == kLanes ? vector
                                   : vector::ShuffleOp::create(rewriter, loc, vector, vector,
                                                               llvm::to_vector(llvm::seq(start, start + kLanes)))
                                         .getResult());
  return parts;
}

/// The inverse; a power of two of parts.
Value joinVector(PatternRewriter &rewriter, Location loc, SmallVector<Value> parts) {
  while (parts.size() > 1) {
    SmallVector<Value> wider;
    for (size_t i = 0; i + 1 < parts.size(); i += 2) {
      int64_t size = cast<VectorType>(parts[i].getType()).getDimSize(0);
      wider.push_back(vector::ShuffleOp::create(rewriter, loc, parts[i], parts[i + 1],
                                                llvm::to_vector(llvm::seq<int64_t>(0, 2 * size))));
    }
    parts = wider;
  }
  return parts.front();
}

bool isPowerOfTwoOfLanes(Type type, int64_t lanes) {
  auto vector = dyn_cast<VectorType>(type);
  return vector && vector.getRank() == 1 && vector.getDimSize(0) % lanes == 0 &&
         llvm::isPowerOf2_64(vector.getDimSize(0));
}

struct ExpandExp2ByInstructions : OpRewritePattern<math::Exp2Op> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::Exp2Op op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32() || !isPowerOfTwoOfLanes(op.getType(), kLanes))
      return rewriter.notifyMatchFailure(op, "not whole vectors of f32");
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto type = VectorType::get({kLanes}, b.getF32Type());
    FloatMath f{b, type};
    bool isRounded = llvm::any_of(op->getUsers(), [](Operation *user) { return isa<arith::TruncFOp>(user); });
    // 2^r for 0 <= r < 1: 1 + r q(r), with q by points that make the largest error least.
    static constexpr double exact[] = {1.867130070037720e-03, 9.017030321990194e-03, 5.579991310418614e-02,
                                       2.401644501549075e-01, 6.931513118046264e-01, 1.0};
    static constexpr double rounded[] = {1.342668427285999e-02, 5.224247422084505e-02, 2.412802047534482e-01,
                                         6.930448449025536e-01, 1.0};
    ArrayRef<double> coefficients = isRounded ? ArrayRef(rounded) : ArrayRef(exact);
    Value all = arith::ConstantOp::create(b, b.getI16IntegerAttr(-1));
    Value below = arith::ConstantOp::create(b, b.getI32IntegerAttr(1));   // round down, keep no binary places
    Value current = arith::ConstantOp::create(b, b.getI32IntegerAttr(4)); // the rounding mode in force
    auto call = [&](StringRef name, ValueRange operands) {
      return LLVM::CallIntrinsicOp::create(b, type, b.getStringAttr(name), operands).getResult(0);
    };
    SmallVector<Value> parts;
    for (Value x : splitVector(rewriter, op.getLoc(), op.getOperand())) {
      Value r = call("llvm.x86.avx512.mask.reduce.ps.512", {x, below, x, all, current});
      Value p = f.splat(coefficients.front());
      for (double c : coefficients.drop_front())
        p = f.fma(p, r, f.splat(c));
      Value scaled = call("llvm.x86.avx512.mask.scalef.ps.512", {p, x, p, all, current});
      Value tiny = f.compare(arith::CmpFPredicate::OLT, x, f.splat(-126.0));
      parts.push_back(f.select(tiny, f.splat(0.0), scaled));
    }
    rewriter.replaceOp(op, joinVector(rewriter, op.getLoc(), parts));
    return success();
  }
};

/// Two vectors of f32 round to one of bf16 in one instruction, at twice the rate of rounding each.
struct RoundPairs : OpRewritePattern<arith::TruncFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::TruncFOp op, PatternRewriter &rewriter) const override {
    auto type = dyn_cast<VectorType>(op.getType());
    if (!type || !type.getElementType().isBF16() || !getElementTypeOrSelf(op.getIn().getType()).isF32() ||
        !isPowerOfTwoOfLanes(type, 2 * kLanes))
      return rewriter.notifyMatchFailure(op, "not whole pairs of f32 vectors to bf16");
    auto pairType = VectorType::get({2 * kLanes}, type.getElementType());
    SmallVector<Value> halves = splitVector(rewriter, op.getLoc(), op.getIn()), parts;
    for (size_t i = 0; i < halves.size(); i += 2)
      parts.push_back(LLVM::CallIntrinsicOp::create(rewriter, op.getLoc(), pairType,
                                                    rewriter.getStringAttr("llvm.x86.avx512bf16.cvtne2ps2bf16.512"),
                                                    ValueRange{halves[i + 1], halves[i]})
                          .getResult(0));
    rewriter.replaceOp(op, joinVector(rewriter, op.getLoc(), parts));
    return success();
  }
};

/// Without the instruction a fused multiply-add is a library call; two roundings are within what f32 promises.
struct SplitFma : OpRewritePattern<math::FmaOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::FmaOp op, PatternRewriter &rewriter) const override {
    if (getElementTypeOrSelf(op.getType()).isF64())
      return rewriter.notifyMatchFailure(op, "f64 is left to libm");
    Value product = arith::MulFOp::create(rewriter, op.getLoc(), op.getA(), op.getB());
    rewriter.replaceOpWithNewOp<arith::AddFOp>(op, product, op.getC());
    return success();
  }
};

struct ExpandMathForCPU : heddle::impl::ExpandMathForCPUBase<ExpandMathForCPU> {
  using Base::Base;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<ExpandExp2, ExpandExp>(&getContext(), /*benefit=*/3);
    populateAtanExpansion(patterns, /*benefit=*/3);
    populatePowExpansion(patterns, /*benefit=*/3);
    if (hasScaleByPower)
      patterns.add<ExpandExp2ByInstructions>(&getContext(), /*benefit=*/4);
    if (!hasFMA)
      patterns.add<SplitFma>(&getContext());
    auto isApproximated = [](StringRef name) {
      return name != math::ExpOp::getOperationName() && name != math::Exp2Op::getOperationName() &&
             name != math::RsqrtOp::getOperationName();
    };
    auto isFunction = [](StringRef name) {
      return name != math::FmaOp::getOperationName() && name != math::AbsFOp::getOperationName() &&
             name != math::CopySignOp::getOperationName();
    };
    populateMathF32ExpansionPatterns(patterns, isFunction);
    populateMathPolynomialApproximationPatterns(patterns, isApproximated, /*benefit=*/2);
    math::populateExpansionPatterns(patterns, {"sinh", "cosh", "tan", "asinh", "acosh", "atanh", "round", "rsqrt"});
    // Only f32 and narrower: what is computed in f64 keeps its operations.
    SmallVector<Operation *> ops;
    getOperation()->walk([&](Operation *op) {
      if (isa<math::MathDialect>(op->getDialect()) && !getElementTypeOrSelf(op->getOperand(0).getType()).isF64())
        ops.push_back(op);
    });
    GreedyRewriteConfig config;
    config.setStrictness(GreedyRewriteStrictness::ExistingAndNewOps);
    if (failed(applyOpPatternsGreedily(ops, std::move(patterns), config)))
      return signalPassFailure();

    // Arithmetic on narrow floats is done in f32, and rounding to bf16 in integers: neither is an instruction.
    RewritePatternSet conversions(&getContext());
    arith::populateCeilFloorDivExpandOpsPatterns(conversions);
    if (hasAVX512BF16)
      conversions.add<RoundPairs>(&getContext());
    else
      arith::populateExpandBFloat16Patterns(conversions);
    if (failed(applyPatternsGreedily(getOperation(), std::move(conversions))))
      signalPassFailure();
  }
};
} // namespace
