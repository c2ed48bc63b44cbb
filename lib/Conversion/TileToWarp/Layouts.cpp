//===- Layouts.cpp - the layout of every tile of a kernel -------------------===//
#include "lib/Conversion/TileToWarp/Layouts.h"
#include "dialects/Tile/TileOps.h"
#include "dialects/Warp/WarpDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace heddle;

TileLayouts::TileLayouts(func::FuncOp kernel, int64_t maxWarps) : kernel(kernel) {
  // The products decide where there are any: their operands may be taller, but lie in shared memory.
  bool hasDots = kernel.walk([](tile::DotOp) { return WalkResult::interrupt(); }).wasInterrupted();
  kernel.walk([&](Operation *op) {
    if (hasDots && !isa<tile::DotOp>(op))
      return;
    for (Type type : op->getResultTypes())
      if (auto tile = dyn_cast<RankedTensorType>(type))
        numWarps = std::max(numWarps, std::min<int64_t>(maxWarps, tile.getDimSize(0) / 16));
  });
}

int64_t TileLayouts::warpsAlongRows(int64_t rows) const {
  int64_t groups = llvm::divideCeil(rows, 16), count = std::min(numWarps, groups);
  while (groups % count)
    --count;
  return count;
}

RankedTensorType TileLayouts::encode(RankedTensorType type) const {
  MLIRContext *context = type.getContext();
  int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
  auto frag = warp::FragAttr::get(context, warp::FragKind::acc, rows == 1 ? numWarps : warpsAlongRows(rows));
  Attribute layout = frag;
  if (rows == 1 && columns == 1)
    layout = warp::UniformAttr::get(context);
  else if (rows == 1 || columns == 1)
    layout = warp::SliceAttr::get(context, rows == 1 ? 0 : 1, frag);
  return RankedTensorType::get(type.getShape(), type.getElementType(), layout);
}

RankedTensorType TileLayouts::asLeftOperand(RankedTensorType type) const {
  auto frag = dyn_cast_or_null<warp::FragAttr>(type.getEncoding());
  if (!frag)
    return {};
  return type.cloneWithEncoding(warp::FragAttr::get(type.getContext(), warp::FragKind::a, frag.getWarps()));
}

LogicalResult TileLayouts::encodeAll() {
  auto encodeValue = [&](Value value) {
    if (auto type = dyn_cast<RankedTensorType>(value.getType()))
      value.setType(encode(type));
  };
  WalkResult result = kernel.walk([&](Operation *op) {
    for (Value value : op->getResults())
      encodeValue(value);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Value argument : block.getArguments())
          encodeValue(argument);
    auto constant = dyn_cast<arith::ConstantOp>(op);
    if (!constant || !isa<RankedTensorType>(constant.getType()))
      return WalkResult::advance();
    auto dense = dyn_cast<SplatElementsAttr>(constant.getValue());
    if (!dense)
      return constant.emitOpError("expected a splat tile, got ") << constant.getValue(), WalkResult::interrupt();
    constant.setValueAttr(
        DenseElementsAttr::get(cast<ShapedType>(constant.getType()), dense.getSplatValue<Attribute>()));
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}
