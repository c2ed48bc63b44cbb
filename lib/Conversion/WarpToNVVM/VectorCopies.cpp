//===- VectorCopies.cpp - rows of numbers to a slot ahead of time -----------===//
//
// A row of 32-bit elements that each iteration reads anew is copied by the threads of
// the copying role, an element each at a time. They arrive at the slot's full barrier when
// their copies have come, and nobody waits for them. So an array's rows may start anywhere,
// which a tensor map's may not.
//
//===----------------------------------------------------------------------===//
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

bool heddle::fillsBulkSlot(warp::CopyOp copy) {
  auto acquire = copy.getDest().getDefiningOp<warp::AcquireOp>();
  return acquire && acquire.getRing().getType().getBulk();
}

namespace {
struct LowerVectorCopy : OpConversionPattern<warp::CopyOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(warp::CopyOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    warp::SlotType slot = op.getDest().getType();
    if (!fillsBulkSlot(op) || slot.isSwizzled())
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    constexpr int64_t threads = 32 * warp::WarpDialect::copyingWarps;
    SmallVector<Value> indices = singles(adaptor.getIndices());
    MemRefParts memory(cast<MemRefType>(op.getSource().getType()), adaptor.getSource());
    Value first = memory.address(builder, indices);
    Value left = arith::SubIOp::create(builder, memory.size(builder, indices.size() - 1), indices.back());
    left = arith::IndexCastOp::create(builder, builder.getI32Type(), left);
    Value thread = addI32(builder, threadIndex(builder), -32 * consumerWarps(builder));
    int64_t columns = slot.getShape()[1], bytes = slot.getElementBytes();
    for (int64_t start = 0; start < columns; start += threads) {
      OpBuilder::InsertionGuard guard(builder);
      Value column = addI32(builder, thread, start);
      if (start + threads > columns) {
        Value isColumn =
            arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, column, constantI32(builder, columns));
        builder.setInsertionPointToStart(scf::IfOp::create(builder, isColumn, /*withElseRegion=*/false).thenBlock());
      }
      Value distance = arith::MulIOp::create(builder, column, constantI32(builder, bytes));
      // What is outside reads 0, from no address.
      Value inside = arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, column, left);
      Value size = arith::SelectOp::create(builder, inside, constantI32(builder, bytes), constantI32(builder, 0));
      Value wide = arith::ExtUIOp::create(builder, builder.getI64Type(), distance);
      NVVM::CpAsyncOp::create(builder, advance(builder, adaptor.getDest()[0], distance), advance(builder, first, wide),
                              static_cast<uint32_t>(bytes), NVVM::LoadCacheModifierKind::CA, size);
    }
    inlineAsm(builder, {}, adaptor.getDest()[1], "cp.async.mbarrier.arrive.noinc.shared::cta.b64 [$0];", "r,~{memory}");
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void heddle::populateVectorCopyLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerVectorCopy>(converter, patterns.getContext());
}
