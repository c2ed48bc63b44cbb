//===- Reduce.cpp - reductions within a warp and across warps ---------------===//
#include "dialects/Tile/TileOps.h"
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace heddle;

using Registers = SmallVector<Value>;

static Value combine(ImplicitLocOpBuilder &builder, tile::ReduceKind kind, Value lhs, Value rhs) {
  bool real = isa<FloatType>(lhs.getType());
  switch (kind) {
  case tile::ReduceKind::Sum:
    // A product that says so, too, is contracted with it.
    return real ? arith::AddFOp::create(builder, lhs, rhs, arith::FastMathFlags::contract).getResult()
                : arith::AddIOp::create(builder, lhs, rhs).getResult();
  case tile::ReduceKind::Max:
    return real ? arith::MaxNumFOp::create(builder, lhs, rhs).getResult()
                : arith::MaxSIOp::create(builder, lhs, rhs).getResult();
  case tile::ReduceKind::Min:
    return real ? arith::MinNumFOp::create(builder, lhs, rhs).getResult()
                : arith::MinSIOp::create(builder, lhs, rhs).getResult();
  }
  llvm_unreachable("all kinds are handled");
}

static TypedAttr identity(Type type, tile::ReduceKind kind) {
  if (auto real = dyn_cast<FloatType>(type)) {
    const llvm::fltSemantics &semantics = real.getFloatSemantics();
    if (kind == tile::ReduceKind::Sum)
      return FloatAttr::get(type, APFloat::getZero(semantics));
    return FloatAttr::get(type, APFloat::getInf(semantics, /*Negative=*/kind == tile::ReduceKind::Max));
  }
  unsigned bits = type.getIntOrFloatBitWidth();
  if (kind == tile::ReduceKind::Sum)
    return IntegerAttr::get(type, 0);
  return IntegerAttr::get(type, kind == tile::ReduceKind::Max ? APInt::getSignedMinValue(bits)
                                                              : APInt::getSignedMaxValue(bits));
}

/// Reduces over `dim` in the thread and then among the lanes that share the other coordinate. A result for each
/// constant offset along the other dimension, in order.
static Registers reduceInWarp(ImplicitLocOpBuilder &builder, tile::ReduceKind kind, RankedTensorType source,
                              ValueRange values, int64_t dim) {
  warp::LayoutInterface layout = layoutOf(source);
  bool spread = source.getDimSize(dim) > 1;
  int64_t granule = dim == 0 ? 16 : 8;
  bool padded = spread && source.getDimSize(dim) % granule != 0;
  Value origin = padded ? originOf(builder, source)[dim] : Value();
  Value neutral =
      padded ? arith::ConstantOp::create(builder, identity(source.getElementType(), kind)).getResult() : Value();
  Registers results;
  DenseMap<int64_t, size_t> position; // offset along the other dimension -> result
  for (auto [index, value] : llvm::enumerate(values)) {
    std::array<int64_t, 2> offset = layout.offset(index, source.getShape());
    Value term = value;
    if (padded) {
      Value inside = arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, addI32(builder, origin, offset[dim]),
                                           constantI32(builder, source.getDimSize(dim)));
      term = arith::SelectOp::create(builder, inside, term, neutral);
    }
    auto [entry, fresh] = position.try_emplace(offset[1 - dim], results.size());
    if (fresh)
      results.push_back(term);
    else
      results[entry->second] = combine(builder, kind, results[entry->second], term);
  }
  if (!spread)
    return results;
  for (Value &result : results)
    for (int64_t mask = dim == 1 ? 1 : 4, end = dim == 1 ? 4 : 32; mask < end; mask *= 2)
      result = combine(builder, kind, result, shuffleXor(builder, result, mask));
  return results;
}

namespace {
struct LowerTileReduce : OpConversionPattern<tile::ReduceOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tile::ReduceOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    Registers results = reduceInWarp(builder, op.getKind(), op.getSource().getType(), adaptor.getSource(), op.getDim());
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{results});
    return success();
  }
};

struct LowerFold : OpConversionPattern<warp::FoldOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::FoldOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    RankedTensorType source = op.getSource().getType(), result = op.getResult().getType();
    warp::LayoutInterface from = layoutOf(source), to = layoutOf(result);
    DenseMap<std::pair<int64_t, int64_t>, size_t> position;
    Registers results(to.registers(result.getShape()));
    for (size_t index = 0; index < results.size(); ++index) {
      std::array<int64_t, 2> offset = to.offset(index, result.getShape());
      position[{offset[0], offset[1]}] = index;
    }
    for (auto [index, value] : llvm::enumerate(adaptor.getSource())) {
      std::array<int64_t, 2> offset = from.offset(index, source.getShape());
      Value &target = results[position.at({offset[0], offset[1] % result.getDimSize(1)})];
      target = target ? combine(builder, op.getKind(), target, value) : value;
    }
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{results});
    return success();
  }
};

struct LowerAny : OpConversionPattern<warp::AnyOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::AnyOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    Value some;
    for (Value condition : adaptor.getSource())
      some = some ? Value(arith::OrIOp::create(builder, some, condition)) : condition;
    rewriter.replaceOpWithNewOp<NVVM::VoteSyncOp>(op, builder.getI1Type(), constantI32(builder, -1), some,
                                                  NVVM::VoteSyncKind::any);
    return success();
  }
};

/// Each warp's part goes to its row of the scratch slot; after a barrier every thread combines the rows.
struct LowerWarpReduce : OpConversionPattern<warp::ReduceOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::ReduceOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    RankedTensorType source = op.getSource().getType(), result = op.getResult().getType();
    warp::SlotType slot = op.getScratch().getType();
    int64_t warps = slot.getShape()[0];
    Registers parts = reduceInWarp(builder, op.getKind(), source, adaptor.getSource(), 0);
    Value column = originOf(builder, result)[1];
    Value first = arith::MulIOp::create(builder, column, constantI32(builder, slot.getElementBytes()));
    Value base = advance(builder, adaptor.getScratch()[0], first);
    Value warp = arith::RemUIOp::create(builder, warpIndex(builder), constantI32(builder, warps));
    Value row =
        advance(builder, base, Value(arith::MulIOp::create(builder, warp, constantI32(builder, slot.getPitch()))));
    warp::LayoutInterface layout = layoutOf(result);
    auto at = [&](Value from, int64_t index, int64_t rowNumber) {
      int64_t bytes = layout.offset(index, result.getShape())[1] * slot.getElementBytes() + rowNumber * slot.getPitch();
      return advance(builder, from, static_cast<int32_t>(bytes));
    };
    for (auto [index, part] : llvm::enumerate(parts))
      LLVM::StoreOp::create(builder, part, at(row, index, 0));
    barrier(builder);
    Registers results;
    for (size_t index = 0; index < parts.size(); ++index) {
      Value total;
      for (int64_t number = 0; number < warps; ++number) {
        Value part = LLVM::LoadOp::create(builder, source.getElementType(), at(base, index, number));
        total = total ? combine(builder, op.getKind(), total, part) : part;
      }
      results.push_back(total);
    }
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{results});
    return success();
  }
};
} // namespace

void heddle::populateReduceLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerTileReduce, LowerFold, LowerAny, LowerWarpReduce>(converter, patterns.getContext());
}
