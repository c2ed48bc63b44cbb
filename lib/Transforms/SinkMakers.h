//===- SinkMakers.h - element-wise work behind the waits before its reader ---===//
#ifndef HEDDLE_LIB_TRANSFORMS_SINKMAKERS_H
#define HEDDLE_LIB_TRANSFORMS_SINKMAKERS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace heddle {

/// What is computed element by element, only for the first reader of an asynchronous product and while that goes on,
/// takes as many registers as the product. Where a consumer of the kernel has not so many, it is computed behind the
/// wait.
mlir::LogicalResult sinkMakers(mlir::func::FuncOp kernel);

} // namespace heddle

#endif
