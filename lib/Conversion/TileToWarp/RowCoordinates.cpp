//===- RowCoordinates.cpp - coordinates of rows, for the warps that copy ----===//
#include "lib/Conversion/TileToWarp/RowCoordinates.h"
#include "dialects/Tile/BoxRows.h"
#include "dialects/Tile/TileOps.h"
#include "lib/Conversion/TileToWarp/Transfers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
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

void heddle::gatherBoxes(Operation *kernel) {
  SmallVector<tile::LoadOp> loads;
  kernel->walk([&](tile::LoadOp load) {
    bool feedsDot = llvm::any_of(load->getUsers(), llvm::IsaPred<tile::DotOp>);
    if (load.getBox() && !load.getColumn() && feedsDot)
      loads.push_back(load);
  });
  for (tile::LoadOp load : loads) {
    ImplicitLocOpBuilder b(load.getLoc(), load);
    Type i32 = b.getI32Type();
    RankedTensorType tile = load.getResult().getType();
    auto vector = RankedTensorType::get({tile.getDimSize(0), 1}, i32);
    auto splat = [&](Value number) -> Value {
      number = arith::IndexCastOp::create(b, i32, number);
      return tensor::SplatOp::create(b, vector, number);
    };
    Value row = tile::IotaOp::create(b, vector, 0, arith::ConstantIndexOp::create(b, 0));
    auto [first, second] = tile::BoxRows::of(load)->distances(b, b.getLoc(), row);
    SmallVector<Value> coordinates(load.getIndices());
    int64_t dim = *load.getRowDim();
    Value inside;
    for (auto [at, distance] : {std::pair(dim, first), std::pair(dim + 1, second)}) {
      Value size =
          at == dim && load.getLimit() ? load.getLimit() : memref::DimOp::create(b, load.getSource(), at).getResult();
      coordinates[at] = arith::AddIOp::create(b, distance, splat(coordinates[at]));
      Value here = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, coordinates[at], splat(size));
      inside = inside ? arith::AndIOp::create(b, inside, here).getResult() : here;
    }
    auto columns = RankedTensorType::get({1, tile.getDimSize(1)}, i32);
    coordinates.back() = tile::IotaOp::create(b, columns, 1, coordinates.back());
    Value gathered = tile::GatherOp::create(b, tile, load.getSource(), coordinates, inside);
    load.replaceAllUsesWith(gathered);
    load.erase();
  }
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
