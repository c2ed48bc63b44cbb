//===- AlternativeForm.h - a function that another stands for ----------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_ALTERNATIVEFORM_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_ALTERNATIVEFORM_H

#include "PlanBuilder.h"

namespace heddle {

/// Whether it stands for another.
bool isAlternative(mlir::func::FuncOp function);

/// The function of the module that stands for `function` for some sizes, or null.
mlir::func::FuncOp findAlternative(mlir::func::FuncOp function);

/// Whether a call takes it: i1, where the plan of the function it stands for is being written.
mlir::Value isAlternativeTaken(PlanBuilder &plan, mlir::func::FuncOp alternative);

} // namespace heddle

#endif
