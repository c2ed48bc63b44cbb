//===- PositionMasks.cpp - selections by positions that a loop does not change -===//
//
// Whether row i + c has reached column j + d is the same in every iteration when i and j are a
// thread's own. So the comparisons leave the loop, one for each register, and what they
// say is packed and unpacked again, bit by bit. Here they stay beside what they select:
// i - j is one number of the thread, made again where it is needed, and every register
// compares it with a constant.
//
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
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
} // namespace

void heddle::populatePositionMaskLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerPositionSelect>(converter, patterns.getContext(), /*benefit=*/2);
}
