//===- SeldomReads.h - seldom loops read slots again ------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_TILETOWARP_SELDOMREADS_H
#define HEDDLE_LIB_CONVERSION_TILETOWARP_SELDOMREADS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace heddle {

/// What a loop that is seldom gone through computes element by element of transposed tiles, which lie in shared memory,
/// it computes again: else it would take registers all the way to the loop.
void readAgainInSeldomLoops(mlir::func::FuncOp kernel);

} // namespace heddle

#endif
