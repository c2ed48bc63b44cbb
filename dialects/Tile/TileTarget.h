//===- TileTarget.h - the target of a module --------------------------------===//
#ifndef HEDDLE_DIALECTS_TILE_TILETARGET_H
#define HEDDLE_DIALECTS_TILE_TILETARGET_H

#include "dialects/Tile/TileDialect.h"
#include "mlir/Dialect/SCF/IR/DeviceMappingInterface.h"
#include "mlir/IR/Attributes.h"
#include "mlir/IR/BuiltinOps.h"

#define GET_ATTRDEF_CLASSES
#include "dialects/Tile/TileTarget.h.inc"

namespace heddle::tile {
/// Name of the module attribute that holds the target.
inline constexpr llvm::StringLiteral kTargetAttr = "tile.target";
/// Argument attribute of a kernel: the memref's address and its strides in bytes, but the last, are multiples of this.
inline constexpr llvm::StringLiteral kAlignmentAttr = "tile.alignment";
/// On a kernel: the warps that its tile sizes were chosen for.
inline constexpr llvm::StringLiteral kWarpsAttr = "tile.warps";
/// On a kernel, a unit attribute: its sizes leave room for right operands of products that warps compute and put there.
inline constexpr llvm::StringLiteral kPutsOperandsAttr = "tile.puts_operands";
/// On a kernel: a power of two by which numbers relative to a running maximum may exceed 1, before it is raised.
inline constexpr llvm::StringLiteral kLagAttr = "tile.lag";

/// The target of the module that holds `op`; null after an error at `op` when there is none.
TargetAttr getTarget(mlir::Operation *op);
} // namespace heddle::tile

#endif
