//===- SizeRequirements.h - what the sizes of a call must be ----------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_SIZEREQUIREMENTS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_SIZEREQUIREMENTS_H

#include "PlanBuilder.h"

namespace heddle {

/// Emits, at the start of a plan, the relations between dynamic sizes that the operations of its function take for
/// granted (verifiers see to the static ones), and that the caller's outputs have the sizes of the results.
void emitSizeRequirements(PlanBuilder &plan);

} // namespace heddle

#endif
