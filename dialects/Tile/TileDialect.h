#ifndef HEDDLE_DIALECTS_TILE_TILEDIALECT_H
#define HEDDLE_DIALECTS_TILE_TILEDIALECT_H

#include "mlir/IR/Dialect.h"

#include "dialects/Tile/TileDialect.h.inc"

namespace heddle::tile {
/// Unit attributes that mark the two kinds of function of a tile module.
inline constexpr llvm::StringLiteral kKernelAttr = "tile.kernel";
inline constexpr llvm::StringLiteral kPlanAttr = "tile.plan";
/// Unit attributes on workspace of a plan: zero before every run; the status word.
inline constexpr llvm::StringLiteral kZeroedAttr = "tile.zeroed";
inline constexpr llvm::StringLiteral kStatusAttr = "tile.status";
/// Unit attribute on a loop that most blocks go through seldom or never: not worth a longer program.
inline constexpr llvm::StringLiteral kSeldomAttr = "tile.seldom";
} // namespace heddle::tile

#endif
