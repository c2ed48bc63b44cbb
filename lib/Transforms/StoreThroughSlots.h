//===- StoreThroughSlots.h - rows go to memory by way of a slot -------------===//
#ifndef HEDDLE_LIB_TRANSFORMS_STORETHROUGHSLOTS_H
#define HEDDLE_LIB_TRANSFORMS_STORETHROUGHSLOTS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace heddle {

/// Rows that an iteration stores are put to the slot of a left operand that its products have read, just before:
/// threads hold pieces of many rows, and store whole ones from there.
void storeThroughSlots(mlir::func::FuncOp kernel);

} // namespace heddle

#endif
