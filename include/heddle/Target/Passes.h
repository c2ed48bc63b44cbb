#ifndef HEDDLE_TARGET_PASSES_H
#define HEDDLE_TARGET_PASSES_H

#include "mlir/Pass/Pass.h"

namespace heddle {
#define GEN_PASS_DECL
#include "heddle/Target/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "heddle/Target/Passes.h.inc"
} // namespace heddle

#endif
