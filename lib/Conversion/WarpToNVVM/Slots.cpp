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

/// Replaces `op` by the slot. In the place of a barrier, which only bulk rings have, stands the pointer once more.
void replaceBySlot(ConversionPatternRewriter &rewriter, Operation *op, Value pointer) {
  SmallVector<Value> parts(2, pointer);
  rewriter.replaceOpWithMultiple(op, SmallVector<SmallVector<Value>>{parts});
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
    replaceBySlot(rewriter, op,
                  stagePointer(builder, adaptor.getRing()[0], op.getRing().getType(), adaptor.getStage()));
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
    replaceBySlot(rewriter, op,
                  stagePointer(builder, adaptor.getRing()[0], op.getRing().getType(), adaptor.getStage()));
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
    if (fillsBulkSlot(op))
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
} // namespace

void heddle::populateSlotLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerBlockId, LowerRing, LowerAcquire, LowerReceive, LowerSync, LowerCopy>(converter,
                                                                                          patterns.getContext());
}
