//===- RegisterEstimate.h - registers that a scheduled kernel needs ---------===//
#ifndef HEDDLE_LIB_TRANSFORMS_REGISTERESTIMATE_H
#define HEDDLE_LIB_TRANSFORMS_REGISTERESTIMATE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace heddle {

/// 32-bit registers of a thread that a tile takes.
int64_t registersOf(mlir::Value tile);
/// The most registers that tiles take at any point of a kernel, and an allowance for the rest.
int64_t estimateRegisters(mlir::func::FuncOp kernel);

} // namespace heddle

#endif
