//===- BulkRings.cpp - rings that bulk copies fill --------------------------===//
//
// A slot of a bulk ring has two barriers. `full` completes when one thread has arrived
// and the bytes it announced have been written (of a gathered ring: when every copying
// thread has arrived); `empty` when every consuming warp has arrived. A cursor is slot + stages * (rounds mod 2), so a
// reader waits for full's phase of its round, a writer for empty's phase of the round before.
//
//===----------------------------------------------------------------------===//
#include "lib/Conversion/WarpToNVVM/BulkRings.h"
#include "dialects/Tile/BoxRows.h"
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

static constexpr llvm::StringLiteral mapNumberAttr = "warp.map";
/// On a release of a slot that threads have read or written, not only products.
static constexpr llvm::StringLiteral byThreadsAttr = "warp.by_threads";

Value heddle::swizzledOffset(ImplicitLocOpBuilder &builder, warp::SlotType slot, Value row, Value piece) {
  int64_t swizzle = slot.getLayout().getSwizzle(), pieces = swizzle / 16;
  auto c = [&](int64_t value) { return constantI32(builder, value); };
  Value panel = builder.createOrFold<arith::DivUIOp>(piece, c(pieces));
  Value within = builder.createOrFold<arith::RemUIOp>(piece, c(pieces));
  Value turn = builder.createOrFold<arith::DivUIOp>(row, c(128 / swizzle));
  turn = builder.createOrFold<arith::RemUIOp>(turn, c(pieces));
  within = builder.createOrFold<arith::XOrIOp>(within, turn);
  Value offset = builder.createOrFold<arith::MulIOp>(within, c(16));
  offset = builder.createOrFold<arith::AddIOp>(offset, builder.createOrFold<arith::MulIOp>(row, c(swizzle)));
  return builder.createOrFold<arith::AddIOp>(offset,
                                             builder.createOrFold<arith::MulIOp>(panel, c(slot.getPanelBytes())));
}

//===----------------------------------------------------------------------===//
// tensor maps
//===----------------------------------------------------------------------===//

ArrayAttr heddle::numberTensorMaps(func::FuncOp kernel) {
  Builder builder(kernel.getContext());
  SmallVector<Attribute> maps;
  kernel.walk([&](warp::CopyOp copy) {
    warp::SlotType slot = copy.getDest().getType();
    if (!slot.isSwizzled())
      return;
    int64_t rank = copy.getIndices().size();
    SmallVector<int64_t> box(rank, 1);
    if (std::optional<tile::BoxRows> rows = tile::BoxRows::of(copy))
      for (int64_t axis : {0, 1})
        box[*copy.getRowDim() + axis] = rows->box[rows->box.size() - 2 + axis];
    else
      box[copy.getRowDim().value_or(rank - 2)] = slot.getShape()[0];
    box[rank - 1] = slot.getPanelColumns();
    auto argument = cast<BlockArgument>(copy.getSource());
    Attribute map = builder.getDictionaryAttr(
        {builder.getNamedAttr("argument", builder.getI64IntegerAttr(argument.getArgNumber())),
         builder.getNamedAttr("box", builder.getDenseI64ArrayAttr(box)),
         builder.getNamedAttr("swizzle", builder.getI64IntegerAttr(slot.getLayout().getSwizzle()))});
    auto found = llvm::find(maps, map);
    copy->setAttr(mapNumberAttr, builder.getI64IntegerAttr(found - maps.begin()));
    if (found == maps.end())
      maps.push_back(map);
  });
  return builder.getArrayAttr(maps);
}

/// The kernel's parameter that is the map of a copy.
static Value mapOf(warp::CopyOp copy) {
  auto function = copy->getParentOfType<LLVM::LLVMFuncOp>();
  auto maps = function->getAttrOfType<ArrayAttr>(warp::WarpDialect::tensorMapsAttr);
  int64_t number = copy->getAttrOfType<IntegerAttr>(mapNumberAttr).getInt();
  return function.getArgument(function.getNumArguments() - maps.size() + number);
}

//===----------------------------------------------------------------------===//
// rings
//===----------------------------------------------------------------------===//

Value heddle::isThread(ImplicitLocOpBuilder &builder, int64_t thread) {
  return arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, threadIndex(builder), constantI32(builder, thread));
}

Value heddle::ringPointer(ImplicitLocOpBuilder &builder, int64_t offset) {
  auto pointer = LLVM::LLVMPointerType::get(builder.getContext(), sharedSpace);
  Value base = LLVM::AddressOfOp::create(builder, pointer, sharedSymbol);
  return advance(builder, base, static_cast<int32_t>(offset));
}

SlotPlace::SlotPlace(ImplicitLocOpBuilder &builder, ValueRange ring, warp::RingType type, Value cursor) {
  int64_t stages = type.getStages();
  Value wrapped = arith::CmpIOp::create(builder, arith::CmpIPredicate::sge, cursor, constantI32(builder, stages));
  phase = arith::ExtUIOp::create(builder, builder.getI32Type(), wrapped);
  Value rounds = arith::MulIOp::create(builder, phase, constantI32(builder, stages));
  Value stage = arith::SubIOp::create(builder, cursor, rounds);
  auto at = [&](Value base, int64_t bytes) {
    return stages == 1
               ? base
               : advance(builder, base, Value(arith::MulIOp::create(builder, stage, constantI32(builder, bytes))));
  };
  slot = at(ring[0], type.getSlot().getBytes());
  full = at(ring[1], barrierBytes);
  empty = advance(builder, full, static_cast<int32_t>(barrierBytes * stages));
}

void heddle::waitFor(ImplicitLocOpBuilder &builder, Value barrier, Value parity) {
  inlineAsm(builder, {}, {barrier, parity},
            "{\n.reg .pred p;\nWAIT:\nmbarrier.try_wait.parity.shared::cta.b64 p, [$0], $1;\n@p bra DONE;\nbra "
            "WAIT;\nDONE:\n}",
            "r,r,~{memory}");
}

void heddle::arriveIf(ImplicitLocOpBuilder &builder, Value barrier, Value condition) {
  inlineAsm(builder, {}, {barrier, arith::ExtUIOp::create(builder, builder.getI32Type(), condition)},
            "{\n.reg .pred p;\nsetp.ne.b32 p, $1, 0;\n@p mbarrier.arrive.shared::cta.b64 _, [$0];\n}", "r,r,~{memory}");
}

void heddle::meetProducers(ImplicitLocOpBuilder &builder) {
  auto function = builder.getInsertionBlock()->getParent()->getParentOfType<LLVM::LLVMFuncOp>();
  auto warps = function->getAttrOfType<IntegerAttr>(togetherAttr);
  if (!warps)
    return;
  if (warps.getInt() == 1)
    NVVM::SyncWarpOp::create(builder, constantI32(builder, -1));
  else
    NVVM::BarrierOp::create(builder, Type(), constantI32(builder, producerBarrier),
                            constantI32(builder, 32 * warps.getInt()), NVVM::BarrierReductionAttr(), Value());
}

namespace {
struct LowerBulkRing : OpConversionPattern<warp::RingOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::RingOp op, OneToNOpAdaptor, ConversionPatternRewriter &rewriter) const override {
    if (!op.getResult().getType().getBulk())
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SmallVector<Value> parts{ringPointer(builder, *op.getOffset()), ringPointer(builder, *op.getBarriers())};
    rewriter.replaceOpWithMultiple(op, SmallVector<SmallVector<Value>>{parts});
    return success();
  }
};

struct LowerBulkAcquire : OpConversionPattern<warp::AcquireOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::AcquireOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    if (!op.getRing().getType().getBulk())
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SlotPlace place(builder, adaptor.getRing(), op.getRing().getType(), adaptor.getStage()[0]);
    waitFor(builder, place.empty, arith::XOrIOp::create(builder, place.phase, constantI32(builder, 1)));
    // Threads that all fill a slot are never a phase apart.
    if (!op.getRing().getType().getGathered())
      meetProducers(builder);
    SmallVector<Value> parts{place.slot, place.full};
    rewriter.replaceOpWithMultiple(op, SmallVector<SmallVector<Value>>{parts});
    return success();
  }
};

struct LowerBulkReceive : OpConversionPattern<warp::ReceiveOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::ReceiveOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    if (!op.getRing().getType().getBulk())
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SlotPlace place(builder, adaptor.getRing(), op.getRing().getType(), adaptor.getStage()[0]);
    waitFor(builder, place.full, place.phase);
    // What threads have written, products read through another proxy.
    if (op.getRing().getType().getGathered() && op.getResult().getType().isSwizzled())
      inlineAsm(builder, {}, {}, "fence.proxy.async.shared::cta;", "~{memory}");
    SmallVector<Value> parts{place.slot, place.full};
    rewriter.replaceOpWithMultiple(op, SmallVector<SmallVector<Value>>{parts});
    return success();
  }
};

/// What threads do with a slot is done for the copy that fills it next when a fence has waited for it, not when one of
/// them arrives: while products take all that shared memory gives, an arrival overtakes the loads before it, and bulk
/// copies go through another proxy.
struct LowerRelease : OpConversionPattern<warp::ReleaseOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::ReleaseOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SlotPlace place(builder, adaptor.getRing(), op.getRing().getType(), adaptor.getCursor()[0]);
    if (op->hasAttr(byThreadsAttr)) {
      inlineAsm(builder, {}, {}, "fence.proxy.async.shared::cta;", "~{memory}");
      NVVM::SyncWarpOp::create(builder, constantI32(builder, -1));
    }
    Value first = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, laneIndex(builder), constantI32(builder, 0));
    arriveIf(builder, place.empty, first);
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerAdvance : OpConversionPattern<warp::AdvanceOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::AdvanceOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    Value next = addI32(builder, adaptor.getCursor()[0], 1);
    Value wraps =
        arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, next, constantI32(builder, 2 * op.getStages()));
    rewriter.replaceOpWithNewOp<arith::SelectOp>(op, wraps, constantI32(builder, 0), next);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// copies
//===----------------------------------------------------------------------===//

struct LowerBulkCopy : OpConversionPattern<warp::CopyOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(warp::CopyOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    if (!fillsBulkSlot(op) || !op.getDest().getType().isSwizzled())
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SmallVector<Value> indices = singles(adaptor.getIndices());
    ValueRange dest = adaptor.getDest();
    if (!op.getLimit()) {
      copyBoxes(builder, op, indices, dest);
      rewriter.eraseOp(op);
      return success();
    }
    // A map zeroes what is beyond the array; what is beyond a limit inside it, threads must.
    MemRefParts memory(cast<MemRefType>(op.getSource().getType()), adaptor.getSource());
    int64_t rows = op.getRowDim().value_or(indices.size() - 2);
    Value limit = adaptor.getLimit()[0];
    Value end = arith::AddIOp::create(builder, indices[rows],
                                      arith::ConstantIndexOp::create(builder, op.getDest().getType().getShape()[0]));
    Value before = arith::CmpIOp::create(builder, arith::CmpIPredicate::sle, end, limit);
    Value whole = arith::CmpIOp::create(builder, arith::CmpIPredicate::sge, limit, memory.size(builder, rows));
    auto branch = scf::IfOp::create(builder, arith::OrIOp::create(builder, before, whole), /*withElseRegion=*/true);
    builder.setInsertionPointToStart(branch.thenBlock());
    copyBoxes(builder, op, indices, dest);
    builder.setInsertionPointToStart(branch.elseBlock());
    copyPieces(builder, op, CopySource(builder, op, memory, indices, limit), dest);
    rewriter.eraseOp(op);
    return success();
  }

private:
  /// One thread announces the bytes and sends a box for each panel.
  static void copyBoxes(ImplicitLocOpBuilder &builder, warp::CopyOp op, ArrayRef<Value> indices, ValueRange dest) {
    OpBuilder::InsertionGuard guard(builder);
    warp::SlotType slot = op.getDest().getType();
    auto one = scf::IfOp::create(builder, isThread(builder, firstProducer(builder)), /*withElseRegion=*/false);
    builder.setInsertionPointToStart(one.thenBlock());
    inlineAsm(builder, {}, {dest[1], constantI32(builder, slot.getBytes())},
              "mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;", "r,r,~{memory}");
    SmallVector<Value> coordinates;
    for (Value index : llvm::reverse(indices))
      coordinates.push_back(arith::IndexCastOp::create(builder, builder.getI32Type(), index));
    // A box of more than two axes comes plane by plane.
    std::optional<tile::BoxRows> box = tile::BoxRows::of(op);
    int64_t planes = box ? box->count() / box->countPlane() : 1;
    int64_t planeBytes = box ? box->countPlane() * slot.getLayout().getSwizzle() : 0;
    int64_t rowCoordinate = coordinates.size() - 1 - op.getRowDim().value_or(coordinates.size() - 2);
    Value map = mapOf(op), firstColumn = coordinates[0], firstRow = coordinates[rowCoordinate];
    for (int64_t plane = 0; plane < planes; ++plane) {
      if (box)
        coordinates[rowCoordinate] = addI32(builder, firstRow, box->planeDistance(plane));
      for (int64_t panel = 0; panel * slot.getPanelColumns() < slot.getShape()[1]; ++panel) {
        coordinates[0] = addI32(builder, firstColumn, panel * slot.getPanelColumns());
        int64_t distance = panel * slot.getPanelBytes() + plane * planeBytes;
        NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
            builder, advance(builder, dest[0], static_cast<int32_t>(distance)), map, coordinates, dest[1], ValueRange(),
            Value(), Value(), NVVM::TMALoadMode::TILE, /*isCTAOnly=*/true, NVVM::CTAGroupKindAttr(), Value());
      }
    }
  }

  /// All producing threads copy 16 bytes at a time, with zeros beyond the limit; the products read through another
  /// proxy, so a fence comes before the arrival.
  static void copyPieces(ImplicitLocOpBuilder &builder, warp::CopyOp op, const CopySource &source, ValueRange dest) {
    constexpr int64_t producers = copyingThreads;
    warp::SlotType slot = op.getDest().getType();
    int64_t width = 16 / slot.getElementBytes(), across = slot.getShape()[1] / width;
    Value thread = addI32(builder, threadIndex(builder), -firstProducer(builder));
    auto loop = scf::ForOp::create(builder, thread, constantI32(builder, slot.getShape()[0] * across),
                                   constantI32(builder, producers));
    {
      ImplicitLocOpBuilder inner(builder.getLoc(), OpBuilder::atBlockBegin(loop.getBody()));
      Value row = arith::DivUIOp::create(inner, loop.getInductionVar(), constantI32(inner, across));
      Value part = arith::RemUIOp::create(inner, loop.getInductionVar(), constantI32(inner, across));
      Value column = arith::MulIOp::create(inner, part, constantI32(inner, width));
      Value distance =
          arith::MulIOp::create(inner, arith::ExtUIOp::create(inner, inner.getI64Type(), row), source.rowStride);
      distance = arith::AddIOp::create(inner, distance, arith::ExtUIOp::create(inner, inner.getI64Type(), column));
      distance = arith::AddIOp::create(inner, distance, source.firstDistance);
      Value pointer = LLVM::GEPOp::create(inner, source.base.getType(), slot.getElementType(), source.base,
                                          ArrayRef<LLVM::GEPArg>(LLVM::GEPArg(distance)));
      // Rows of any length may end within a piece.
      Value bytes = constantI32(inner, 16);
      if (cast<MemRefType>(op.getSource().getType()).isDynamicDim(op.getIndices().size() - 1)) {
        Value left = arith::SubIOp::create(inner, source.columnBound, column);
        left = arith::MulIOp::create(inner, left, constantI32(inner, slot.getElementBytes()));
        bytes = arith::MinSIOp::create(inner, left, bytes);
      }
      Value size = arith::SelectOp::create(inner, source.inside(inner, row, 0, column), bytes, constantI32(inner, 0));
      Value target = advance(inner, dest[0], swizzledOffset(inner, slot, row, part));
      NVVM::CpAsyncOp::create(inner, target, pointer, 16, NVVM::LoadCacheModifierKind::CG, size);
    }
    inlineAsm(builder, {}, {}, "cp.async.wait_all;\nfence.proxy.async.shared::cta;", "~{memory}");
    NVVM::BarrierOp::create(builder, Type(), constantI32(builder, producerBarrier), constantI32(builder, producers),
                            NVVM::BarrierReductionAttr(), Value());
    arriveIf(builder, dest[1], isThread(builder, firstProducer(builder)));
  }
};
} // namespace

/// Whether threads access a slot: whatever is no asynchronous product.
static bool isUsedByThreads(Value slot) {
  return llvm::any_of(slot.getUsers(), [](Operation *user) {
    auto product = dyn_cast<warp::MmaOp>(user);
    return !product || !product.getAsync();
  });
}

void heddle::markThreadAccesses(LLVM::LLVMFuncOp function) {
  function.walk([](warp::ReleaseOp release) {
    bool isByThreads = llvm::any_of(release.getRing().getUsers(), [](Operation *user) {
      auto receive = dyn_cast<warp::ReceiveOp>(user);
      return receive && isUsedByThreads(receive.getResult());
    });
    if (isByThreads)
      release->setAttr(byThreadsAttr, UnitAttr::get(release.getContext()));
  });
}

void heddle::populateBulkRingLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerBulkRing, LowerBulkAcquire, LowerBulkReceive, LowerRelease, LowerAdvance, LowerBulkCopy>(
      converter, patterns.getContext());
}
