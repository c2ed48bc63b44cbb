//===- SentNumbers.h - numbers that one role computes for the other ---------===//
#ifndef HEDDLE_LIB_TRANSFORMS_SENTNUMBERS_H
#define HEDDLE_LIB_TRANSFORMS_SENTNUMBERS_H

#include "dialects/Warp/WarpOps.h"
#include "lib/Transforms/ProgramSlice.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace heddle {

/// Numbers that a `take` has as results.
struct SentNumbers {
  warp::TakeOp take;
  llvm::SmallVector<mlir::Value> numbers;
};

/// In each loop around loops that go through bulk rings, brings what computes numbers to the front, and behind it sends
/// those that the consumer reads: all that `slice`, which gives it the numbers it is told, needs of them. The new rings
/// have no cursors yet.
llvm::SmallVector<SentNumbers> sendNumbers(mlir::func::FuncOp kernel,
                                           llvm::function_ref<void(ProgramSlice &)> requireConsumer);

} // namespace heddle

#endif
