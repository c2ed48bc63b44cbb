//===- Passes.td - passes of lib/Conversion ----===//
#ifndef HEDDLE_CONVERSION_PASSES
#define HEDDLE_CONVERSION_PASSES

include "mlir/Pass/PassBase.td"

#endif
