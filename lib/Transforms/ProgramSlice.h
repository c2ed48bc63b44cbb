//===- ProgramSlice.h - the part of a program that some operations need -----===//
#ifndef HEDDLE_LIB_TRANSFORMS_PROGRAMSLICE_H
#define HEDDLE_LIB_TRANSFORMS_PROGRAMSLICE_H

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

namespace heddle {

/// Operations, what they read, and the loops and branches around them. A loop or branch keeps only the values that the
/// slice reads; anything else with regions is taken whole. Rings are not part of it: they are shared by all slices.
class ProgramSlice {
public:
  /// What `giver` has as results instead: the slice does not need what `values` are computed from. Without a giver it
  /// only leaves them out.
  void give(mlir::ValueRange values, mlir::Operation *giver = nullptr);
  /// The given values that are read.
  llvm::ArrayRef<mlir::Value> getReceived() const { return received.getArrayRef(); }

  void require(mlir::Operation *op);
  bool contains(mlir::Operation *op) const { return operations.contains(op); }
  /// Clones the slice's part of a block, but for the terminator.
  void cloneInto(mlir::Block &block, mlir::OpBuilder &builder, mlir::IRMapping &mapping) const;

private:
  void require(mlir::Value value);
  void cloneFor(mlir::scf::ForOp loop, mlir::OpBuilder &builder, mlir::IRMapping &mapping) const;
  void cloneWhile(mlir::scf::WhileOp loop, mlir::OpBuilder &builder, mlir::IRMapping &mapping) const;
  void cloneIf(mlir::scf::IfOp branch, mlir::OpBuilder &builder, mlir::IRMapping &mapping) const;
  bool contains(mlir::OpResult result) const { return values.contains(result); }

  llvm::DenseSet<mlir::Operation *> operations;
  llvm::DenseSet<mlir::Value> given;
  llvm::SetVector<mlir::Value> received;
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<mlir::Value>> gifts;
  llvm::DenseSet<mlir::Value> values; ///< results of loops and branches; what a while carries to its condition
};

} // namespace heddle

#endif
