//===- HeldLoads.h - tiles that a block loads once --------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_HELDLOADS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_HELDLOADS_H

#include "mlir/IR/Operation.h"

namespace heddle {

/// Operands of products that every iteration of a loop of `block` loads alike (weights) are loaded in front of it.
void holdLoads(mlir::Operation *block);

} // namespace heddle

#endif
