#ifndef HEDDLE_DIALECTS_ATTN_ATTNOPS_H
#define HEDDLE_DIALECTS_ATTN_ATTNOPS_H

#include "dialects/Attn/AttnDialect.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define GET_OP_CLASSES
#include "dialects/Attn/AttnOps.h.inc"

#endif
