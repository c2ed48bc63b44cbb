//===- SlotTiles.cpp - tiles between registers and shared memory ------------===//
//
// Element by element, or pairs of columns, where the layouts say; whole fragments of 16-bit elements to and from
// swizzled slots by matrix loads and stores.
//
//===----------------------------------------------------------------------===//
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace heddle;

using Registers = SmallVector<Value>;

namespace {
/// Where the registers of a tile lie in a slot, with the tile's element (0, 0) at (row, column).
class SlotAccess {
public:
  SlotAccess(ImplicitLocOpBuilder &builder, Value slot, warp::SlotType type, RankedTensorType tile, int64_t row,
             int64_t column, bool transposed)
      : builder(builder), type(type), tile(tile), layout(layoutOf(tile)), transposed(transposed) {
    origin = originOf(builder, tile);
    if (type.isSwizzled()) {
      base = slot;
      first = {row, column};
      return;
    }
    base = advance(builder, slot, static_cast<int32_t>(row * type.getPitch() + column * type.getElementBytes()));
    base = advance(builder, base, distance(origin[0], origin[1]));
  }

  Value pointer(int64_t index) {
    std::array<int64_t, 2> offset = layout.offset(index, tile.getShape());
    if (type.isSwizzled())
      return swizzledPointer(offset);
    if (transposed)
      std::swap(offset[0], offset[1]);
    return advance(builder, base,
                   static_cast<int32_t>(offset[0] * type.getPitch() + offset[1] * type.getElementBytes()));
  }

  /// Null when the register is an element in every thread.
  Value inside(int64_t index) {
    std::array<int64_t, 2> offset = layout.offset(index, tile.getShape());
    Value result;
    for (int64_t dim : {0, 1}) {
      int64_t size = tile.getDimSize(dim);
      if (size == 1 || size % (dim == 0 ? 16 : 8) == 0)
        continue;
      Value guard = arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, addI32(builder, origin[dim], offset[dim]),
                                          constantI32(builder, size));
      result = result ? Value(arith::AndIOp::create(builder, result, guard)) : guard;
    }
    return result;
  }

  /// Neighbouring columns can be moved together.
  int64_t width(int64_t column) const {
    unsigned bits = tile.getElementTypeBitWidth();
    return !transposed && bits >= 16 && column % 2 == 0 && tile.getDimSize(1) % 2 == 0 ? layout.vectorWidth() : 1;
  }

private:
  /// Nothing here is constant: pieces of 16 bytes change places with their row.
  Value swizzledPointer(std::array<int64_t, 2> offset) {
    Value row = addI32(builder, origin[0], offset[0]), column = addI32(builder, origin[1], offset[1]);
    if (transposed)
      std::swap(row, column);
    row = addI32(builder, row, first[0]);
    column = addI32(builder, column, first[1]);
    int64_t width = 16 / type.getElementBytes();
    Value piece = arith::DivUIOp::create(builder, column, constantI32(builder, width));
    Value within = arith::RemUIOp::create(builder, column, constantI32(builder, width));
    within = arith::MulIOp::create(builder, within, constantI32(builder, type.getElementBytes()));
    return advance(builder, base,
                   Value(arith::AddIOp::create(builder, swizzledOffset(builder, type, row, piece), within)));
  }

  Value distance(Value row, Value column) {
    if (transposed)
      std::swap(row, column);
    Value down = builder.createOrFold<arith::MulIOp>(row, constantI32(builder, type.getPitch()));
    Value right = builder.createOrFold<arith::MulIOp>(column, constantI32(builder, type.getElementBytes()));
    return builder.createOrFold<arith::AddIOp>(down, right);
  }

  ImplicitLocOpBuilder &builder;
  warp::SlotType type;
  RankedTensorType tile;
  warp::LayoutInterface layout;
  bool transposed;
  std::array<Value, 2> origin;
  std::array<int64_t, 2> first = {0, 0};
  Value base;
};

/// Whether a tile is whole fragments of pairs: what moves four 8x8 blocks at a time.
bool isOfFragments(RankedTensorType tile) {
  auto layout = dyn_cast<warp::FragAttr>(tile.getEncoding());
  return layout && layout.getKind() == warp::FragKind::acc && tile.getElementTypeBitWidth() == 16 &&
         tile.getDimSize(0) % 16 == 0 && tile.getDimSize(1) % 16 == 0;
}

Registers unpackPairs(ImplicitLocOpBuilder &builder, ValueRange words, Type element) {
  Registers registers;
  for (Value word : words) {
    Value pair = LLVM::BitcastOp::create(builder, VectorType::get(2, element), word);
    for (int64_t part : {0, 1})
      registers.push_back(LLVM::ExtractElementOp::create(builder, pair, constantI32(builder, part)));
  }
  return registers;
}

/// Whether more is put to such a slot before the next barrier: one fence is enough for both.
bool isFencedLater(warp::PutOp op) {
  for (Operation *next = op->getNextNode(); next; next = next->getNextNode()) {
    if (auto put = dyn_cast<warp::PutOp>(next); put && put.getDest().getType().isSwizzled())
      return true;
    bool isQuiet = isa<warp::LoadOp, warp::ReleaseOp, warp::PutOp, warp::ConvertOp>(next) || isMemoryEffectFree(next);
    auto acquire = dyn_cast<warp::AcquireOp>(next);
    if (next->getNumRegions() != 0 || !(isQuiet || (acquire && acquire.getOrdered())))
      return false;
  }
  return false;
}

/// What threads have written to a swizzled slot, products of warpgroups read through another proxy.
void fenceForProducts(ImplicitLocOpBuilder &builder, warp::PutOp op) {
  if (op.getDest().getType().isSwizzled() && !isFencedLater(op))
    inlineAsm(builder, {}, {}, "fence.proxy.async.shared::cta;", "~{memory}");
}

struct LowerPut : OpConversionPattern<warp::PutOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::PutOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    RankedTensorType tile = op.getSource().getType();
    ValueRange registers = adaptor.getSource();
    if (op.getDest().getType().isSwizzled() && op.getColumn() == 0 && isOfFragments(tile)) {
      storeFragments(builder, adaptor.getDest()[0], op.getDest().getType(), cast<warp::FragAttr>(tile.getEncoding()),
                     tile.getShape(), packPairs(builder, registers));
      fenceForProducts(builder, op);
      rewriter.eraseOp(op);
      return success();
    }
    SlotAccess access(builder, adaptor.getDest()[0], op.getDest().getType(), tile, 0, op.getColumn(), false);
    int64_t width = access.width(op.getColumn());
    for (int64_t index = 0, count = registers.size(); index < count; index += width) {
      Value value = registers[index];
      if (width > 1) {
        value = LLVM::UndefOp::create(builder, VectorType::get(width, tile.getElementType()));
        for (int64_t part = 0; part < width; ++part)
          value = LLVM::InsertElementOp::create(builder, value, registers[index + part], constantI32(builder, part));
      } else if (value.getType().isInteger(1)) {
        value = arith::ExtUIOp::create(builder, builder.getI8Type(), value);
      }
      Value pointer = access.pointer(index), inside = access.inside(index);
      if (!inside) {
        LLVM::StoreOp::create(builder, value, pointer);
        continue;
      }
      auto branch = scf::IfOp::create(builder, inside, /*withElseRegion=*/false);
      OpBuilder inner = branch.getThenBodyBuilder();
      LLVM::StoreOp::create(inner, op.getLoc(), value, pointer);
    }
    fenceForProducts(builder, op);
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerLoad : OpConversionPattern<warp::LoadOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::LoadOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    RankedTensorType tile = op.getResult().getType();
    Value slot = adaptor.getSource()[0];
    Registers registers;
    bool isWhole = op.getRow() == 0 && op.getColumn() == 0;
    if (isWhole && op.getSource().getType().isSwizzled() && isOfFragments(tile)) {
      Registers words = loadFragments(builder, slot, op.getSource().getType(), cast<warp::FragAttr>(tile.getEncoding()),
                                      tile.getDimSize(0), tile.getDimSize(1), op.getTransposed());
      registers = unpackPairs(builder, words, tile.getElementType());
    } else if (isPacked(tile)) {
      if (op.getRow() != 0 || op.getColumn() != 0)
        return rewriter.notifyMatchFailure(op, "fragments are loaded from the start of a slot");
      registers = loadFragments(builder, slot, op.getSource().getType(), cast<warp::FragAttr>(tile.getEncoding()),
                                tile.getDimSize(0), tile.getDimSize(1), op.getTransposed());
    } else {
      SlotAccess access(builder, slot, op.getSource().getType(), tile, op.getRow(), op.getColumn(), op.getTransposed());
      int64_t width = access.width(op.getColumn());
      for (int64_t index = 0, count = layoutOf(tile).registers(tile.getShape()); index < count; index += width)
        appendLoaded(builder, access, tile.getElementType(), index, width, slot, registers);
    }
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{registers});
    return success();
  }

private:
  static void appendLoaded(ImplicitLocOpBuilder &builder, SlotAccess &access, Type element, int64_t index,
                           int64_t width, Value slot, Registers &registers) {
    bool flag = element.isInteger(1);
    Type type = width > 1 ? Type(VectorType::get(width, element)) : flag ? Type(builder.getI8Type()) : element;
    Value pointer = access.pointer(index);
    // A position beyond the tile has no meaning; read the first element instead of what lies behind the slot.
    if (Value inside = access.inside(index))
      pointer = LLVM::SelectOp::create(builder, inside, pointer, slot);
    Value loaded = LLVM::LoadOp::create(builder, type, pointer);
    if (flag)
      loaded = arith::TruncIOp::create(builder, builder.getI1Type(), loaded);
    for (int64_t part = 0; part < width; ++part)
      registers.push_back(
          width == 1 ? loaded : Value(LLVM::ExtractElementOp::create(builder, loaded, constantI32(builder, part))));
  }
};
} // namespace

void heddle::populateSlotTileLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerPut, LowerLoad>(converter, patterns.getContext());
}
