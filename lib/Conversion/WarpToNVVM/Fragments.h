//===- Fragments.h - operands of mma.sync in slots --------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_WARPTONVVM_FRAGMENTS_H
#define HEDDLE_LIB_CONVERSION_WARPTONVVM_FRAGMENTS_H

#include "lib/Conversion/WarpToNVVM/Lowering.h"

namespace heddle {

/// Address of element (row, column) of a slot, both computed (i32).
mlir::Value elementPointer(mlir::ImplicitLocOpBuilder &builder, mlir::Value slot, warp::SlotType type, mlir::Value row,
                           mlir::Value column);

/// `pointer` moved by constants; with `swapped`, rows and columns change places.
mlir::Value shifted(mlir::ImplicitLocOpBuilder &builder, mlir::Value pointer, warp::SlotType type, int64_t row,
                    int64_t column, bool swapped);

/// First row of this warp's part of a tile of `rows` rows.
mlir::Value warpRow(mlir::ImplicitLocOpBuilder &builder, warp::FragAttr layout, int64_t rows);

/// Where this lane's addresses for matrix loads start: left 16x16 operands at the warp's first row, or right ones.
class FragmentSource {
public:
  static FragmentSource left(mlir::ImplicitLocOpBuilder &builder, mlir::Value slot, warp::SlotType type,
                             warp::FragAttr layout, int64_t rows, bool transposed);
  static FragmentSource right(mlir::ImplicitLocOpBuilder &builder, mlir::Value slot, warp::SlotType type,
                              bool transposed);

  /// Words of the 16x16 left operand at (row, k).
  llvm::SmallVector<mlir::Value> loadLeft(mlir::ImplicitLocOpBuilder &builder, int64_t row, int64_t k) const;
  /// Words of `count` / 2 right operands of 8 columns at (k, column). A right operand wants k within a word, so the
  /// stored rows of one that is not transposed must be exchanged on the way.
  llvm::SmallVector<mlir::Value> loadRight(mlir::ImplicitLocOpBuilder &builder, int64_t k, int64_t column,
                                           int64_t count) const;

private:
  FragmentSource(mlir::Value pointer, warp::SlotType type, bool transposed)
      : pointer(pointer), type(type), transposed(transposed) {}

  mlir::Value pointer;
  warp::SlotType type;
  bool transposed;
};

} // namespace heddle

#endif
