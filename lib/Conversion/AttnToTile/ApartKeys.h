//===- ApartKeys.h - blocks of keys that need the mask, apart ---------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_APARTKEYS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_APARTKEYS_H

#include "KeyBlocks.h"
#include "RowNormalizer.h"

namespace heddle {

/// What a step does with a block of keys, its first key and whether it needs the mask (i1) given.
using KeyStep =
    llvm::function_ref<mlir::FailureOr<RowState>(mlir::Value firstKey, mlir::Value isPartial, RowState state)>;

/// Steps over the positions [begin, end) of blocks of which the partial ones come first. The last partial block begins
/// the loop over the others, which is then free of the mask from its second step on. Without a mask (`hasMask`) only
/// the last block of keys is partial.
mlir::FailureOr<RowState> visitApart(mlir::ImplicitLocOpBuilder &builder, const KeyBlocks &blocks, mlir::Value begin,
                                     mlir::Value end, bool hasMask, RowState state, KeyStep step);

} // namespace heddle

#endif
