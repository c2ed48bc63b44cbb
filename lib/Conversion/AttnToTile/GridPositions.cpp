//===- GridPositions.cpp - positions of a box of a grid ---------------------===//
//
// A row of a box is numbered by its coordinates in the box, the last axis fastest, and
// memory by those in the grid. In memory whose positions are grouped by lines
// (tile.residues) the last axis is a dimension, and all others together are the one before
// it: a plane of the box is a rectangle there, and planes lie a constant apart.
//
//===----------------------------------------------------------------------===//
#include "TileEmitter.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle;

int64_t GridBox::count() const {
  int64_t positions = 1;
  for (int64_t extent : tile)
    positions *= extent;
  return positions;
}

/// How far positions are from the box's first one along an axis; null where all are on one coordinate.
Value TileEmitter::digits(const Lifted &positions, unsigned axis) {
  ImplicitLocOpBuilder &b = builder();
  const GridBox &box = *positions.box;
  if (box.tile[axis] == 1)
    return {};
  TileShape shape{1, 1};
  shape[positions.dim] = positions.extent;
  Type i32 = b.getI32Type();
  Value number = tile::IotaOp::create(b, RankedTensorType::get(shape, i32), positions.dim, kernel.constant(0));
  int64_t inner = 1;
  for (int64_t extent : ArrayRef(box.tile).drop_front(axis + 1))
    inner *= extent;
  if (inner != 1)
    number = arith::DivUIOp::create(b, number, constantTile(shape, i32, inner));
  if (inner * box.tile[axis] != positions.extent)
    number = arith::RemUIOp::create(b, number, constantTile(shape, i32, box.tile[axis]));
  return number;
}

Value TileEmitter::coordinate(const Lifted &positions, unsigned axis) {
  TileShape shape{1, 1};
  shape[positions.dim] = positions.extent;
  Value origin = materialize({positions.box->origin[axis]}, shape), along = digits(positions, axis);
  return along ? arith::AddIOp::create(builder(), origin, along).getResult() : origin;
}

Value TileEmitter::existsAlong(const Lifted &positions, unsigned axis) {
  const GridBox &box = *positions.box;
  Value tile = coordinate(positions, axis), end = axis ? kernel.constant(box.extents[axis]) : box.outerExtent;
  return arith::CmpIOp::create(builder(), arith::CmpIPredicate::slt, tile,
                               materialize({end}, cast<RankedTensorType>(tile.getType()).getShape()));
}

/// Positions as numbers.
Value TileEmitter::materializeBox(const Lifted &positions) {
  ImplicitLocOpBuilder &b = builder();
  const GridBox &box = *positions.box;
  TileShape shape{1, 1};
  shape[positions.dim] = positions.extent;
  LinesPlace place = placeByLines(box);
  Value first = arith::MulIOp::create(b, place.line, kernel.constant(place.columns));
  Value sum = materialize({arith::AddIOp::create(b, first, place.column)}, shape);
  int64_t step = 1;
  for (unsigned axis = box.tile.size(); axis-- > 0; step *= box.extents[axis]) {
    Value along = digits(positions, axis);
    if (!along)
      continue;
    if (step != 1)
      along = arith::MulIOp::create(b, along, constantTile(shape, b.getI32Type(), step));
    sum = arith::AddIOp::create(b, sum, along);
  }
  return sum;
}

TileEmitter::LinesPlace TileEmitter::placeByLines(const GridBox &box) {
  ImplicitLocOpBuilder &b = builder();
  int64_t last = box.tile.size() - 1;
  Value line = box.origin[0];
  for (int64_t axis = 1; axis < last; ++axis)
    line =
        arith::AddIOp::create(b, arith::MulIOp::create(b, line, kernel.constant(box.extents[axis])), box.origin[axis]);
  SmallVector<int64_t> pitches(last - 1, 1);
  for (int64_t axis = last - 2; axis >= 0; --axis)
    pitches[axis] = box.extents[axis + 1] * (axis + 2 < last ? pitches[axis + 1] : 1);
  return {line, box.origin[last], box.extents[last], b.getDenseI64ArrayAttr(box.tile),
          pitches.empty() ? DenseI64ArrayAttr() : b.getDenseI64ArrayAttr(pitches)};
}
