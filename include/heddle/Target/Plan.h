//===- Plan.h - what the host does for an entry, as data --------------------===//
//
// A tile module's plan function (contract 2 of dialects/README.md) read into
// parameters, buffers and launches. Every number that depends on the caller's
// arguments is an Expression: nothing of the plan runs as code.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_TARGET_PLAN_H
#define HEDDLE_TARGET_PLAN_H

#include "heddle/Target/Expression.h"
#include "mlir/IR/BuiltinOps.h"
#include <vector>

namespace heddle {

struct PlanParameter {
  std::string name;
  heddle_param_role role;
  heddle_dtype type;
  std::vector<int64_t> sizes; ///< -1: any; empty for a scalar
};

struct PlanBuffer {
  Expression bytes;
  bool zeroed;
};

struct PlanSlot {
  heddle_slot_kind kind;
  uint32_t index = 0;              ///< parameter or buffer
  std::optional<Expression> value; ///< of HEDDLE_SLOT_EXPR
};

struct PlanLaunch {
  std::string kernel;
  std::optional<Expression> condition;
  std::vector<Expression> grid; ///< three
  std::vector<PlanSlot> slots;
};

/// What must be true of a call's sizes.
struct PlanRequirement {
  Expression left, right;
  Expression condition; ///< on them: nonzero where it holds
  std::string text;     ///< what was expected, for messages
};

struct Plan {
  std::string name;
  std::vector<PlanParameter> parameters;
  std::vector<PlanRequirement> requirements;
  std::vector<PlanBuffer> buffers;
  std::vector<PlanLaunch> launches;
  std::optional<uint32_t> statusBuffer;

  /// True of the arguments for which `alignKernelArguments` told the truth.
  std::optional<Expression> alignmentGuard(int64_t bytes) const;
};

/// Read every plan of a tile module. `names[plan][argument]` are the parameters' names where the text had any.
using ParameterNames = llvm::StringMap<std::vector<std::string>>;
mlir::FailureOr<std::vector<Plan>> extractPlans(mlir::ModuleOp module, const ParameterNames &names);

/// For people: which kernels run under which condition, a line for each condition; nothing for those that always do.
std::string describeConditions(const Plan &plan);

/// Mark the kernel arguments that are aligned to `bytes` when the guard of the plan holds (`tile.alignment`). Returns
/// whether there are any whose alignment is the caller's doing: if not, one variant is enough.
bool alignKernelArguments(mlir::ModuleOp module, int64_t bytes);

} // namespace heddle

#endif
