#ifndef HEDDLE_DIALECTS_WARP_WARPDIALECT_H
#define HEDDLE_DIALECTS_WARP_WARPDIALECT_H

#include "mlir/IR/Dialect.h"

#include "dialects/Warp/WarpDialect.h.inc"

#endif
