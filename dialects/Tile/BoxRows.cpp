//===- BoxRows.cpp ----------------------------------------------------------===//
#include "dialects/Tile/BoxRows.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle::tile;

int64_t BoxRows::count() const {
  int64_t rows = 1;
  for (int64_t extent : box)
    rows *= extent;
  return rows;
}

int64_t BoxRows::planeDistance(int64_t plane) const {
  int64_t distance = 0;
  for (int64_t axis = pitches.size() - 1; axis >= 0; --axis) {
    distance += plane % box[axis] * pitches[axis];
    plane /= box[axis];
  }
  return distance;
}

std::pair<Value, Value> BoxRows::distances(OpBuilder &builder, Location loc, Value row) const {
  auto constant = [&](int64_t value) -> Value {
    TypedAttr number = builder.getIntegerAttr(getElementTypeOrSelf(row.getType()), value);
    if (auto tile = dyn_cast<RankedTensorType>(row.getType()))
      number = DenseElementsAttr::get(tile, Attribute(number));
    return arith::ConstantOp::create(builder, loc, number);
  };
  // The digits of the row's number, the last axis first.
  Value rest = row, first, second;
  for (int64_t axis = box.size() - 1; axis >= 0; --axis) {
    bool isLast = axis == 0;
    Value digit = isLast ? rest : builder.createOrFold<arith::RemUIOp>(loc, rest, constant(box[axis]));
    if (!isLast)
      rest = builder.createOrFold<arith::DivUIOp>(loc, rest, constant(box[axis]));
    if (!second) {
      second = digit;
      continue;
    }
    if (axis < static_cast<int64_t>(pitches.size()))
      digit = builder.createOrFold<arith::MulIOp>(loc, digit, constant(pitches[axis]));
    first = first ? builder.createOrFold<arith::AddIOp>(loc, first, digit) : digit;
  }
  return {first, second};
}
