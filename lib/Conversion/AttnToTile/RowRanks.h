//===- RowRanks.h - the largest references of each row, and how many keys have them ===//
//
// Of k distinct references v_1 > v_2 > .. with n_1, n_2, .. keys each, two sets of keys
// have those of their union:
//
//   v_t = the largest of all v and references below v_(t-1);  n_t = the n of those that are v_t
//
// Whether two references are the same is a matter of every bit, and passes below reorder
// what floats are made of: so a block's are compared as integers in the order of floats.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_ROWRANKS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_ROWRANKS_H

#include "TileEmitter.h"

namespace heddle {

/// Rx1 of f32 each: v_1, n_1, v_2, n_2, ..; -inf where there is none, whatever its n.
using RowRanks = llvm::SmallVector<mlir::Value>;

RowRanks initialRanks(TileEmitter &emitter, int64_t rows, unsigned ranks);

/// Those of the union of `known` and, if there is one, a block of references (-inf: not visible).
RowRanks mergeRanks(TileEmitter &emitter, llvm::ArrayRef<RowRanks> known, mlir::Value references);

} // namespace heddle

#endif
