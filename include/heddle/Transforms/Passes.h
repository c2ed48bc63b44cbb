#ifndef HEDDLE_TRANSFORMS_PASSES_H
#define HEDDLE_TRANSFORMS_PASSES_H

#include "mlir/Pass/Pass.h"

namespace heddle {
#define GEN_PASS_DECL
#include "heddle/Transforms/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

#endif
