//===- UniformTile.h - tiles whose elements are all the same ----------------===//
#ifndef HEDDLE_DIALECTS_TILE_UNIFORMTILE_H
#define HEDDLE_DIALECTS_TILE_UNIFORMTILE_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

namespace heddle {

/// A float tile with one value everywhere: a splat of a scalar, or a constant.
struct UniformTile {
  mlir::Value scalar;                  ///< null for a constant
  std::optional<llvm::APFloat> number; ///< of a constant

  static std::optional<UniformTile> match(mlir::Value tile) {
    if (auto splat = tile.getDefiningOp<mlir::tensor::SplatOp>())
      return UniformTile{splat.getInput(), std::nullopt};
    mlir::DenseElementsAttr elements;
    if (matchPattern(tile, mlir::m_Constant(&elements)) && elements.isSplat() &&
        mlir::isa<mlir::FloatType>(elements.getElementType()))
      return UniformTile{{}, elements.getSplatValue<llvm::APFloat>()};
    return std::nullopt;
  }

  bool isSame(const UniformTile &other) const {
    if (scalar || other.scalar)
      return scalar == other.scalar;
    return number->bitwiseIsEqual(*other.number);
  }

  mlir::Value getScalar(mlir::OpBuilder &b, mlir::Location loc, mlir::Type element) const {
    if (scalar)
      return scalar;
    return mlir::arith::ConstantOp::create(b, loc, b.getFloatAttr(element, *number));
  }

  /// The same value over another shape.
  mlir::Value getTile(mlir::OpBuilder &b, mlir::Location loc, mlir::RankedTensorType type) const {
    if (scalar)
      return mlir::tensor::SplatOp::create(b, loc, type, scalar);
    return mlir::arith::ConstantOp::create(b, loc, mlir::DenseElementsAttr::get(type, *number));
  }
};

} // namespace heddle

#endif
