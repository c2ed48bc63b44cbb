#ifndef HEDDLE_DIALECTS_ATTN_ATTNOPS_H
#define HEDDLE_DIALECTS_ATTN_ATTNOPS_H

#include "dialects/Attn/AttnDialect.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace heddle::attn {
class NormalizerOp;
/// The statistic every normalizer with a reference has: the true maximum of the reference over the row.
inline constexpr llvm::StringLiteral kMaxStat = "max";
} // namespace heddle::attn

#define GET_OP_CLASSES
#include "dialects/Attn/AttnOps.h.inc"

#endif
