//===- RowStores.cpp - whole rows from a slot to an array -------------------===//
//
// What a warp has just put to its own rows of a swizzled slot it stores from there: neighbouring lanes have
// neighbouring pieces of 16 bytes, so that an access is of whole lines.
//
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/TileAccess.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace heddle;

/// The put of the same tile right before a store; null if there is none.
static warp::PutOp putBefore(tile::StoreOp op) {
  auto put = dyn_cast_or_null<warp::PutOp>(op->getPrevNode());
  return put && put.getSource() == op.getValue() && put.getDest().getType().isSwizzled() ? put : warp::PutOp();
}

namespace {
struct LowerRowStore : OpConversionPattern<tile::StoreOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tile::StoreOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    warp::PutOp put = putBefore(op);
    if (!put)
      return rewriter.notifyMatchFailure(op, "not of what has just been put");
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    warp::SlotType slotType = put.getDest().getType();
    Value slot = rewriter.getRemappedValue(put.getDest());
    RankedTensorType tile = op.getValue().getType();
    SmallVector<Value> indices = singles(adaptor.getIndices());
    MemRefParts memory(cast<MemRefType>(op.getDest().getType()), adaptor.getDest());
    int64_t rank = indices.size(), rowDim = op.getRowDim().value_or(rank - 2);
    Value bound = op.getLimit() ? adaptor.getLimit()[0] : memory.size(builder, rowDim);
    auto left = [&](Value size, int64_t dim) {
      Value distance = builder.createOrFold<arith::SubIOp>(size, indices[dim]);
      return arith::IndexCastOp::create(builder, builder.getI32Type(), distance).getResult();
    };
    Value rows = left(bound, rowDim), columns = left(memory.size(builder, rank - 1), rank - 1);
    constexpr int64_t lanes = 32, warpRows = 16;
    int64_t width = 16 / slotType.getElementBytes(), across = tile.getDimSize(1) / width;
    int64_t warps = tile.getDimSize(0) / warpRows;
    // Made where it is read: nothing of it lasts from iteration to iteration.
    Value lane = inlineAsm(builder, builder.getI32Type(), laneIndex(builder), "mov.b32 $0, $1;", "=r,r");
    Value warp = arith::RemUIOp::create(builder, warpIndex(builder), constantI32(builder, warps));
    Value warpRow = arith::MulIOp::create(builder, warp, constantI32(builder, warpRows));
    Value start = memory.address(builder, indices), stride = memory.stride(builder, rowDim);
    NVVM::SyncWarpOp::create(builder, constantI32(builder, -1));
    Type word = builder.getI32Type();
    auto words = LLVM::LLVMStructType::getLiteral(builder.getContext(), {word, word, word, word});
    for (int64_t first = 0; first < warpRows * across; first += lanes) {
      Value number = addI32(builder, lane, first);
      Value row = arith::DivUIOp::create(builder, number, constantI32(builder, across));
      Value piece = arith::RemUIOp::create(builder, number, constantI32(builder, across));
      row = arith::AddIOp::create(builder, warpRow, row);
      Value from = advance(builder, slot, swizzledOffset(builder, slotType, row, piece));
      Value loaded =
          inlineAsm(builder, words, from, "ld.shared.v4.b32 {$0, $1, $2, $3}, [$4];", "=r,=r,=r,=r,r,~{memory}");
      Value distance =
          arith::MulIOp::create(builder, arith::ExtUIOp::create(builder, builder.getI64Type(), row), stride);
      Value column = arith::MulIOp::create(builder, piece, constantI32(builder, width));
      Type element = tile.getElementType();
      Value to = LLVM::GEPOp::create(builder, start.getType(), element, start, ArrayRef<LLVM::GEPArg>(distance));
      to = LLVM::GEPOp::create(builder, start.getType(), element, to, ArrayRef<LLVM::GEPArg>(column));
      Value inside = arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, row, rows);
      inside = arith::AndIOp::create(builder, inside,
                                     arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, column, columns));
      SmallVector<Value> words;
      for (int64_t part : {0, 1, 2, 3})
        words.push_back(LLVM::ExtractValueOp::create(builder, loaded, part));
      storeWordsIf(builder, words, to, inside);
    }
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void heddle::populateRowStoreLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerRowStore>(converter, patterns.getContext(), /*benefit=*/3); // than by pieces of registers
}
