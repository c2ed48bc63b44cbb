//===- KeyBlocks.h - which blocks of keys a block of rows visits ------------===//
//
// The mask's algebra gives disjoint ranges of keys that some row may see, and ranges
// inside them that every row sees. Cut into blocks of N keys they become one counted
// sequence: position p in [0, count) is a block, and one that lies in a fully seen
// range needs no mask code. Nothing is evaluated per pair and nothing is stored, so
// lengths, windows and offsets are run-time values.
//
// A mask with parts outside the algebra is evaluated once per call by a kernel that
// writes the visited blocks of each block of rows as a list; position p is then read.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_KEYBLOCKS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_KEYBLOCKS_H

#include "heddle/Analysis/MaskAnalysis.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace heddle {

class KeyBlocks {
public:
  /// From ranges of keys; `keyCount` keys exist.
  static KeyBlocks fromRanges(mlir::ImplicitLocOpBuilder &builder, const KeyRanges &ranges, int64_t keys,
                              mlir::Value keyCount);
  /// From a list of entries 2 * block + (1 if full) at `list[coordinates.., p]`, with `count[coordinates..]` entries.
  static KeyBlocks fromList(mlir::ImplicitLocOpBuilder &builder, mlir::Value list, mlir::Value count,
                            llvm::ArrayRef<mlir::Value> coordinates, int64_t keys);

  mlir::Value getCount() const { return count; }

  struct Visit {
    mlir::Value firstKey;  ///< index
    mlir::Value isPartial; ///< i1: whether it needs the mask
  };
  Visit visit(mlir::ImplicitLocOpBuilder &builder, mlir::Value p) const;

private:
  Visit visitRanges(mlir::ImplicitLocOpBuilder &builder, mlir::Value p) const;

  int64_t keys = 0;
  mlir::Value count;
  // Ranges, in blocks.
  llvm::SmallVector<mlir::Value> starts; ///< position of each range's first block
  KeyRanges ranges;
  // A list.
  mlir::Value list;
  llvm::SmallVector<mlir::Value> coordinates;
};

} // namespace heddle

#endif
