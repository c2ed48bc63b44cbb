//===- RowCoordinates.h - coordinates of rows, for the warps that copy ------===//
#ifndef HEDDLE_LIB_CONVERSION_TILETOWARP_ROWCOORDINATES_H
#define HEDDLE_LIB_CONVERSION_TILETOWARP_ROWCOORDINATES_H

#include "lib/Conversion/TileToWarp/Layouts.h"
#include "mlir/IR/IRMapping.h"

namespace heddle {

/// Computes tiles of one column again in other warps than those that hold the rest of a kernel: right behind each
/// operation that makes one, the same with the layouts of those warps. What is computed once is used again.
class RowCoordinates {
public:
  /// `warps` hold the coordinates.
  explicit RowCoordinates(int64_t warps) : layouts(warps) {}

  /// `value` there; a number is the same everywhere.
  mlir::Value operator()(mlir::Value value);

private:
  TileLayouts layouts;
  mlir::IRMapping there;
};

/// Gathers of rows that threads can copy take over a selection between them and zeros: rows that do not exist are not
/// read.
/// Makes boxes of positions that no bulk copy takes gathers of rows.
void gatherBoxes(mlir::Operation *kernel, bool hasBulkCopies);
void foldRowMasks(mlir::Operation *kernel);

/// Boxes of positions that feed products become gathers of rows, which need no bulk copies.
void gatherBoxes(mlir::Operation *kernel);

} // namespace heddle

#endif
