#ifndef HEDDLE_DIALECTS_WARP_WARPOPS_H
#define HEDDLE_DIALECTS_WARP_WARPOPS_H

#include "dialects/Tile/TileOps.h"
#include "dialects/Warp/WarpDialect.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define GET_OP_CLASSES
#include "dialects/Warp/WarpOps.h.inc"

#endif
