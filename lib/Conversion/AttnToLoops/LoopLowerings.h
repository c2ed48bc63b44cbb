//===- LoopLowerings.h - which operations have reference semantics ----------===//
//
// One lowering per operation or interface, each in the file of its subject. An
// operation gains reference semantics by an entry here, never by a case in a switch.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOLOOPS_LOOPLOWERINGS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOLOOPS_LOOPLOWERINGS_H

#include "lib/Conversion/AttnToLoops/PlanBuilder.h"

namespace heddle::loops {

class LoopLowerings {
public:
  using Lower = std::function<mlir::LogicalResult(mlir::Operation *, PlanBuilder &)>;

  /// `OpT` may be an operation or an interface; the first entry that fits is used.
  template <typename OpT> void add(mlir::LogicalResult (*lower)(OpT, PlanBuilder &)) {
    entries.push_back({[](mlir::Operation *op) { return mlir::isa<OpT>(op); },
                       [lower](mlir::Operation *op, PlanBuilder &plan) { return lower(mlir::cast<OpT>(op), plan); }});
  }
  void add(bool (*handles)(mlir::Operation *), mlir::LogicalResult (*lower)(mlir::Operation *, PlanBuilder &)) {
    entries.push_back({handles, lower});
  }

  /// Emits the launches that compute the results of `op`; an error if it has no entry.
  mlir::LogicalResult lower(mlir::Operation *op, PlanBuilder &plan) const {
    for (const Entry &entry : entries)
      if (entry.handles(op))
        return entry.lower(op, plan);
    return op->emitOpError("expected an operation with reference semantics, got ") << op->getName();
  }

private:
  struct Entry {
    bool (*handles)(mlir::Operation *);
    Lower lower;
  };
  llvm::SmallVector<Entry> entries;
};

void addAttendLowering(LoopLowerings &lowerings);
void addRecurLowering(LoopLowerings &lowerings);
void addMergeLowering(LoopLowerings &lowerings);
void addViewLowerings(LoopLowerings &lowerings);
void addTensorLowerings(LoopLowerings &lowerings);
void addLinalgLowerings(LoopLowerings &lowerings);

/// Launches a kernel that copies between two memories of the plan of one shape.
void copyMemory(PlanBuilder &plan, mlir::Value from, mlir::Value to);

} // namespace heddle::loops

#endif
