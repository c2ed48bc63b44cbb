//===- TileSlots.h - slots in shared memory that hold tiles of a kernel -----===//
#ifndef HEDDLE_LIB_CONVERSION_TILETOWARP_TILESLOTS_H
#define HEDDLE_LIB_CONVERSION_TILETOWARP_TILESLOTS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace heddle {

/// Who fills a slot: bulk copies, the threads that copy, or those that hold tiles.
enum class SlotFilling { ByCopies, ByGathers, ByThreads };

class TileSlots {
public:
  /// `hasWarpgroups`: products are those of warpgroups, and copies have warps of their own.
  TileSlots(mlir::func::FuncOp kernel, bool hasWarpgroups) : kernel(kernel), hasWarpgroups(hasWarpgroups) {}

  /// A ring of one slot; `swizzle` 0: padded.
  mlir::Value createRing(mlir::Location loc, llvm::ArrayRef<int64_t> shape, mlir::Type elementType, int64_t swizzle = 0,
                         SlotFilling filling = SlotFilling::ByThreads);
  static mlir::Value acquire(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value ring);
  static mlir::Value receive(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value ring);

  /// A slot that holds `tile`: the one its load fills, or one that is filled from registers right after the definition,
  /// as products read it or not.
  mlir::Value slotOf(mlir::Value tile, bool isForProduct = false);
  /// What reads `tile` behind the barrier of its slot reads the slot: until then its registers are free.
  void readAgain(mlir::Value tile);
  /// Replaces `op` by a read of part of `source` from shared memory.
  void moveThroughSlot(mlir::Operation *op, mlir::Value source, int64_t row, int64_t column, bool transposed);

  bool holds(mlir::Value tile) const { return slots.contains(tile); }
  void remember(mlir::Value tile, mlir::Value slot) { slots[tile] = slot; }
  bool forget(mlir::Value tile) { return slots.erase(tile); }

private:
  mlir::func::FuncOp kernel;
  bool hasWarpgroups;
  llvm::DenseMap<mlir::Value, mlir::Value> slots; ///< tile -> full slot with its elements
};

} // namespace heddle

#endif
