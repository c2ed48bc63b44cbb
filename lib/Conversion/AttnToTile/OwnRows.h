//===- OwnRows.h - operands that are computed of their own rows -------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_OWNROWS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_OWNROWS_H

#include "Partition.h"
#include "heddle/Analysis/RecurSchedule.h"

namespace heddle {

/// Whether a kernel finds an array in memory: as it was given, viewed with its columns in order, or stored by a kernel
/// in front.
bool isInMemory(mlir::Value tensor, const Partition &partition);

/// Whether a tile of `tensor` (b, h, t, c) can be computed of what copies bring of the same rows: element by element,
/// by sums over a row, and of such side by side, as long as a tile of `channels` lies in one of them.
bool isOfOwnRows(mlir::Value tensor, const Partition &partition, int64_t channels);

/// What the kernels of a recurrence work on.
RecurWork describeWork(attn::RecurOp op, const Partition &partition);

} // namespace heddle

#endif
