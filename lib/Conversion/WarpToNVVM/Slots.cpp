//===- Slots.cpp - blocks and shared memory --------------------------------------------===//
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace heddle;

using Registers = SmallVector<Value>;

CopySource::CopySource(ImplicitLocOpBuilder &builder, warp::CopyOp op, const MemRefParts &memory, ValueRange indices,
                       Value limit) {
  int64_t rank = memory.getType().getRank(), last = rank - 1, rows = op.getRowDim().value_or(rank - 2);
  Type i32 = builder.getI32Type();
  // The first row is what changes from one iteration to the next, so it comes last: the rest is one pointer that stays.
  SmallVector<Value> fixed(indices);
  fixed[rows] = arith::ConstantIndexOp::create(builder, 0);
  base = memory.address(builder, fixed);
  rowStride = memory.stride(builder, rows);
  Value firstRow = arith::IndexCastOp::create(builder, builder.getI64Type(), indices[rows]);
  firstDistance = arith::MulIOp::create(builder, firstRow, rowStride);
  Value left = arith::SubIOp::create(builder, limit ? limit : memory.size(builder, rows), indices[rows]);
  rowBound = arith::IndexCastOp::create(builder, i32, left);
  left = arith::SubIOp::create(builder, memory.size(builder, last), indices[last]);
  columnBound = arith::IndexCastOp::create(builder, i32, left);
}

Value CopySource::inside(ImplicitLocOpBuilder &builder, Value row, int64_t down, Value column) const {
  // What is left from this row on is compared with constants: one number for all rows of a thread.
  Value rowInside =
      down ? arith::CmpIOp::create(builder, arith::CmpIPredicate::sgt, arith::SubIOp::create(builder, rowBound, row),
                                   constantI32(builder, down))
           : arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, row, rowBound);
  Value columnInside = arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, column, columnBound);
  return arith::AndIOp::create(builder, rowInside, columnInside);
}

namespace {
struct LowerRing : OpConversionPattern<warp::RingOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::RingOp op, OneToNOpAdaptor, ConversionPatternRewriter &rewriter) const override {
    if (op.getResult().getType().getBulk())
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    auto pointer = LLVM::LLVMPointerType::get(op.getContext(), sharedSpace);
    Value base = LLVM::AddressOfOp::create(builder, pointer, sharedSymbol);
    rewriter.replaceOp(op, advance(builder, base, static_cast<int32_t>(*op.getOffset())));
    return success();
  }
};

/// The slot of a stage.
Value stagePointer(ImplicitLocOpBuilder &builder, Value ring, warp::RingType type, ValueRange stage) {
  if (stage.empty())
    return ring;
  Value distance = arith::MulIOp::create(builder, stage[0], constantI32(builder, type.getSlot().getBytes()));
  return advance(builder, ring, distance);
}

struct LowerAcquire : OpConversionPattern<warp::AcquireOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::AcquireOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    if (op.getRing().getType().getBulk())
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    if (!op.getOrdered())
      barrier(builder);
    rewriter.replaceOp(op, stagePointer(builder, adaptor.getRing()[0], op.getRing().getType(), adaptor.getStage()));
    return success();
  }
};

struct LowerReceive : OpConversionPattern<warp::ReceiveOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::ReceiveOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    if (op.getRing().getType().getBulk())
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    if (!op.getOrdered()) {
      NVVM::CpAsyncCommitGroupOp::create(builder);
      NVVM::CpAsyncWaitGroupOp::create(builder, 0);
      barrier(builder);
    }
    rewriter.replaceOp(op, stagePointer(builder, adaptor.getRing()[0], op.getRing().getType(), adaptor.getStage()));
    return success();
  }
};

struct LowerBlockId : OpConversionPattern<warp::BlockIdOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::BlockIdOp op, OneToNOpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    Type i32 = builder.getI32Type();
    Value block = op.getDim() == 0   ? Value(NVVM::BlockIdXOp::create(builder, i32))
                  : op.getDim() == 1 ? Value(NVVM::BlockIdYOp::create(builder, i32))
                                     : Value(NVVM::BlockIdZOp::create(builder, i32));
    rewriter.replaceOpWithNewOp<arith::IndexCastUIOp>(op, builder.getIndexType(), block);
    return success();
  }
};

struct LowerSync : OpConversionPattern<warp::SyncOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::SyncOp op, OneToNOpAdaptor, ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    barrier(builder);
    rewriter.eraseOp(op);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// copy
//===----------------------------------------------------------------------===//

struct LowerCopy : OpConversionPattern<warp::CopyOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(warp::CopyOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    if (op.getDest().getType().isSwizzled())
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SmallVector<Value> indices = singles(adaptor.getIndices());
    MemRefParts memory(cast<MemRefType>(op.getSource().getType()), adaptor.getSource());
    Value limit = op.getLimit() ? adaptor.getLimit()[0] : Value();
    CopySource source(builder, op, memory, indices, limit);
    int64_t threads =
        cast<IntegerAttr>(op->getParentOfType<FunctionOpInterface>()->getAttr(warp::WarpDialect::threadsAttr)).getInt();
    if (op.getBytes() == 16)
      copyWide(builder, op.getDest().getType(), source, adaptor.getDest()[0], threads);
    else
      copyElements(builder, op.getDest().getType(), source, adaptor.getDest()[0], threads);
    rewriter.eraseOp(op);
    return success();
  }

private:
  /// 16 bytes a thread and step, straight to shared memory; a piece outside is filled with zeros by a size of 0.
  static void copyWide(ImplicitLocOpBuilder &builder, warp::SlotType slot, const CopySource &source, Value dest,
                       int64_t threads) {
    Type element = slot.getElementType();
    int64_t width = 16 / slot.getElementBytes(), across = slot.getShape()[1] / width;
    int64_t pieces = slot.getShape()[0] * across;
    // When a step is a whole number of rows, source and target just advance.
    bool regular = threads % across == 0;
    int64_t rowStep = threads / across;
    Value thread = threadIndex(builder), pointer, target, row, column;
    auto place = [&](int64_t step) {
      Value piece = addI32(builder, thread, step * threads);
      row = arith::DivUIOp::create(builder, piece, constantI32(builder, across));
      Value part = arith::RemUIOp::create(builder, piece, constantI32(builder, across));
      column = arith::MulIOp::create(builder, part, constantI32(builder, width));
      Value wideRow = arith::ExtUIOp::create(builder, builder.getI64Type(), row);
      Value wideColumn = arith::ExtUIOp::create(builder, builder.getI64Type(), column);
      Value distance =
          arith::AddIOp::create(builder, arith::MulIOp::create(builder, wideRow, source.rowStride), wideColumn);
      pointer = gep(builder, gep(builder, source.base, element, distance), element, source.firstDistance);
      Value down = arith::MulIOp::create(builder, row, constantI32(builder, slot.getPitch()));
      Value right = arith::MulIOp::create(builder, part, constantI32(builder, 16));
      target = advance(builder, dest, Value(arith::AddIOp::create(builder, down, right)));
    };
    place(0);
    Value stepDistance =
        regular ? Value(arith::MulIOp::create(builder, source.rowStride, constantI64(builder, rowStep))) : Value();
    Value firstTarget = target;
    for (int64_t step = 0; step * threads < pieces; ++step) {
      if (step > 0 && regular) {
        pointer = gep(builder, pointer, element, stepDistance);
        target = advance(builder, firstTarget, static_cast<int32_t>(step * rowStep * slot.getPitch()));
      } else if (step > 0) {
        place(step);
      }
      Value inside = source.inside(builder, row, regular ? step * rowStep : 0, column);
      Value size = arith::SelectOp::create(builder, inside, constantI32(builder, 16), constantI32(builder, 0));
      auto emit = [&](OpBuilder &inner) {
        NVVM::CpAsyncOp::create(inner, builder.getLoc(), target, pointer, 16, NVVM::LoadCacheModifierKind::CG, size);
      };
      if ((step + 1) * threads <= pieces) {
        emit(builder);
        continue;
      }
      Value some = arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, thread,
                                         constantI32(builder, pieces - step * threads));
      auto branch = scf::IfOp::create(builder, some, /*withElseRegion=*/false);
      OpBuilder inner = branch.getThenBodyBuilder();
      emit(inner);
    }
  }

  static void copyElements(ImplicitLocOpBuilder &builder, warp::SlotType slot, const CopySource &source, Value dest,
                           int64_t threads) {
    int64_t elements = slot.getShape()[0] * slot.getShape()[1];
    Value columns = constantI32(builder, slot.getShape()[1]);
    auto loop = scf::ForOp::create(builder, threadIndex(builder), constantI32(builder, elements),
                                   constantI32(builder, threads));
    ImplicitLocOpBuilder inner(builder.getLoc(), OpBuilder::atBlockBegin(loop.getBody()));
    Value row = arith::DivUIOp::create(inner, loop.getInductionVar(), columns);
    Value column = arith::RemUIOp::create(inner, loop.getInductionVar(), columns);
    Value wideRow = arith::ExtUIOp::create(inner, inner.getI64Type(), row);
    Value wideColumn = arith::ExtUIOp::create(inner, inner.getI64Type(), column);
    Value distance = arith::AddIOp::create(inner, arith::MulIOp::create(inner, wideRow, source.rowStride), wideColumn);
    distance = arith::AddIOp::create(inner, distance, source.firstDistance);
    Value pointer = gep(inner, source.base, slot.getElementType(), distance);
    Value loaded = loadIf(inner, slot.getElementType(), pointer, source.inside(inner, row, 0, column));
    Value down = arith::MulIOp::create(inner, row, constantI32(inner, slot.getPitch()));
    Value right = arith::MulIOp::create(inner, column, constantI32(inner, slot.getElementBytes()));
    LLVM::StoreOp::create(inner, loaded, advance(inner, dest, Value(arith::AddIOp::create(inner, down, right))));
  }

  static Value gep(ImplicitLocOpBuilder &builder, Value base, Type element, Value distance) {
    return LLVM::GEPOp::create(builder, base.getType(), element, base, ArrayRef<LLVM::GEPArg>(LLVM::GEPArg(distance)));
  }
};

//===----------------------------------------------------------------------===//
// put and load
//===----------------------------------------------------------------------===//

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

struct LowerPut : OpConversionPattern<warp::PutOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::PutOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    RankedTensorType tile = op.getSource().getType();
    SlotAccess access(builder, adaptor.getDest()[0], op.getDest().getType(), tile, 0, op.getColumn(), false);
    ValueRange registers = adaptor.getSource();
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
    if (isPacked(tile)) {
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

void heddle::populateSlotLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerBlockId, LowerRing, LowerAcquire, LowerReceive, LowerSync, LowerCopy, LowerPut, LowerLoad>(
      converter, patterns.getContext());
}
