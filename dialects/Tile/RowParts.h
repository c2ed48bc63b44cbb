//===- RowParts.h - iterations that some rows of a block need ---*- C++ -*-===//
//
// A loop whose bounds are marked,
//
//     %begin = arith.minsi %b0, %b1 {tile.row_parts}
//     %end = arith.maxsi %e0, %e1 {tile.row_parts}
//     scf.for %n = %begin to %end
//
// says that the first half of the block's rows needs [b0, e0) only, and the second [b1, e1): other
// iterations leave what the loop carries for them as it is. Who has such a part to itself may leave
// them out. As many parts, of equally many rows, as the least and the greatest are of numbers.
//
// The bounds are marked, not the loop: they hold the parts' own numbers, and stay what they are where a
// pass moves a loop's first iteration in front of it or makes the loop anew.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_DIALECTS_TILE_ROWPARTS_H
#define HEDDLE_DIALECTS_TILE_ROWPARTS_H

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace heddle::tile {

/// Unit attribute on the least and the greatest of the parts' bounds.
inline constexpr llvm::StringLiteral kRowPartsAttr = "tile.row_parts";

/// The least (`arith.minsi`) or the greatest (`arith.maxsi`) of the bounds of the parts.
template <typename Op> mlir::Value boundOfParts(mlir::ImplicitLocOpBuilder &builder, mlir::ValueRange ofParts) {
  mlir::Value bound = ofParts.front();
  for (mlir::Value part : ofParts.drop_front()) {
    auto both = Op::create(builder, bound, part);
    both->setAttr(kRowPartsAttr, builder.getUnitAttr());
    bound = both;
  }
  return bound;
}

/// The bounds of the parts, first part first; the bound itself where it is not marked.
template <typename Op> llvm::SmallVector<mlir::Value> getBoundsOfParts(mlir::Value bound) {
  llvm::SmallVector<mlir::Value> ofParts;
  for (auto both = bound.getDefiningOp<Op>(); both && both->hasAttr(kRowPartsAttr);
       both = bound.template getDefiningOp<Op>()) {
    ofParts.push_back(both.getRhs());
    bound = both.getLhs();
  }
  ofParts.push_back(bound);
  return llvm::SmallVector<mlir::Value>(llvm::reverse(ofParts));
}

} // namespace heddle::tile

#endif
