//===- KeyBlocks.h - which blocks of keys a block of rows visits ------------===//
//
// The mask's algebra gives disjoint ranges of keys that some row may see, and ranges
// inside them that every row sees. Cut into blocks of N keys they become one counted
// sequence: position p in [0, count) is a block, and one that lies in a fully seen
// range needs no mask code. Nothing is evaluated per pair and nothing is stored, so
// lengths, windows and offsets are run-time values.
//
// Positions follow the keys, or the partial blocks, which need the mask, come first, so
// that a loop knows by its position which of both it is at.
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
  /// From ranges of keys, in their order.
  static KeyBlocks fromRanges(mlir::ImplicitLocOpBuilder &builder, const KeyRanges &ranges, int64_t keys);
  /// From ranges of keys, partial blocks first.
  static KeyBlocks fromRangesApart(mlir::ImplicitLocOpBuilder &builder, const KeyRanges &ranges, int64_t keys);
  /// From a list of entries 2 * block + (1 if full) at `list[coordinates.., p]`, with `count[coordinates..]` entries.
  static KeyBlocks fromList(mlir::ImplicitLocOpBuilder &builder, mlir::Value list, mlir::Value count,
                            llvm::ArrayRef<mlir::Value> coordinates, int64_t keys);

  mlir::Value getCount() const { return count; }
  /// How many blocks come first that need the mask; null where they do not.
  mlir::Value getPartialCount() const { return partialCount; }

  struct Visit {
    mlir::Value firstKey;  ///< index
    mlir::Value isPartial; ///< i1: whether it needs the mask
  };
  /// Where blocks follow the keys, or come from a list.
  Visit visit(mlir::ImplicitLocOpBuilder &builder, mlir::Value p) const;
  /// The first key of the block at a position that is known to be partial or not (i1). Partial blocks come first.
  mlir::Value firstKeyOf(mlir::ImplicitLocOpBuilder &builder, mlir::Value p, mlir::Value isPartial) const;

private:
  /// Consecutive positions whose blocks are consecutive, too.
  struct Segment {
    mlir::Value start, block; ///< of the first one
  };
  void append(mlir::ImplicitLocOpBuilder &builder, llvm::SmallVector<Segment> &segments, mlir::Value begin,
              mlir::Value end);

  int64_t keys = 0;
  mlir::Value count, partialCount;
  llvm::SmallVector<Segment> seen, full;  ///< of ranges; with partial blocks apart, `seen` holds those alone
  llvm::SmallVector<KeyRange> fullRanges; ///< of ranges in order, by segment
  mlir::Value list;
  llvm::SmallVector<mlir::Value> coordinates; ///< in the list
};

} // namespace heddle

#endif
