#ifndef HEDDLE_DIALECTS_TILE_TILEDIALECT_H
#define HEDDLE_DIALECTS_TILE_TILEDIALECT_H

#include "mlir/IR/Dialect.h"

#include "dialects/Tile/TileDialect.h.inc"

namespace heddle::tile {
/// Unit attributes that mark the two kinds of function of a tile module.
inline constexpr llvm::StringLiteral kKernelAttr = "tile.kernel";
inline constexpr llvm::StringLiteral kPlanAttr = "tile.plan";
} // namespace heddle::tile

#endif
