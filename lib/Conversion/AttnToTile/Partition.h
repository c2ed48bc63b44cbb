//===- Partition.h - which kernels an attn function becomes -----------------===//
//
// An *anchor* is an operation with a kernel of its own kind: an attend or a recur. A
// tensor is *stored* when something can only read it from memory: a result of the
// function, a result of an anchor that another anchor reads, the operand of a
// contraction's user, and so on. Every other tensor is pulled into the kernel of
// its reader. A stored tensor that follows from one anchor element by element is
// an output of that anchor's kernel; any other has a kernel of its own. What follows
// from several belongs to the last one and reads the others from memory, but for
// attends that the kernel of a recurrence computes *inside*.
//
// A product of queries or keys with few weights, x @ w, may be pulled as well, by
// recurrences whose kernels have room for the weights.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_PARTITION_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_PARTITION_H

#include "dialects/Attn/AttnOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace heddle {

class Partition {
public:
  /// Whether the kernel of a recurrence is to compute rows of an attend that are merged with its own.
  using IsInner = llvm::function_ref<bool(attn::AttendOp, attn::RecurOp)>;
  /// Whether kernels of a recurrence compute products of its queries and keys with weights themselves.
  using PullsMaps = llvm::function_ref<bool(attn::RecurOp)>;

  Partition(mlir::func::FuncOp function, IsInner isInner, PullsMaps pullsMaps);

  /// Tensors to store, in program order.
  llvm::ArrayRef<mlir::Value> getStored() const { return stored.getArrayRef(); }
  bool isStored(mlir::Value tensor) const { return stored.contains(tensor); }

  /// The attend or recur whose kernel stores `tensor`, or null.
  mlir::Operation *getAnchor(mlir::Value tensor) const { return anchors.lookup(tensor); }

  /// Attends that the kernel of `op` computes inside, in the order in which its outputs name them.
  llvm::SmallVector<attn::AttendOp> getInner(attn::RecurOp op) const;

  /// Products with weights that a tensor is computed of where it is read.
  llvm::SetVector<mlir::Operation *> getMapsOf(mlir::Value tensor) const;

private:
  void storeOthers(IsInner isInner);
  void pullMaps(mlir::func::FuncOp function, PullsMaps pullsMaps);

  llvm::SetVector<mlir::Operation *> pulled; ///< products with weights
  llvm::SetVector<mlir::Value> stored;
  llvm::DenseMap<mlir::Value, mlir::Operation *> anchors;
  llvm::MapVector<mlir::Operation *, llvm::SetVector<mlir::Operation *>> inner; ///< by the recurrence around
};

/// Tensors that `op` reads: operands and what its regions capture.
llvm::SmallVector<mlir::Value> getTensorsRead(mlir::Operation *op);

} // namespace heddle

#endif
