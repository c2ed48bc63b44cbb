//===- AttendRows.h - an attend of a block of rows, in any kernel -----------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_ATTENDROWS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_ATTENDROWS_H

#include "BlockPlace.h"
#include "MaskKernels.h"
#include "RowNormalizer.h"
#include "StagedKeys.h"

namespace heddle {

/// Where a block of rows lies.
struct RowsPlace {
  mlir::Value batchCount, headCount; ///< of the attend, in the kernel's head
  mlir::Value batch, head, firstRow, firstColumn;
  mlir::Value rowLength, keyLength; ///< positions (of the class) that exist in this batch element
  Lifted row;
  mlir::Value residue, keyResidue; ///< of its rows and keys, where they are taken by classes
  mlir::Value outerKeys;           ///< extent of a grid's outermost axis
};

/// Of the blocks of keys that rows see, those of one share.
struct KeyShare {
  mlir::Value number, count; ///< null: all of them
};

/// The loop over keys of one block of rows, and what follows from the state behind it. Who emits a kernel around it
/// says where the rows are, and stores.
class AttendRows {
public:
  AttendRows(KernelBuilder &kernel, TileEmitter &emitter, attn::AttendOp op, attn::NormalizerOp definition,
             const AttendSchedule &schedule, const PreparedMask &mask, const StagedKeys *staged = nullptr)
      : kernel(kernel), emitter(emitter), op(op), schedule(schedule), mask(mask), staged(staged),
        normalizer(op, definition, emitter, schedule.rows) {}

  void setPlace(const RowsPlace &rows);

  /// The state of rows that have seen nothing.
  RowState nothing();
  /// Goes on from `initial`, which is emitted in front of the loop, over the keys that the rows see.
  mlir::FailureOr<RowState> visitKeys(llvm::function_ref<RowState()> initial, const KeyShare &share = {});
  /// Finishes, and says what the op's results and statistics are at these rows.
  mlir::LogicalResult provide(const RowState &state);

  RowNormalizer &getNormalizer() { return normalizer; }

private:
  mlir::ImplicitLocOpBuilder &b() { return kernel.body(); }
  mlir::Value constant(int64_t value) { return kernel.constant(value); }
  BlockPlace blockPlace() { return {kernel, place.batchCount, place.headCount, place.batch, place.head}; }
  int64_t getColumns(unsigned value);

  mlir::Value loadTile(mlir::Value tensor, const Lifted &rows, mlir::Value firstColumn, int64_t columns);
  mlir::Value loadStaged(mlir::Value tensor, bool isKey, mlir::Value firstKey);
  mlir::FailureOr<RowState> stepOver(mlir::Value firstKey, mlir::Value isPartial, RowState state);
  mlir::FailureOr<RowState> stepOver(const Lifted &key, const Lifted &j, mlir::Value firstKey, mlir::Value isPartial,
                                     RowState state);
  mlir::FailureOr<RowState> visitBoxes(llvm::function_ref<RowState()> initial);
  bool areRowsApart() const;
  mlir::FailureOr<RowState> visitByParts(llvm::function_ref<RowState()> initial);
  mlir::FailureOr<llvm::SmallVector<mlir::Value>> scoreOf(llvm::ArrayRef<mlir::Value> dots, const Lifted &j,
                                                          mlir::Value isPartial);

  KernelBuilder &kernel;
  TileEmitter &emitter;
  attn::AttendOp op;
  const AttendSchedule &schedule;
  const PreparedMask &mask;
  const StagedKeys *staged; ///< null: keys and values are read where they are
  RowNormalizer normalizer;
  RowsPlace place;
  llvm::SmallVector<mlir::Value> rowTiles;
};

} // namespace heddle

#endif
