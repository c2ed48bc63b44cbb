//===- Transfers.h - how wide an access to an array may be ------------------===//
#ifndef HEDDLE_LIB_CONVERSION_TILETOWARP_TRANSFERS_H
#define HEDDLE_LIB_CONVERSION_TILETOWARP_TRANSFERS_H

#include "dialects/Tile/TileOps.h"

namespace heddle {

/// Whether an index is a multiple of `factor`, as far as its computation shows.
bool isMultipleOf(mlir::Value index, int64_t factor);
/// Whether the address and the strides but the last of an array are multiples of 16 bytes.
bool isAligned(mlir::Value memory);
/// Bytes that one transfer of a load may move: 16, or an element.
int64_t transferBytes(tile::LoadOp load);
/// Whether a gather reads rows of an array: its columns are consecutive, and its other coordinates are numbers or have
/// one number for each row.
bool isOfRows(tile::GatherOp gather);
/// Whether threads can copy those rows 16 bytes at a time, from coordinates that any warp can compute.
bool suitsRowCopies(tile::GatherOp gather);
/// The widest swizzle whose panels divide the columns of a tile; 0 if there is none.
int64_t swizzleOf(mlir::RankedTensorType tile);
/// Whether a bulk copy can bring the tile: from an array of up to five dimensions that is only read, in boxes of whole
/// pieces of 16 bytes. The last dimension may be dynamic.
bool suitsBulkCopy(tile::LoadOp load);
/// Whether the threads of a copying role can bring a row of numbers that each iteration reads anew.
bool suitsVectorCopy(tile::LoadOp load);
/// Whether a computed left operand that several products read goes through shared memory, for which its kernel has
/// room: in registers it would stay until the last of them.
bool suitsLeftSlot(mlir::Value operand);
/// Whether every product of a kernel can be one of warpgroups, with operands that bulk copies bring.
bool suitsWarpgroups(mlir::Operation *kernel, int64_t warps);
/// Direct accesses that may move pairs of columns, or 16 bytes, say so, because the lowering no longer sees the
/// kernel's arguments.
void markWideAccesses(mlir::Operation *kernel);

} // namespace heddle

#endif
