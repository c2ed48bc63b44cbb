//===- StagedKeys.h - keys and values prepared for products, once -----------===//
//
// A matrix unit reads keys and values in an order of its own (tile.pair). Every block of
// rows would bring each tile in that order again; here kernels do it once in front of the
// attend's, into workspace of one contiguous tile per block of keys. What is computed from
// stored arrays on the way to the product (a rotation of the keys, say) is computed once, too.
//
// Not for keys that come through a view: where they lie, only the device knows.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_STAGEDKEYS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_STAGEDKEYS_H

#include "AttendKernels.h"

namespace heddle {

class StagedKeys {
public:
  /// Whether the keys and values of `op` can be staged in the strips of `schedule`.
  static bool isPossible(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule);

  /// Whether it pays (i1 of the plan): enough blocks of rows read every tile.
  static mlir::Value isWorthIt(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule);

  /// Workspace of `plan`, of no bytes unless `isUsed` (i1) holds.
  StagedKeys(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule, mlir::Value isUsed);

  /// The kernels that fill it, and their launches.
  mlir::LogicalResult emitKernels(PlanBuilder &plan) const;

  /// Block `keyBlock` in a kernel: keys as columns (depth x keys), or values as rows (keys x columns).
  mlir::Value load(KernelBuilder &kernel, mlir::Value tensor, bool isKey, mlir::Value batch, mlir::Value head,
                   mlir::Value keyBlock) const;

private:
  struct Operand {
    mlir::Value memory;           ///< of the plan: (b, h, block, then a tile of pairs)
    mlir::RankedTensorType tile;  ///< as the product reads it
    mlir::RankedTensorType pairs; ///< as it is stored
  };
  mlir::LogicalResult emitKernel(PlanBuilder &plan, mlir::Value tensor, bool isKey, const Operand &operand) const;

  int64_t keys;
  llvm::MapVector<std::pair<mlir::Value, unsigned>, Operand>
      operands; ///< by tensor and whether it is multiplied as keys
};

} // namespace heddle

#endif
