#ifndef HEDDLE_DIALECTS_WARP_WARPDIALECT_H
#define HEDDLE_DIALECTS_WARP_WARPDIALECT_H

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/TensorEncoding.h"

#include "dialects/Warp/WarpDialect.h.inc"
#include "dialects/Warp/WarpEnums.h.inc"
#include "dialects/Warp/WarpInterfaces.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Warp/WarpAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Warp/WarpTypes.h.inc"

#endif
