//===- Passes.td - passes of lib/Analysis ----===//
#ifndef HEDDLE_ANALYSIS_PASSES
#define HEDDLE_ANALYSIS_PASSES

include "mlir/Pass/PassBase.td"

#endif
