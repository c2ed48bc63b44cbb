//===- Memory.cpp - arrays to registers and back ----------------------------===//
#include "dialects/Tile/TileOps.h"
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/TileAccess.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

using Registers = SmallVector<Value>;

/// Registers that one access moves: 2 when pairs of columns are aligned and inside or outside together.
static int64_t accessWidth(Operation *op, RankedTensorType tile) {
  bool pairs = op->hasAttr(warp::WarpDialect::pairsAttr) && tile.getElementTypeBitWidth() >= 16;
  return pairs ? layoutOf(tile).vectorWidth() : 1;
}

namespace {
struct LowerLoad : OpConversionPattern<tile::LoadOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tile::LoadOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SmallVector<Value> indices = singles(adaptor.getIndices());
    MemRefParts memory(cast<MemRefType>(op.getSource().getType()), adaptor.getSource());
    RankedTensorType tile = op.getResult().getType();
    Value limit = op.getLimit() ? adaptor.getLimit()[0] : Value();
    TileAccess access(builder, op, memory, indices, limit, tile);
    int64_t width = accessWidth(op, tile);
    Type element = tile.getElementType();
    Registers registers;
    for (int64_t index = 0, count = layoutOf(tile).registers(tile.getShape()); index < count; index += width) {
      Type type = width == 1 ? element : VectorType::get(width, element);
      Value loaded = loadIf(builder, type, access.pointer(index), access.inside(index));
      for (int64_t part = 0; part < width; ++part)
        registers.push_back(
            width == 1 ? loaded : Value(LLVM::ExtractElementOp::create(builder, loaded, constantI32(builder, part))));
    }
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{registers});
    return success();
  }
};

struct LowerStore : OpConversionPattern<tile::StoreOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tile::StoreOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SmallVector<Value> indices = singles(adaptor.getIndices());
    MemRefParts memory(cast<MemRefType>(op.getDest().getType()), adaptor.getDest());
    RankedTensorType tile = op.getValue().getType();
    Value limit = op.getLimit() ? adaptor.getLimit()[0] : Value();
    TileAccess access(builder, op, memory, indices, limit, tile);
    int64_t width = accessWidth(op, tile);
    ValueRange registers = adaptor.getValue();
    for (int64_t index = 0, count = registers.size(); index < count; index += width) {
      Value value = registers[index];
      if (width > 1) {
        value = LLVM::UndefOp::create(builder, VectorType::get(width, tile.getElementType()));
        for (int64_t part = 0; part < width; ++part)
          value = LLVM::InsertElementOp::create(builder, value, registers[index + part], constantI32(builder, part));
      }
      storeIf(builder, value, access.pointer(index), access.inside(index));
    }
    rewriter.eraseOp(op);
    return success();
  }
};

/// Coordinates are clamped, so that every address is an element's.
struct LowerGather : OpConversionPattern<tile::GatherOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tile::GatherOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    Location loc = op.getLoc();
    MemRefParts memory(cast<MemRefType>(op.getSource().getType()), adaptor.getSource());
    RankedTensorType tile = op.getResult().getType();
    warp::LayoutInterface layout = layoutOf(tile);
    SmallVector<Value> limits;
    for (int64_t dim = 0, rank = memory.getType().getRank(); dim < rank; ++dim)
      limits.push_back(builder.createOrFold<arith::SubIOp>(memory.size(builder, dim),
                                                           arith::ConstantIndexOp::create(builder, loc, 1)));
    Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
    Registers registers;
    for (int64_t index = 0, count = layout.registers(tile.getShape()); index < count; ++index) {
      SmallVector<Value> coordinates;
      for (auto [dim, operand] : llvm::enumerate(op.getCoordinates())) {
        Value value = pick(operand, adaptor.getCoordinates()[dim], tile, index);
        if (!value.getType().isIndex())
          value = arith::IndexCastOp::create(builder, loc, builder.getIndexType(), value);
        value = arith::MinSIOp::create(builder, loc, value, limits[dim]);
        coordinates.push_back(arith::MaxSIOp::create(builder, loc, value, zero));
      }
      Value inside = op.getMask() ? pick(op.getMask(), adaptor.getMask(), tile, index)
                                  : Value(arith::ConstantIntOp::create(builder, loc, 1, 1));
      registers.push_back(loadIf(builder, tile.getElementType(), memory.address(builder, coordinates), inside));
    }
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{registers});
    return success();
  }

private:
  /// The register of an operand that goes with register `index` of the result.
  static Value pick(Value operand, ValueRange values, RankedTensorType tile, int64_t index) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    if (!type)
      return values[0];
    std::array<int64_t, 2> wanted = layoutOf(tile).offset(index, tile.getShape());
    for (int64_t dim : {0, 1})
      if (type.getDimSize(dim) == 1)
        wanted[dim] = 0;
    for (size_t candidate = 0; candidate < values.size(); ++candidate)
      if (layoutOf(type).offset(candidate, type.getShape()) == wanted)
        return values[candidate];
    llvm_unreachable("layouts of operand and result agree");
  }
};

struct LowerAtomicMax : OpConversionPattern<tile::AtomicMaxOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tile::AtomicMaxOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SmallVector<Value> indices = singles(adaptor.getIndices());
    MemRefParts memory(cast<MemRefType>(op.getDest().getType()), adaptor.getDest());
    Value pointer = memory.address(builder, indices);
    Value first =
        arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, threadIndex(builder), constantI32(builder, 0));
    auto branch = scf::IfOp::create(builder, first, /*withElseRegion=*/false);
    OpBuilder inside = branch.getThenBodyBuilder();
    LLVM::AtomicRMWOp::create(inside, op.getLoc(), LLVM::AtomicBinOp::max, pointer, adaptor.getValue()[0],
                              LLVM::AtomicOrdering::monotonic);
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerScalarLoad : OpConversionPattern<memref::LoadOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(memref::LoadOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SmallVector<Value> indices = singles(adaptor.getIndices());
    MemRefParts memory(op.getMemRefType(), adaptor.getMemref());
    rewriter.replaceOpWithNewOp<LLVM::LoadOp>(op, op.getType(), memory.address(builder, indices));
    return success();
  }
};

/// One thread writes; `tile-to-warp` has put barriers where others read.
struct LowerScalarStore : OpConversionPattern<memref::StoreOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(memref::StoreOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SmallVector<Value> indices = singles(adaptor.getIndices());
    MemRefParts memory(op.getMemRefType(), adaptor.getMemref());
    Value pointer = memory.address(builder, indices);
    Value first =
        arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, threadIndex(builder), constantI32(builder, 0));
    storeIf(builder, adaptor.getValue()[0], pointer, first);
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerDim : OpConversionPattern<memref::DimOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(memref::DimOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    std::optional<int64_t> dim = op.getConstantIndex();
    auto type = dyn_cast<MemRefType>(op.getSource().getType());
    if (!dim || !type)
      return rewriter.notifyMatchFailure(op, "not a constant dimension");
    rewriter.replaceOp(op, MemRefParts(type, adaptor.getSource()).size(builder, *dim));
    return success();
  }
};
} // namespace

void heddle::populateMemoryLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerLoad, LowerStore, LowerGather, LowerAtomicMax, LowerScalarLoad, LowerScalarStore, LowerDim>(
      converter, patterns.getContext());
  populatePieceStoreLowering(converter, patterns);
}
