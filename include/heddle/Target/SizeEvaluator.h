//===- SizeEvaluator.h - index arithmetic of a plan as expressions ----------===//
#ifndef HEDDLE_TARGET_SIZEEVALUATOR_H
#define HEDDLE_TARGET_SIZEEVALUATOR_H

#include "heddle/Target/Expression.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"

namespace heddle {

/// Where a memref of a plan comes from.
struct PlanMemory {
  bool isParameter; ///< else a buffer
  uint32_t index;
  std::vector<Expression> sizes;
  std::vector<Expression> strides; ///< in elements; empty: a parameter as the caller's descriptor has it
};

/// Turns values into expressions, going backwards from what is asked for. Used for plans, and for what a kernel
/// computes before its forall with the kernel's arguments bound to a launch's operands.
class SizeEvaluator {
public:
  void bind(mlir::Value value, Expression expression) { scalars.insert({value, std::move(expression)}); }
  void bind(mlir::Value value, PlanMemory memory) { memories.insert({value, std::move(memory)}); }

  /// Fails with an error at the operation that the host cannot do.
  mlir::FailureOr<Expression> evaluate(mlir::Value value);
  /// Looks through casts and views.
  mlir::FailureOr<PlanMemory> memory(mlir::Value value);

private:
  mlir::FailureOr<Expression> evaluateOperation(mlir::Operation *op, unsigned resultNumber);
  mlir::FailureOr<PlanMemory> splitByResidue(mlir::Operation *op);
  mlir::FailureOr<Expression> evaluateIf(mlir::Operation *op, unsigned resultNumber);

  llvm::DenseMap<mlir::Value, Expression> scalars;
  llvm::DenseMap<mlir::Value, PlanMemory> memories;
};

} // namespace heddle

#endif
