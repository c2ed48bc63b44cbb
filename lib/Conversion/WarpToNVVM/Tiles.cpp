//===- Tiles.cpp - tile operations that stay within a thread ----------------===//
//
// Registers are found by the constant part of their coordinates, which operands
// and results of these operations share with the thread's part.
//
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

using Registers = SmallVector<Value>;

/// The register of `type` that holds the element at constant offset (row, column).
static int64_t registerAt(RankedTensorType type, int64_t row, int64_t column) {
  warp::LayoutInterface layout = layoutOf(type);
  int64_t count = layout.registers(type.getShape());
  for (int64_t index = 0; index < count; ++index)
    if (layout.offset(index, type.getShape()) == std::array<int64_t, 2>{row, column})
      return index;
  llvm_unreachable("layouts of operand and result agree");
}

/// Fills the result's registers by `pick(row, column)` of their constant offsets.
static Registers forEachRegister(RankedTensorType type, function_ref<Value(int64_t, int64_t)> pick) {
  warp::LayoutInterface layout = layoutOf(type);
  Registers registers;
  for (int64_t index = 0, count = layout.registers(type.getShape()); index < count; ++index) {
    std::array<int64_t, 2> offset = layout.offset(index, type.getShape());
    registers.push_back(pick(offset[0], offset[1]));
  }
  return registers;
}

namespace {
struct LowerIota : OpConversionPattern<tile::IotaOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tile::IotaOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    RankedTensorType type = op.getResult().getType();
    int64_t dim = op.getDim();
    Value start = arith::IndexCastOp::create(builder, builder.getI32Type(), adaptor.getOffset()[0]);
    Value first = arith::AddIOp::create(builder, start, originOf(builder, type)[dim]);
    // Where some warps multiply, registers are short: positions are made beside what reads them, and leave no loop. But
    // for those that are divided: what is known of their bits saves a division in each register.
    bool isDivided =
        llvm::any_of(op->getUsers(), llvm::IsaPred<arith::DivUIOp, arith::DivSIOp, arith::RemUIOp, arith::RemSIOp>);
    bool isInLoop = op->getParentOfType<scf::ForOp>() || op->getParentOfType<scf::WhileOp>();
    if (consumerWarps(builder) && isInLoop && !isDivided)
      first = inlineAsm(builder, builder.getI32Type(), first, "mov.b32 $0, $1;", "=r,r");
    Registers registers = forEachRegister(
        type, [&](int64_t row, int64_t column) { return addI32(builder, first, dim == 0 ? row : column); });
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{registers});
    return success();
  }
};

/// Positions as f32: the first is converted, the others are a constant away (exact below 2^24).
struct LowerRealIota : OpConversionPattern<arith::SIToFPOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(arith::SIToFPOp op, OneToNOpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto type = dyn_cast<RankedTensorType>(op.getType());
    auto iota = op.getIn().getDefiningOp<tile::IotaOp>();
    if (!iota || !type || !type.getElementType().isF32())
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    int64_t dim = iota.getDim();
    Value start = rewriter.getRemappedValue(iota.getOffset());
    start = arith::IndexCastOp::create(builder, builder.getI32Type(), start);
    Value first = arith::AddIOp::create(builder, start, originOf(builder, type)[dim]);
    Value real = arith::SIToFPOp::create(builder, builder.getF32Type(), first);
    Registers registers = forEachRegister(type, [&](int64_t row, int64_t column) -> Value {
      auto distance = static_cast<float>(dim == 0 ? row : column);
      return distance == 0 ? real
                           : arith::AddFOp::create(
                                 builder, real, arith::ConstantOp::create(builder, builder.getF32FloatAttr(distance)));
    });
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{registers});
    return success();
  }
};

struct LowerBroadcast : OpConversionPattern<tile::BroadcastOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tile::BroadcastOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    RankedTensorType source = op.getSource().getType(), type = op.getResult().getType();
    Registers registers = forEachRegister(type, [&](int64_t row, int64_t column) {
      return adaptor
          .getSource()[registerAt(source, source.getDimSize(0) == 1 ? 0 : row, source.getDimSize(1) == 1 ? 0 : column)];
    });
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{registers});
    return success();
  }
};

struct LowerSlice : OpConversionPattern<tile::SliceOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tile::SliceOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    RankedTensorType source = op.getSource().getType();
    Registers registers = forEachRegister(op.getResult().getType(), [&](int64_t row, int64_t column) {
      return adaptor.getSource()[registerAt(source, row, column + op.getColumnOffset())];
    });
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{registers});
    return success();
  }
};

struct LowerConcat : OpConversionPattern<tile::ConcatOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tile::ConcatOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Registers registers = forEachRegister(op.getResult().getType(), [&](int64_t row, int64_t column) {
      int64_t source = 0;
      for (;; ++source) {
        int64_t width = cast<RankedTensorType>(op.getSources()[source].getType()).getDimSize(1);
        if (column < width)
          break;
        column -= width;
      }
      auto type = cast<RankedTensorType>(op.getSources()[source].getType());
      return adaptor.getSources()[source][registerAt(type, row, column)];
    });
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{registers});
    return success();
  }
};

struct LowerScalar : OpConversionPattern<tile::ScalarOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tile::ScalarOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, adaptor.getSource()[0]);
    return success();
  }
};

/// acc -> a: pairs of neighbouring columns are packed; two atoms side by side make one 16x16 operand.
struct LowerConvert : OpConversionPattern<warp::ConvertOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::ConvertOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    RankedTensorType type = op.getResult().getType();
    ValueRange source = adaptor.getSource();
    Registers registers(source);
    if (isPacked(type)) {
      registers.clear();
      auto pair = VectorType::get(2, type.getElementType());
      Location loc = op.getLoc();
      Value zero = LLVM::ConstantOp::create(rewriter, loc, rewriter.getI32IntegerAttr(0));
      Value one = LLVM::ConstantOp::create(rewriter, loc, rewriter.getI32IntegerAttr(1));
      for (size_t index = 0; index < source.size(); index += 2) {
        Value packed = LLVM::UndefOp::create(rewriter, loc, pair);
        packed = LLVM::InsertElementOp::create(rewriter, loc, packed, source[index], zero);
        packed = LLVM::InsertElementOp::create(rewriter, loc, packed, source[index + 1], one);
        registers.push_back(LLVM::BitcastOp::create(rewriter, loc, rewriter.getI32Type(), packed));
      }
    }
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{registers});
    return success();
  }
};
} // namespace

void heddle::populateTileLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerRealIota>(converter, patterns.getContext(), /*benefit=*/2);
  patterns.add<LowerIota, LowerBroadcast, LowerSlice, LowerConcat, LowerScalar, LowerConvert>(converter,
                                                                                              patterns.getContext());
}
