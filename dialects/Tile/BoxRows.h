//===- BoxRows.h - rows of a tile that are a box of positions ---------------===//
#ifndef HEDDLE_DIALECTS_TILE_BOXROWS_H
#define HEDDLE_DIALECTS_TILE_BOXROWS_H

#include "mlir/IR/Builders.h"
#include <optional>

namespace heddle::tile {

/// The `box` and `pitches` of a tile.load, tile.store or warp.copy.
struct BoxRows {
  llvm::ArrayRef<int64_t> box, pitches;

  template <typename Access> static std::optional<BoxRows> of(Access op) {
    if (!op.getBox())
      return std::nullopt;
    return BoxRows{*op.getBox(), op.getPitches().value_or(llvm::ArrayRef<int64_t>())};
  }

  /// How many rows there are, and how many of them lie in the two dimensions that memory has.
  int64_t count() const;
  int64_t countPlane() const { return box[box.size() - 2] * box.back(); }

  /// How far along the first of its dimensions the plane begins that is number `plane` of the box.
  int64_t planeDistance(int64_t plane) const;

  /// How far a row is from the first one along both dimensions, in the type of `row`: a
  /// number, or a tile of i32.
  std::pair<mlir::Value, mlir::Value> distances(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value row) const;
};

} // namespace heddle::tile

#endif
