//===- PackedRows.h - blocks of rows of packed sequences --------------------===//
//
// Sequences packed one after another in an array of `total` rows have lengths only the
// device knows, so the grid cannot depend on them. With start(b) the first row of
// sequence b and R rows per block, sequence b owns the positions
//
//   [ floor(start(b) / R) + b,  floor(start(b + 1) / R) + b + 1 )
//
// of one flat grid of floor(total / R) + B blocks: enough for its ceil(length / R)
// blocks, disjoint from every other sequence's, and found by a binary search.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_PACKEDROWS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_PACKEDROWS_H

#include "TileEmitter.h"
#include "dialects/Attn/AttnOps.h"

namespace heddle {

class PackedRows {
public:
  /// The packing of the rows of `op`, if its row operands come from a view with lengths whose rows are
  /// `start(b) + t` of an array.
  static std::optional<PackedRows> find(attn::AttendOp op, PlanBuilder &plan);

  /// The packing of the rows of what `op` writes, if that is an attend's result whose rows are `start(b) + t` of it, as
  /// many as the attend has.
  static std::optional<PackedRows> ofResult(attn::AccumulateOp op);

  /// The dimension of the array that holds the packed rows.
  int64_t getDimension() const { return dimension; }

  /// Size of the flat grid, in the kernel's head.
  mlir::Value countBlocks(KernelBuilder &kernel, mlir::Value batchCount, int64_t rows);

  /// The sequence and its block of rows at a position of the flat grid, in the kernel's body.
  std::pair<mlir::Value, mlir::Value> locate(TileEmitter &emitter, mlir::Value position, mlir::Value batchCount,
                                             int64_t rows, KernelBuilder &kernel);

  /// The last sequence that begins at or before a row of the array, if any does, in the kernel's body.
  mlir::Value findSequence(TileEmitter &emitter, mlir::Value row, mlir::Value batchCount, KernelBuilder &kernel);
  /// Its first row.
  mlir::Value start(TileEmitter &emitter, mlir::Value batch, KernelBuilder &kernel);

private:
  PackedRows(mlir::Value array, mlir::Region &coordinates, int64_t dimension)
      : array(array), coordinates(&coordinates), dimension(dimension) {}

  mlir::Value array;
  mlir::Region *coordinates; ///< of an element (b, h, t, c)
  int64_t dimension;
};

} // namespace heddle

#endif
