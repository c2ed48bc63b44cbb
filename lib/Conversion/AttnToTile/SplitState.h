//===- SplitState.h - what shares of the keys leave for a merge -------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_SPLITSTATE_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_SPLITSTATE_H

#include "RowNormalizer.h"

namespace heddle {

/// Rows of a head, and the first of the columns of values: where in the workspace the state of a block lies.
struct StatePlace {
  mlir::Value batch, head, firstRow, firstColumn, rowLength;
};

/// The states of a block of rows after each share of the keys, in a workspace (share, b, h, i[, e]).
class SplitState {
public:
  SplitState(KernelBuilder &kernel, llvm::ArrayRef<mlir::Value> arrays, StatePlace place)
      : kernel(kernel), arrays(arrays), place(place) {}

  void store(mlir::Value share, const RowState &state);
  /// The first `shares` combined, in order. `together` are loaded before they are combined, so that they wait for
  /// memory once.
  mlir::FailureOr<RowState> merge(RowNormalizer &normalizer, const RowState &initial, mlir::Value shares,
                                  int64_t together);

private:
  RowState load(mlir::Value share, const RowState &like);
  llvm::SmallVector<mlir::Value> coordinatesOf(mlir::Value memory, mlir::Value share) const;

  KernelBuilder &kernel;
  llvm::ArrayRef<mlir::Value> arrays;
  StatePlace place;
};

} // namespace heddle

#endif
