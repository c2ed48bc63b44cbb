//===- LowerCPUToLLVM.cpp - the upstream conversions, at once ---------------===//
//
// One type converter for all dialects: a matrix tile of AMX carried through a branch needs the converter of the branch
// to know its type.
//
//===----------------------------------------------------------------------===//
#include "heddle/Conversion/Passes.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/Pattern.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MathToLibm/MathToLibm.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/AMX/AMXDialect.h"
#include "mlir/Dialect/AMX/Transforms.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"

namespace heddle {
#define GEN_PASS_DEF_LOWERCPUTOLLVM
#include "heddle/Conversion/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
/// Constants of a float type that the converter represents as an integer.
struct LowerNarrowConstant : ConvertOpToLLVMPattern<arith::ConstantOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;
  LogicalResult matchAndRewrite(arith::ConstantOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isBF16())
      return rewriter.notifyMatchFailure(op, "not bf16");
    Type type = getTypeConverter()->convertType(op.getType());
    TypedAttr value;
    if (auto dense = dyn_cast<DenseElementsAttr>(op.getValue()))
      value = dense.bitcast(rewriter.getI16Type());
    else
      value = rewriter.getIntegerAttr(type, cast<FloatAttr>(op.getValue()).getValue().bitcastToAPInt());
    rewriter.replaceOpWithNewOp<LLVM::ConstantOp>(op, type, value);
    return success();
  }
};

struct LowerCPUToLLVM : heddle::impl::LowerCPUToLLVMBase<LowerCPUToLLVM> {
  using Base::Base;

  void runOnOperation() override {
    MLIRContext *context = &getContext();
    LowerToLLVMOptions options(context);
    options.useBarePtrCallConv = false;
    LLVMTypeConverter converter(context, options);
    converter.addConversion([context](amx::TileType) -> Type { return LLVM::LLVMX86AMXType::get(context); });
    RewritePatternSet patterns(context);
    if (!hasAVX512BF16) {
      // Code generators without the type's instructions move it through f32 and a library call; as bits it just moves.
      converter.addConversion([context](BFloat16Type) -> Type { return IntegerType::get(context, 16); });
      converter.addConversion([&](VectorType type) -> std::optional<Type> {
        if (!type.getElementType().isBF16())
          return std::nullopt;
        return converter.convertType(type.clone(IntegerType::get(context, 16)));
      });
      patterns.add<LowerNarrowConstant>(converter, PatternBenefit(5));
    }
    populateFuncToLLVMConversionPatterns(converter, patterns);
    cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
    arith::populateCeilFloorDivExpandOpsPatterns(patterns);
    arith::populateArithToLLVMConversionPatterns(converter, patterns);
    index::populateIndexToLLVMConversionPatterns(converter, patterns);
    populateFinalizeMemRefToLLVMConversionPatterns(converter, patterns);
    populateMathToLibmConversionPatterns(patterns, PatternBenefit(1));
    // What an instruction computes stays out of libm.
    populateMathToLLVMConversionPatterns(converter, patterns, /*approximateLog1p=*/false, PatternBenefit(2));
    vector::populateVectorBroadcastLoweringPatterns(patterns);
    vector::populateVectorRankReducingFMAPattern(patterns);
    populateVectorToLLVMConversionPatterns(converter, patterns);
    populateAMXLegalizeForLLVMExportPatterns(converter, patterns);
    ub::populateUBToLLVMConversionPatterns(converter, patterns);
    LLVMConversionTarget target(*context);
    target.addLegalOp<ModuleOp, UnrealizedConversionCastOp>();
    configureAMXLegalizeForExportTarget(target);
    if (failed(applyFullConversion(getOperation(), target, std::move(patterns))))
      return signalPassFailure();
    // A loop that fills or copies must not become a call: the image has no library.
    Builder b(context);
    ArrayAttr attributes = b.getArrayAttr({b.getStringAttr("no-builtins"), b.getStringAttr("nounwind")});
    getOperation()->walk([&](LLVM::LLVMFuncOp function) {
      if (!function.isExternal())
        function.setPassthroughAttr(attributes);
    });
  }
};
} // namespace
