//===- Elementwise.cpp - element-wise operations, register by register ------===//
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

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
}
