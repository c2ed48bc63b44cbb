//===- PackedGaps.h - what packed results leave untouched -------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_PACKEDGAPS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_PACKEDGAPS_H

#include "PlanBuilder.h"
#include "dialects/Attn/AttnOps.h"

namespace heddle {

/// Emits a kernel that sets to zero what `op` does not reach of `memory` (a value of the plan), and perhaps more, which
/// `op` then writes. Where sequences are packed one after another only tiles that no sequence covers are written.
void emitZerosBetween(PlanBuilder &plan, attn::AccumulateOp op, mlir::Value memory);

} // namespace heddle

#endif
