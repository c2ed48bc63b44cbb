//===- PlanBuilder.h - the plan of an attn function and its kernels ---------===//
//
// The plan is the host side of a compiled function (contract 2 of
// dialects/README.md): it allocates workspace and launches kernels. A kernel
// names values of the plan; what it names becomes its arguments.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_PLANBUILDER_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_PLANBUILDER_H

#include "ScalarScope.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"

namespace heddle {

/// Memory type of a stored tensor: any strides but a unit one in the last dimension.
mlir::MemRefType getStridedMemory(mlir::RankedTensorType tensor);

class PlanBuilder : public ScalarScope {
public:
  /// Creates the (still empty) plan of `source` beside it, with an argument per argument and result.
  static PlanBuilder create(mlir::func::FuncOp source);

  /// The same plan for a function with the same arguments and results, from where this one's is being written.
  PlanBuilder of(mlir::func::FuncOp other);

  mlir::Value memory(mlir::Value tensor) override { return stored.lookup(tensor); }

  /// The caller's memory for result `index` of the function.
  mlir::Value output(unsigned index);

  /// Says that `tensor` is in `memref` from here on.
  void store(mlir::Value tensor, mlir::Value memref) { stored[tensor] = memref; }

  /// Workspace with the sizes of `tensor`.
  mlir::Value allocateFor(mlir::Value tensor);
  /// The status word: one i32 that kernels raise when they had to clamp a value found on the device.
  mlir::Value getStatus();

  /// Words (i32) that are zero before every run.
  mlir::Value allocateZeroed(int64_t words);
  /// Workspace of a type, dynamic sizes given.
  mlir::Value allocate(mlir::MemRefType type, mlir::ValueRange sizes);

  mlir::ImplicitLocOpBuilder &getBuilder() { return builder; }
  mlir::func::FuncOp getSource() { return source; }
  mlir::func::FuncOp getPlan() { return plan; }

  /// A name for the next kernel: the function's, numbered.
  std::string nextKernelName();

  /// Ends the plan.
  void finish();

private:
  PlanBuilder(mlir::func::FuncOp source, mlir::func::FuncOp plan);
  mlir::Value argument(mlir::BlockArgument value) override { return plan.getArgument(value.getArgNumber()); }

  mlir::func::FuncOp source, plan;
  llvm::DenseMap<mlir::Value, mlir::Value> stored;
  mlir::Value status;
  unsigned kernels = 0;
};

/// Builds one kernel. Code goes in two places: sizes, at the head (this scope's own builder), and the block's body.
class KernelBuilder : public ScalarScope {
public:
  static KernelBuilder create(PlanBuilder &plan);

  /// `planValue` as an argument of the kernel.
  mlir::Value import(mlir::Value planValue);
  /// Contiguous workspace as an argument: strides that follow from its type are constants of the kernel.
  mlir::Value importContiguous(mlir::Value planValue);

  /// `planValue` with the positions of a dimension grouped by residue (tile.residues).
  mlir::Value importByResidue(mlir::Value planValue, int64_t dimension, int64_t modulus);
  /// The same of an argument of the kernel.
  mlir::Value byResidue(mlir::Value argument, int64_t dimension, int64_t modulus);

  mlir::Value memory(mlir::Value tensor) override;

  /// Creates the forall over `grid` (values of the head); returns the block's coordinates.
  llvm::SmallVector<mlir::Value> startBody(llvm::ArrayRef<mlir::Value> grid);

  mlir::ImplicitLocOpBuilder &head() { return builder; }
  mlir::ImplicitLocOpBuilder &body() { return bodyBuilder; }

  PlanBuilder &getPlan() { return plan; }

  /// Fixes the signature and launches the kernel from the plan.
  void launch();

private:
  KernelBuilder(PlanBuilder &plan, mlir::func::FuncOp kernel);
  mlir::Value argument(mlir::BlockArgument value) override;

  PlanBuilder &plan;
  mlir::func::FuncOp kernel;
  mlir::ImplicitLocOpBuilder bodyBuilder;
  llvm::MapVector<mlir::Value, mlir::Value> arguments;                          // of the plan -> of the kernel
  llvm::DenseMap<std::tuple<mlir::Value, int64_t, int64_t>, mlir::Value> views; // of the plan
};

/// A loop from `lower` to `upper` that carries values: `body` gives the next ones of its position and the values so
/// far.
using LoopBody =
    llvm::function_ref<mlir::FailureOr<llvm::SmallVector<mlir::Value>>(mlir::Value, llvm::ArrayRef<mlir::Value>)>;
mlir::FailureOr<llvm::SmallVector<mlir::Value>> loopOver(mlir::ImplicitLocOpBuilder &builder, mlir::Value lower,
                                                         mlir::Value upper, mlir::Value step,
                                                         llvm::ArrayRef<mlir::Value> initial, LoopBody body);

} // namespace heddle

#endif
