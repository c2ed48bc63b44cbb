//===- Numbers.cpp - numbers that one thread sends to others ----------------===//
//
// A slot of numbers is a row of words. In a bulk ring the sender waits for the slot's
// empty barrier and arrives at its full one, and each warp that takes does the reverse;
// in any other ring block barriers order both.
//
//===----------------------------------------------------------------------===//
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/BulkRings.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

static constexpr int64_t wordBytes = 4;

static Value toWord(ImplicitLocOpBuilder &builder, Value value) {
  Type type = value.getType(), word = builder.getI32Type();
  if (type.isIndex())
    return arith::IndexCastOp::create(builder, word, value);
  if (type.isInteger(1))
    return arith::ExtUIOp::create(builder, word, value);
  return type.isF32() ? Value(LLVM::BitcastOp::create(builder, word, value)) : value;
}

static Value fromWord(ImplicitLocOpBuilder &builder, Value word, Type type) {
  if (type.isIndex())
    return arith::IndexCastOp::create(builder, type, word);
  if (type.isInteger(1))
    return arith::TruncIOp::create(builder, type, word);
  return type.isF32() ? Value(LLVM::BitcastOp::create(builder, type, word)) : word;
}

namespace {
/// The result is read later, and until then the thread goes on: no branch, which would wait.
struct LowerNextItem : OpConversionPattern<warp::NextItemOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::NextItemOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    MemRefParts memory(cast<MemRefType>(op.getCounter().getType()), adaptor.getCounter());
    Value pointer = memory.address(builder, singles(adaptor.getIndices()));
    Value asks = arith::ExtUIOp::create(builder, builder.getI32Type(), isThread(builder, firstProducer(builder)));
    rewriter.replaceOp(op, inlineAsm(builder, builder.getI32Type(), {pointer, asks},
                                     "{\n.reg .pred p;\nsetp.ne.b32 p, $2, 0;\nmov.b32 $0, 0;\n@p atom.global.add.u32 "
                                     "$0, [$1], 1;\n}",
                                     "=&r,l,r,~{memory}"));
    return success();
  }
};

struct LowerSend : OpConversionPattern<warp::SendOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::SendOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    bool isBulk = op.getRing().getType().getBulk();
    if (!isBulk)
      barrier(builder);
    auto one = scf::IfOp::create(builder, isThread(builder, firstProducer(builder)), /*withElseRegion=*/false);
    builder.setInsertionPointToStart(one.thenBlock());
    std::optional<SlotPlace> place;
    if (isBulk) {
      place.emplace(builder, adaptor.getRing(), op.getRing().getType(), adaptor.getCursor()[0]);
      waitFor(builder, place->empty, arith::XOrIOp::create(builder, place->phase, constantI32(builder, 1)));
    }
    Value slot = isBulk ? place->slot : adaptor.getRing()[0];
    for (auto [index, value] : llvm::enumerate(singles(adaptor.getValues()))) {
      Value pointer = advance(builder, slot, static_cast<int32_t>(wordBytes * index));
      LLVM::StoreOp::create(builder, toWord(builder, value), pointer, /*alignment=*/wordBytes, /*isVolatile=*/true);
    }
    if (isBulk)
      arriveIf(builder, place->full, arith::ConstantIntOp::create(builder, 1, 1));
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerTake : OpConversionPattern<warp::TakeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::TakeOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    bool isBulk = op.getRing().getType().getBulk();
    std::optional<SlotPlace> place;
    if (isBulk) {
      place.emplace(builder, adaptor.getRing(), op.getRing().getType(), adaptor.getCursor()[0]);
      waitFor(builder, place->full, place->phase);
    } else {
      barrier(builder);
    }
    Value slot = isBulk ? place->slot : adaptor.getRing()[0];
    SmallVector<Value> words, values;
    for (int64_t index = 0; index < static_cast<int64_t>(op.getNumResults()); ++index)
      words.push_back(LLVM::LoadOp::create(builder, builder.getI32Type(),
                                           advance(builder, slot, static_cast<int32_t>(wordBytes * index)),
                                           /*alignment=*/wordBytes, /*isVolatile=*/true));
    if (isBulk) {
      NVVM::SyncWarpOp::create(builder, constantI32(builder, -1));
      Value first =
          arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, laneIndex(builder), constantI32(builder, 0));
      arriveIf(builder, place->empty, first);
    }
    // All lanes of a warp agree, and the assembler should know.
    for (auto [word, type] : llvm::zip(words, op.getResultTypes())) {
      Value same =
          NVVM::ShflOp::create(builder, builder.getI32Type(), constantI32(builder, -1), word, constantI32(builder, 0),
                               constantI32(builder, 31), NVVM::ShflKind::idx, UnitAttr());
      values.push_back(fromWord(builder, same, type));
    }
    rewriter.replaceOp(op, values);
    return success();
  }
};
} // namespace

void heddle::populateNumberLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerNextItem, LowerSend, LowerTake>(converter, patterns.getContext());
}
