//===- Layouts.h - the layout of every tile of a kernel ---------------------===//
//
// A tile's layout follows from its shape:
//
//   RxN   #warp.frag<acc, warps = w>      w: the most warps that share the rows' groups of 16 evenly
//   Rx1   #warp.slice<1, #warp.frag<acc, warps = w>>
//   1xN   #warp.slice<0, #warp.frag<acc, warps = all>>
//   1x1   #warp.uniform
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_TILETOWARP_LAYOUTS_H
#define HEDDLE_LIB_CONVERSION_TILETOWARP_LAYOUTS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace heddle {

class TileLayouts {
public:
  /// Chooses the number of warps: as many as the tallest product (or tile, if there are none) has groups of 16 rows, at
  /// most `maxWarps`.
  TileLayouts(mlir::func::FuncOp kernel, int64_t maxWarps);
  /// Of tiles that so many warps hold, whatever the kernel's products are.
  explicit TileLayouts(int64_t warps) : numWarps(warps) {}

  int64_t warps() const { return numWarps; }
  int64_t warpsAlongRows(int64_t rows) const;
  mlir::RankedTensorType encode(mlir::RankedTensorType type) const;
  /// The type of an encoded tile as a left operand of the matrix unit; null when its layout cannot be renamed so.
  mlir::RankedTensorType asLeftOperand(mlir::RankedTensorType type) const;
  /// Encodes every tensor of the kernel: results, block arguments and constants.
  mlir::LogicalResult encodeAll();

private:
  mlir::func::FuncOp kernel;
  int64_t numWarps = 1;
};

} // namespace heddle

#endif
