//===- SplitState.h - what shares of the keys leave for a merge -------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_SPLITSTATE_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_SPLITSTATE_H

#include "RowNormalizer.h"

namespace heddle {

/// Rows of a head, and the first of the columns of values: where in the workspace the state of a block lies. Where the
/// modulus is not 1 rows are counted within the class of a residue.
struct StatePlace {
  mlir::Value batch, head, firstRow, firstColumn, rowLength;
  int64_t modulus = 1;
  mlir::Value residue;
};

/// The states of a block of rows after each share of the keys, in a workspace (share, b, h, i[, e]).
class SplitState {
public:
  SplitState(KernelBuilder &kernel, llvm::ArrayRef<mlir::Value> arrays, StatePlace place)
      : kernel(kernel), arrays(arrays), place(place) {}

  void store(mlir::Value share, const RowState &state);
  RowState load(mlir::Value share, const RowState &like);
  /// The first `shares` combined, in order. `together` are loaded before they are combined, so that they wait for
  /// memory once.
  mlir::FailureOr<RowState> merge(RowNormalizer &normalizer, const RowState &initial, mlir::Value shares,
                                  int64_t together);

private:
  /// Where the tile of an array of the state lies.
  struct Access {
    mlir::Value memory;
    llvm::SmallVector<mlir::Value> coordinates;
    mlir::IntegerAttr rows;
    mlir::UnitAttr column;
  };
  Access accessTo(mlir::Value array, mlir::Value share) const;

  KernelBuilder &kernel;
  llvm::ArrayRef<mlir::Value> arrays;
  StatePlace place;
};

} // namespace heddle

#endif
