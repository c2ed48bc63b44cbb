//===- ParameterNames.h - what the text calls its arguments -----------------===//
#ifndef HEDDLE_LIB_COMPILER_PARAMETERNAMES_H
#define HEDDLE_LIB_COMPILER_PARAMETERNAMES_H

#include "heddle/Target/Plan.h"
#include "mlir/AsmParser/AsmParserState.h"

namespace heddle {

/// Names of every function's arguments, then of its results, as in the text: `%q` is "q".
ParameterNames readParameterNames(mlir::ModuleOp module, const mlir::AsmParserState &state);

} // namespace heddle

#endif
