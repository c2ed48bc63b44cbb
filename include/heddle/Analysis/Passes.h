#ifndef HEDDLE_ANALYSIS_PASSES_H
#define HEDDLE_ANALYSIS_PASSES_H

#include "mlir/Pass/Pass.h"

namespace heddle {
#define GEN_PASS_DECL
#include "heddle/Analysis/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "heddle/Analysis/Passes.h.inc"
} // namespace heddle

#endif
