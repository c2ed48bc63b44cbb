//===- Turns.cpp - groups of consuming warps in turn ------------------------===//
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace heddle;

namespace {
/// Groups of four consuming warps have a barrier each, on which a group waits and the one before it arrives.
constexpr int64_t firstTurnBarrier = 3, turnThreads = 256;

Value turnBarrier(ImplicitLocOpBuilder &builder, int64_t groupsAhead) {
  int64_t groups = consumerWarps(builder) / 4;
  Value group = arith::ShRUIOp::create(builder, warpIndex(builder), constantI32(builder, 2));
  group = arith::RemUIOp::create(builder, addI32(builder, group, groupsAhead), constantI32(builder, groups));
  return addI32(builder, group, firstTurnBarrier);
}

struct LowerTakeTurn : OpConversionPattern<warp::TakeTurnOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::TakeTurnOp op, OneToNOpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    NVVM::BarrierOp::create(builder, Type(), turnBarrier(builder, 0), constantI32(builder, turnThreads),
                            NVVM::BarrierReductionAttr(), Value());
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerPassTurn : OpConversionPattern<warp::PassTurnOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::PassTurnOp op, OneToNOpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    inlineAsm(builder, {}, {turnBarrier(builder, 1), constantI32(builder, turnThreads)}, "bar.arrive $0, $1;",
              "r,r,~{memory}");
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void heddle::populateTurnLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerTakeTurn, LowerPassTurn>(converter, patterns.getContext());
}
