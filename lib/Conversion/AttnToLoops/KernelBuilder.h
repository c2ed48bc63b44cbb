//===- KernelBuilder.h - one kernel of plain scalar loops -------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOLOOPS_KERNELBUILDER_H
#define HEDDLE_LIB_CONVERSION_ATTNTOLOOPS_KERNELBUILDER_H

#include "lib/Conversion/AttnToLoops/PlanBuilder.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IRMapping.h"

namespace heddle::loops {

/// Use: ask for the memory and sizes of what the kernel needs (each becomes an argument when first asked for), open a
/// grid, emit the body with `body()`, and `launch`. Floats of any type are `real` once loaded.
class KernelBuilder {
public:
  using Values = llvm::SmallVector<mlir::Value>;

  explicit KernelBuilder(PlanBuilder &plan);

  PlanBuilder &getPlan() { return plan; }
  mlir::ImplicitLocOpBuilder &body() { return builder; }

  //===--- arguments, before or after the grid is open ---===//
  mlir::Value memory(mlir::Value tensor) { return buffer(plan.memory(tensor)); }
  /// The kernel's name for memory of the plan.
  mlir::Value buffer(mlir::Value planMemory);
  mlir::Value size(mlir::Value kernelMemory, unsigned dim);
  Values sizes(mlir::Value kernelMemory);
  mlir::Value sizeOf(mlir::Value tensor, unsigned dim);
  mlir::Value constant(int64_t value);
  /// Folded integer arithmetic on sizes, before the grid.
  template <typename OpT> mlir::Value combine(mlir::Value a, mlir::Value b) {
    mlir::OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(header);
    mlir::Value result = builder.createOrFold<OpT>(a, b);
    // One value per number, so that equal sizes are equal values.
    std::optional<int64_t> known = mlir::getConstantIntValue(result);
    return known ? constant(*known) : result;
  }

  //===--- the grid ---===//
  /// One block per point, the first dimension launched fastest; returns the positions.
  Values openGrid(llvm::ArrayRef<mlir::Value> extents);
  /// Blocks and loops over every point of a shape; returns the positions in the order of the shape.
  Values openElements(llvm::ArrayRef<mlir::Value> shape);

  //===--- the body ---===//
  mlir::Value real(double value);
  mlir::Value load(mlir::Value kernelMemory, mlir::ValueRange indices);
  void store(mlir::Value value, mlir::Value kernelMemory, mlir::ValueRange indices);
  /// A scalar of the source function: an argument, or computed anew in this kernel.
  mlir::Value scalar(mlir::Value sourceScalar);
  void loop(mlir::Value extent, llvm::function_ref<void(mlir::Value)> emit);
  Values loop(mlir::Value extent, mlir::ValueRange initial,
              llvm::function_ref<Values(mlir::Value, mlir::ValueRange)> emit);
  /// Nested loops; calls `emit` with all positions.
  void nest(llvm::ArrayRef<mlir::Value> extents, llvm::function_ref<void(Values)> emit);
  void when(mlir::Value condition, llvm::function_ref<void()> emit);
  Values when(mlir::Value condition, mlir::ValueRange otherwise, llvm::function_ref<Values()> emit);
  /// Emits a region on scalars with these arguments; a tensor argument stands for the tensor of the source given. What
  /// the region captures is passed or computed. `positions` answers `linalg.index`.
  Values inlined(mlir::Region &region, mlir::ValueRange arguments, mlir::ValueRange positions = {});
  /// One operation on scalars, or one element of an element-wise operation on tensors.
  mlir::Value apply(mlir::Operation *op, mlir::ValueRange operands);

  /// Ends the kernel and launches it from the plan.
  void launch();

private:
  void emit(mlir::Operation &op, mlir::IRMapping &mapping, mlir::ValueRange positions);
  void emitBlock(mlir::Block &from, mlir::IRMapping &mapping, mlir::ValueRange positions);
  mlir::Value resolve(mlir::Value operand, mlir::IRMapping &mapping);
  mlir::Value argument(mlir::Value planValue);
  mlir::Value toReal(mlir::Value value);
  mlir::Value fromReal(mlir::Value value, mlir::Type type);

  PlanBuilder &plan;
  mlir::func::FuncOp kernel;
  mlir::ImplicitLocOpBuilder builder;
  /// Sizes are computed before this operation: first the return, then the forall.
  mlir::Operation *header;
  /// Scalars of the source are computed once, at the top of the body, behind this operation.
  mlir::Operation *prologue = nullptr;
  mlir::Block *top = nullptr;
  llvm::SmallVector<mlir::Value> passed;
  llvm::DenseMap<mlir::Value, mlir::Value> arguments, scalars;
  llvm::DenseMap<std::pair<mlir::Value, unsigned>, mlir::Value> knownSizes;
  llvm::DenseMap<int64_t, mlir::Value> constants;
};

} // namespace heddle::loops

#endif
