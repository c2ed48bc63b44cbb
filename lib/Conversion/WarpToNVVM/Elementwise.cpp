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
  patterns.add<LowerExtendPairs>(converter, patterns.getContext(), /*benefit=*/2);
}
