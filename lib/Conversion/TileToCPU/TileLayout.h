//===- TileLayout.h - which axis of a tile lies in vector lanes -------------===//
//
// A tile in memory is contiguous along one of its two axes, and that axis is the one computed in vector lanes. Values
// that are combined element by element share the choice; a dot, a reduction or a store costs more or less with it.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_TILETOCPU_TILELAYOUT_H
#define HEDDLE_LIB_CONVERSION_TILETOCPU_TILELAYOUT_H

#include "dialects/Tile/TileOps.h"
#include "heddle/Conversion/TileToCPU.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/EquivalenceClasses.h"

namespace heddle::cpu {

inline mlir::RankedTensorType tileType(mlir::Value value) {
  return llvm::dyn_cast<mlir::RankedTensorType>(value.getType());
}
/// A tile with a dimension of size 1: kept as a plain array whatever its orientation.
inline bool isVectorTile(mlir::RankedTensorType type) { return type.getDimSize(0) == 1 || type.getDimSize(1) == 1; }

/// A value that is computed where it is used and imposes no orientation: constants, positions, repeated vectors.
bool isOrientationFree(mlir::Value value);

/// `value` without the operations that a dot absorbs: transposes (which flip `transposed`), and conversions between
/// `f32` and narrower floats when products are computed in `f32` anyway. A rounding that others see, too, is not
/// absorbed: what is computed from the difference to the rounded value relies on it.
mlir::Value stripDotOperand(mlir::Value value, bool &transposed, bool keepsNarrow);

/// Whether a dot is computed by the matrix unit: bf16 operands in whole matrix tiles (16 x 32 times 32 x 16).
bool usesMatrixUnit(tile::DotOp op, const CPUOptions &options);

/// The orientation of every tile value of a kernel.
class TileLayout {
public:
  TileLayout(mlir::Operation *kernel, const CPUOptions &options);

  /// The dimension of `value` in vector lanes (0 rows, 1 columns).
  int lanesOf(mlir::Value value) const;

private:
  struct Cost; // one operation's price as a function of the classes it touches

  void unify(mlir::Value a, mlir::Value b);
  void connect(mlir::Operation *op);
  void collectCosts(mlir::Operation *op, std::vector<Cost> &costs) const;
  void collectMatrixUnitCosts(tile::DotOp op, std::vector<Cost> &costs) const;
  void solve(const std::vector<Cost> &costs);
  int classOf(mlir::Value value) const;

  const CPUOptions &options;
  llvm::EquivalenceClasses<void *> classes;
  llvm::DenseMap<void *, int> classNumber; // leader -> number
  std::vector<int> chosen;                 // number -> lanes
};

} // namespace heddle::cpu
#endif
