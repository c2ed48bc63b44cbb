//===- Elementwise.cpp - element-wise operations, register by register ------===//
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace heddle;

namespace {
/// Any element-wise operation on encoded tensors: one scalar copy of it for each register.
struct LowerElementwise : ConversionPattern {
  LowerElementwise(const TypeConverter &converter, MLIRContext *context)
      : ConversionPattern(converter, MatchAnyOpTypeTag(), /*benefit=*/1, context) {}

  LogicalResult matchAndRewrite(Operation *op, ArrayRef<ValueRange> operands,
                                ConversionPatternRewriter &rewriter) const override {
    if (!OpTrait::hasElementwiseMappableTraits(op) || op->getNumResults() != 1 || op->getNumOperands() == 0)
      return rewriter.notifyMatchFailure(op, "not element-wise");
    auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
    if (!layoutOf(type ? Type(type) : op->getResult(0).getType()))
      return rewriter.notifyMatchFailure(op, "no layout");
    int64_t count = layoutOf(type).registers(type.getShape());
    SmallVector<Value> registers;
    for (int64_t index = 0; index < count; ++index) {
      OperationState state(op->getLoc(), op->getName());
      for (auto [operand, values] : llvm::zip_equal(op->getOperands(), operands))
        state.operands.push_back(isa<RankedTensorType>(operand.getType()) ? values[index] : values[0]);
      state.types.push_back(type.getElementType());
      state.attributes = op->getAttrDictionary();
      registers.push_back(rewriter.create(state)->getResult(0));
    }
    rewriter.replaceOpWithMultiple(op, SmallVector<SmallVector<Value>>{registers});
    return success();
  }
};

/// bf16 in pairs that lie in one word: an element is the upper half of its f32, so that one operation makes each.
struct LowerExtendPairs : OpConversionPattern<arith::ExtFOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(arith::ExtFOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto from = dyn_cast<RankedTensorType>(op.getIn().getType());
    ValueRange values = adaptor.getIn();
    if (!from || !from.getElementType().isBF16() || !getElementTypeOrSelf(op.getType()).isF32() || values.size() % 2)
      return rewriter.notifyMatchFailure(op, "not pairs of bf16");
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SmallVector<Value> registers;
    for (size_t index = 0; index < values.size(); index += 2) {
      Value pair = pairOf(values[index], values[index + 1]);
      if (!pair)
        return rewriter.notifyMatchFailure(op, "not pairs of bf16");
      Value word = LLVM::BitcastOp::create(builder, builder.getI32Type(), pair);
      Value low = arith::ShLIOp::create(builder, word, constantI32(builder, 16));
      Value high = arith::AndIOp::create(builder, word, constantI32(builder, -65536));
      for (Value half : {low, high})
        registers.push_back(LLVM::BitcastOp::create(builder, builder.getF32Type(), half));
    }
    rewriter.replaceOpWithMultiple(op, SmallVector<SmallVector<Value>>{registers});
    return success();
  }

private:
  /// The vector of two whose elements these are, in order.
  static Value pairOf(Value first, Value second) {
    auto low = first.getDefiningOp<LLVM::ExtractElementOp>(), high = second.getDefiningOp<LLVM::ExtractElementOp>();
    if (!low || !high || low.getVector() != high.getVector() || !matchPattern(low.getPosition(), m_Zero()) ||
        !matchPattern(high.getPosition(), m_One()) || cast<VectorType>(low.getVector().getType()).getNumElements() != 2)
      return {};
    return low.getVector();
  }
};

/// Neighbours that a thread holds are rounded as one word: apart, what chooses between them and something constant
/// would be done behind the rounding, of each alone.
struct LowerTruncatePairs : OpConversionPattern<arith::TruncFOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(arith::TruncFOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto type = dyn_cast<RankedTensorType>(op.getType());
    ValueRange values = adaptor.getIn();
    if (!type || type.getElementTypeBitWidth() != 16 || !getElementTypeOrSelf(op.getIn().getType()).isF32() ||
        values.size() % 2 || layoutOf(type).vectorWidth() != 2 || !op.getIn().getDefiningOp<arith::SelectOp>())
      return rewriter.notifyMatchFailure(op, "not pairs of what is chosen");
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SmallVector<Value> registers;
    for (size_t index = 0; index < values.size(); index += 2) {
      Value pair = LLVM::UndefOp::create(builder, VectorType::get(2, builder.getF32Type()));
      for (int64_t part : {0, 1})
        pair = LLVM::InsertElementOp::create(builder, pair, values[index + part], constantI32(builder, part));
      Value narrow = LLVM::FPTruncOp::create(builder, VectorType::get(2, type.getElementType()), pair);
      for (int64_t part : {0, 1})
        registers.push_back(LLVM::ExtractElementOp::create(builder, narrow, constantI32(builder, part)));
    }
    rewriter.replaceOpWithMultiple(op, SmallVector<SmallVector<Value>>{registers});
    return success();
  }
};

struct LowerConstant : OpConversionPattern<arith::ConstantOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(arith::ConstantOp op, OneToNOpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto type = dyn_cast<RankedTensorType>(op.getType());
    auto splat = dyn_cast<SplatElementsAttr>(op.getValue());
    if (!type || !splat)
      return rewriter.notifyMatchFailure(op, "not a splat tile");
    Value scalar = arith::ConstantOp::create(rewriter, op.getLoc(), splat.getSplatValue<TypedAttr>());
    SmallVector<Value> registers(layoutOf(type).registers(type.getShape()), scalar);
    rewriter.replaceOpWithMultiple(op, SmallVector<SmallVector<Value>>{registers});
    return success();
  }
};

struct LowerSplat : OpConversionPattern<tensor::SplatOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tensor::SplatOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getType());
    SmallVector<Value> registers(layoutOf(type).registers(type.getShape()), adaptor.getInput()[0]);
    rewriter.replaceOpWithMultiple(op, SmallVector<SmallVector<Value>>{registers});
    return success();
  }
};
} // namespace

void heddle::populateElementwiseLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerElementwise, LowerConstant, LowerSplat>(converter, patterns.getContext());
  patterns.add<LowerExtendPairs, LowerTruncatePairs>(converter, patterns.getContext(), /*benefit=*/2);
}
