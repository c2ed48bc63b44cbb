//===- RowCoordinates.cpp - coordinates of rows, for the warps that copy ----===//
#include "lib/Conversion/TileToWarp/RowCoordinates.h"
#include "dialects/Tile/TileOps.h"
#include "lib/Conversion/TileToWarp/Transfers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace heddle;

Value RowCoordinates::operator()(Value value) {
  if (!isa<RankedTensorType>(value.getType()) || there.contains(value))
    return there.lookupOrDefault(value);
  Operation *op = value.getDefiningOp();
  for (Value operand : op->getOperands())
    (*this)(operand);
  OpBuilder builder(op->getContext());
  builder.setInsertionPointAfter(op);
  Operation *clone = builder.clone(*op, there);
  auto type = cast<RankedTensorType>(value.getType());
  type = layouts.encode(RankedTensorType::get(type.getShape(), type.getElementType()));
  clone->getResult(0).setType(type);
  if (auto constant = dyn_cast<arith::ConstantOp>(clone)) {
    auto dense = cast<SplatElementsAttr>(constant.getValue());
    constant.setValueAttr(DenseElementsAttr::get(cast<ShapedType>(type), dense.getSplatValue<Attribute>()));
  }
  return clone->getResult(0);
}

void heddle::foldRowMasks(Operation *kernel) {
  SmallVector<arith::SelectOp> selections;
  kernel->walk([&](arith::SelectOp op) { selections.push_back(op); });
  for (arith::SelectOp op : selections) {
    auto gather = op.getTrueValue().getDefiningOp<tile::GatherOp>();
    auto broadcast = op.getCondition().getDefiningOp<tile::BroadcastOp>();
    bool isZero = matchPattern(op.getFalseValue(), m_AnyZeroFloat()) || matchPattern(op.getFalseValue(), m_Zero());
    if (!gather || !broadcast || !isZero || gather.getMask() || broadcast.getSource().getType().getDimSize(1) != 1)
      continue;
    OpBuilder builder(op);
    auto masked = tile::GatherOp::create(builder, gather.getLoc(), gather.getResult().getType(), gather.getSource(),
                                         gather.getCoordinates(), broadcast.getSource());
    if (!suitsRowCopies(masked)) {
      masked.erase();
      continue;
    }
    op.replaceAllUsesWith(masked.getResult());
    op.erase();
    if (gather->use_empty())
      gather.erase();
  }
}
