//===- PositionMasks.cpp - comparisons of positions, and selections by them -===//
//
// Whether row i + c has reached column j + d is one number of the thread, i - j, that every
// register compares with a constant: no position has a register. If i and j are the same
// in every iteration, or all positions but a constant, they leave the loop, one for each
// register, or what comparisons say is packed and unpacked again, bit by bit. Here they
// stay beside what they select: the number is made again where it is needed. What is so
// for all threads is a constant.
//
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace heddle;

namespace {
/// Positions along a dimension of a tile: a thread's origin there, the offset of a register, and `first`.
struct Positions {
  int64_t dim, first;

  static std::optional<Positions> match(Value tile) {
    if (auto broadcast = tile.getDefiningOp<tile::BroadcastOp>())
      return match(broadcast.getSource());
    if (auto sum = tile.getDefiningOp<arith::AddIOp>()) {
      SplatElementsAttr more;
      std::optional<Positions> positions = match(sum.getLhs());
      if (!positions || !matchPattern(sum.getRhs(), m_Constant(&more)))
        return std::nullopt;
      return Positions{positions->dim, positions->first + more.getSplatValue<APInt>().getSExtValue()};
    }
    auto iota = tile.getDefiningOp<tile::IotaOp>();
    APInt first;
    if (!iota || !matchPattern(iota.getOffset(), m_ConstantInt(&first)))
      return std::nullopt;
    return Positions{static_cast<int64_t>(iota.getDim()), first.getSExtValue()};
  }
};

struct LowerPositionSelect : OpConversionPattern<arith::SelectOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(arith::SelectOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto type = dyn_cast<RankedTensorType>(op.getType());
    auto compare = op.getCondition().getDefiningOp<arith::CmpIOp>();
    if (!type || !layoutOf(type) || !compare || compare->getBlock() == op->getBlock())
      return failure();
    std::optional<Positions> lhs = Positions::match(compare.getLhs()), rhs = Positions::match(compare.getRhs());
    if (!lhs || !rhs || lhs->dim == rhs->dim)
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    std::array<Value, 2> origin = originOf(builder, type);
    Value distance = arith::SubIOp::create(builder, origin[lhs->dim], origin[rhs->dim]);
    distance = inlineAsm(builder, builder.getI32Type(), distance, "mov.b32 $0, $1;", "=r,r");
    SmallVector<Value> registers;
    for (int64_t index = 0, count = layoutOf(type).registers(type.getShape()); index < count; ++index) {
      std::array<int64_t, 2> offset = layoutOf(type).offset(index, type.getShape());
      int64_t bound = rhs->first + offset[rhs->dim] - lhs->first - offset[lhs->dim];
      Value holds = arith::CmpIOp::create(builder, compare.getPredicate(), distance, constantI32(builder, bound));
      registers.push_back(
          arith::SelectOp::create(builder, holds, adaptor.getTrueValue()[index], adaptor.getFalseValue()[index]));
    }
    rewriter.replaceOpWithMultiple(op, SmallVector<SmallVector<Value>>{registers});
    return success();
  }
};

/// The least and the largest of a thread's number; everything if it is not known before run time.
struct Bounds {
  int64_t least = std::numeric_limits<int32_t>::min(), largest = std::numeric_limits<int32_t>::max();

  bool areKnown() const { return least > std::numeric_limits<int32_t>::min(); }
  static Bounds sum(Bounds x, Bounds y) {
    return x.areKnown() && y.areKnown() ? Bounds{x.least + y.least, x.largest + y.largest} : Bounds();
  }
  Bounds negated() const { return areKnown() ? Bounds{-largest, -least} : Bounds(); }
};

/// A sum of positions and scalars: a number of the thread, and a constant for each register.
struct PositionSum {
  Value number;
  Bounds bounds; ///< of the number
  SmallVector<int64_t> offsets;
};

/// Of a block.
constexpr int64_t mostWarps = 32;

/// Of all threads' origins along a dimension.
Bounds boundsOfOrigin(RankedTensorType type, int64_t dim) {
  AffineMap map = layoutOf(type).origin(type.getShape());
  Bounds bounds{std::numeric_limits<int64_t>::max(), 0};
  for (int64_t warp = 0; warp < mostWarps; ++warp)
    for (int64_t lane = 0; lane < 32; ++lane) {
      int64_t origin = map.compose({lane, warp})[dim];
      bounds = {std::min(bounds.least, origin), std::max(bounds.largest, origin)};
    }
  return bounds;
}

/// What a comparison of a number in `bounds` with a constant says, if it always says the same.
std::optional<bool> resultOf(arith::CmpIPredicate predicate, Bounds bounds, int64_t constant) {
  if (!bounds.areKnown())
    return std::nullopt;
  auto holds = [&](int64_t number) {
    return arith::applyCmpPredicate(predicate, APInt(64, number, true), APInt(64, constant, true));
  };
  bool first = holds(bounds.least);
  bool isEquality = predicate == arith::CmpIPredicate::eq || predicate == arith::CmpIPredicate::ne;
  // An order changes once between the ends, an equality at the constant alone.
  if (first != holds(bounds.largest) || (isEquality && bounds.least < constant && constant < bounds.largest))
    return std::nullopt;
  return first;
}

struct LowerPositionCompare : OpConversionPattern<arith::CmpIOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(arith::CmpIOp op, OneToNOpAdaptor, ConversionPatternRewriter &rewriter) const override {
    auto type = dyn_cast<RankedTensorType>(op.getLhs().getType());
    bool isUsedHere = llvm::any_of(op->getUsers(), [&](Operation *user) { return user->getBlock() == op->getBlock(); });
    if (!type || !layoutOf(type) || !isUsedHere || !isPositions(op.getLhs()) || !isPositions(op.getRhs()) ||
        isUnsigned(op.getPredicate()))
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    // Where all warps run one program, positions that are shared by comparisons take fewer registers.
    if (!consumerWarps(builder))
      return failure();
    PositionSum lhs = sum(rewriter, op.getLhs(), type), rhs = sum(rewriter, op.getRhs(), type);
    // A limit may be far from all positions: then so is what is left of the difference.
    Value distance =
        inlineAsm(builder, builder.getI32Type(), {lhs.number, rhs.number}, "sub.sat.s32 $0, $1, $2;", "=r,r,r");
    SmallVector<Value> registers;
    Bounds bounds = Bounds::sum(lhs.bounds, rhs.bounds.negated());
    for (auto [left, right] : llvm::zip(lhs.offsets, rhs.offsets)) {
      std::optional<bool> known = resultOf(op.getPredicate(), bounds, right - left);
      registers.push_back(
          known ? arith::ConstantIntOp::create(builder, *known, 1).getResult()
                : arith::CmpIOp::create(builder, op.getPredicate(), distance, constantI32(builder, right - left)));
    }
    rewriter.replaceOpWithMultiple(op, SmallVector<SmallVector<Value>>{registers});
    return success();
  }

private:
  static bool isUnsigned(arith::CmpIPredicate predicate) {
    return predicate == arith::CmpIPredicate::ult || predicate == arith::CmpIPredicate::ule ||
           predicate == arith::CmpIPredicate::ugt || predicate == arith::CmpIPredicate::uge;
  }

  static bool isPositions(Value tile) {
    Operation *op = tile.getDefiningOp();
    if (auto broadcast = dyn_cast_or_null<tile::BroadcastOp>(op))
      return isPositions(broadcast.getSource());
    if (isa_and_nonnull<arith::AddIOp, arith::SubIOp>(op))
      return isPositions(op->getOperand(0)) && isPositions(op->getOperand(1));
    SplatElementsAttr constant;
    return isa_and_nonnull<tile::IotaOp>(op) ||
           (getElementTypeOrSelf(tile.getType()).isInteger(32) &&
            (isa_and_nonnull<tensor::SplatOp>(op) || matchPattern(tile, m_Constant(&constant))));
  }

  /// Of a tile whose registers are those of `type`, or fewer that are repeated.
  PositionSum sum(ConversionPatternRewriter &rewriter, Value tile, RankedTensorType type) const {
    ImplicitLocOpBuilder builder(tile.getLoc(), rewriter);
    Operation *op = tile.getDefiningOp();
    int64_t count = layoutOf(type).registers(type.getShape());
    if (auto broadcast = dyn_cast<tile::BroadcastOp>(op))
      return sum(rewriter, broadcast.getSource(), type);
    if (isa<arith::AddIOp, arith::SubIOp>(op)) {
      PositionSum left = sum(rewriter, op->getOperand(0), type), right = sum(rewriter, op->getOperand(1), type);
      bool adds = isa<arith::AddIOp>(op);
      left.number = adds ? arith::AddIOp::create(builder, left.number, right.number).getResult()
                         : arith::SubIOp::create(builder, left.number, right.number).getResult();
      left.bounds = Bounds::sum(left.bounds, adds ? right.bounds : right.bounds.negated());
      for (auto [offset, more] : llvm::zip(left.offsets, right.offsets))
        offset += adds ? more : -more;
      return left;
    }
    auto iota = dyn_cast<tile::IotaOp>(op);
    if (!iota) {
      SplatElementsAttr constant;
      if (!matchPattern(tile, m_Constant(&constant)))
        return {rewriter.getRemappedValue(cast<tensor::SplatOp>(op).getInput()), {}, SmallVector<int64_t>(count, 0)};
      int64_t number = constant.getSplatValue<APInt>().getSExtValue();
      return {constantI32(builder, number), {number, number}, SmallVector<int64_t>(count, 0)};
    }
    int64_t dim = iota.getDim();
    Value start =
        arith::IndexCastOp::create(builder, builder.getI32Type(), rewriter.getRemappedValue(iota.getOffset()));
    PositionSum positions{arith::AddIOp::create(builder, start, originOf(builder, type)[dim]), {}, {}};
    APInt first;
    if (matchPattern(iota.getOffset(), m_ConstantInt(&first))) {
      int64_t number = first.getSExtValue();
      positions.bounds = Bounds::sum({number, number}, boundsOfOrigin(type, dim));
    }
    for (int64_t index = 0; index < count; ++index)
      positions.offsets.push_back(layoutOf(type).offset(index, type.getShape())[dim]);
    return positions;
  }
};
} // namespace

void heddle::populatePositionMaskLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerPositionCompare>(converter, patterns.getContext(), /*benefit=*/2);
  patterns.add<LowerPositionSelect>(converter, patterns.getContext(), /*benefit=*/2);
}
