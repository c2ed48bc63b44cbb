//===- PackedGaps.h - what packed results leave untouched -------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_PACKEDGAPS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_PACKEDGAPS_H

#include "PlanBuilder.h"
#include "dialects/Attn/AttnOps.h"

namespace heddle {

/// Where `tensor` is an accumulate: emits a kernel that sets to zero what that does not reach of `memory` (a value of
/// the plan), and perhaps more, which it then writes. Where sequences are packed one after another only tiles that no
/// sequence covers are written; where dimensions only change places, nothing unless the result is larger.
void emitZerosBetween(PlanBuilder &plan, mlir::Value tensor, mlir::Value memory);

} // namespace heddle

#endif
