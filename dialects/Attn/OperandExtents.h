//===- OperandExtents.h - extents that operands of an operation share -------===//
//
// Heads and batches are paired by extents: an operation iterates over the largest, an
// operand has a divisor of the heads and 1 or all batches. Only static extents are
// checked, and the largest is known only where every operand's is.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_DIALECTS_ATTN_OPERANDEXTENTS_H
#define HEDDLE_DIALECTS_ATTN_OPERANDEXTENTS_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"

namespace heddle::attn {

class OperandExtents {
public:
  /// A tensor (b, h, ..).
  void add(mlir::RankedTensorType type) {
    addBatch(type.getDimSize(0));
    addHeads(type.getDimSize(1));
    types.push_back(type);
  }
  void addBatch(int64_t extent) { batches.push_back(extent); }
  void addHeads(int64_t extent) { heads.push_back(extent); }

  /// Whether `others` divide these (as operands do, and results that are sums over groups).
  mlir::LogicalResult verifyDivide(mlir::Operation *op, const OperandExtents &others) const;
  /// Whether the tensors of `others` have the largest of these; `what` is how messages call them.
  mlir::LogicalResult verifyEqual(mlir::Operation *op, llvm::StringRef what, const OperandExtents &others) const;

private:
  llvm::SmallVector<int64_t> batches, heads;
  llvm::SmallVector<mlir::RankedTensorType> types;
};

/// The one length of several extents, dynamic if none is static; an error if static ones differ.
mlir::FailureOr<int64_t> verifyLength(mlir::Operation *op, llvm::StringRef side, llvm::ArrayRef<int64_t> extents);

/// Whether a last extent is one that products take.
mlir::LogicalResult verifyWidth(mlir::Operation *op, llvm::StringRef what, int64_t width);

} // namespace heddle::attn

#endif
