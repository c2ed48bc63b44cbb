//===- SpacedPositions.cpp - positions of a residue class -------------------===//
//
// Positions origin + step * k are consecutive ones of a class: a mask that holds within
// classes only is dense there. In memory that is grouped by residue (tile.residues) they
// are rows one after the other, so a load or a store of them is a plain one.
//
//===----------------------------------------------------------------------===//
#include "TileEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace heddle;

Value TileEmitter::exists(const Lifted &positions) {
  if (positions.box) {
    ImplicitLocOpBuilder &b = builder();
    Value all;
    for (unsigned axis = 0; axis < positions.box->tile.size(); ++axis) {
      Value here = existsAlong(positions, axis);
      all = all ? arith::AndIOp::create(b, all, here).getResult() : here;
    }
    return all;
  }
  Lifted within = positions.ofClass(1, {});
  Value tile = materialize(within, {});
  auto shape = cast<RankedTensorType>(tile.getType()).getShape();
  return arith::CmpIOp::create(builder(), arith::CmpIPredicate::slt, tile, materialize({positions.limit}, shape));
}

Value TileEmitter::countOfClass(Value count, Value residue, int64_t modulus) {
  ImplicitLocOpBuilder &b = builder();
  // A residue is less than the modulus, so nothing here is negative.
  Value reach = arith::AddIOp::create(b, count, kernel.constant(modulus - 1));
  return arith::DivUIOp::create(b, arith::SubIOp::create(b, reach, residue), kernel.constant(modulus));
}

void TileEmitter::limitTo(Lifted &positions, Value end) {
  ImplicitLocOpBuilder &b = builder();
  if (positions.isSpaced()) {
    // The origin may be beyond the end.
    Value reach = arith::AddIOp::create(b, end, kernel.constant(positions.step - 1));
    reach = arith::MaxSIOp::create(b, arith::SubIOp::create(b, reach, positions.origin), kernel.constant(0));
    end = arith::DivUIOp::create(b, reach, kernel.constant(positions.step));
  }
  positions.limit = positions.limit ? arith::MinSIOp::create(b, positions.limit, end).getResult() : end;
}

TileEmitter::GroupedPlace TileEmitter::placeByResidue(const Lifted &positions) {
  ImplicitLocOpBuilder &b = builder();
  Value origin = positions.origin, step = kernel.constant(positions.step);
  // What is a remainder already lies in the first group.
  if (auto remainder = origin.getDefiningOp<arith::RemUIOp>();
      remainder && getConstantIntValue(remainder.getRhs()) == positions.step)
    return {positions.base, origin};
  Value groups = arith::DivUIOp::create(b, origin, step);
  return {arith::AddIOp::create(b, positions.base, groups), arith::RemUIOp::create(b, origin, step)};
}
