//===- Passes.td - passes of lib/Transforms ----===//
#ifndef HEDDLE_TRANSFORMS_PASSES
#define HEDDLE_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

#endif
