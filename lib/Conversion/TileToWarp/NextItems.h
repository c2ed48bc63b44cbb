//===- NextItems.h - numbers of work, for all threads of a block ------------===//
#ifndef HEDDLE_LIB_CONVERSION_TILETOWARP_NEXTITEMS_H
#define HEDDLE_LIB_CONVERSION_TILETOWARP_NEXTITEMS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace heddle {

/// Makes of each `tile.next_item` a `warp.next_item`, whose number one thread sends where it is first read; all take it
/// from there. `isBulk`: threads will have roles.
void sendNextItems(mlir::func::FuncOp kernel, bool isBulk);

} // namespace heddle

#endif
