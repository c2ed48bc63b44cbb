//===- PlanBuilder.h - the host function of the reference semantics ---------===//
//
// Turns one attn function into a plan: every tensor value gets memory (an argument
// or a workspace), every operation becomes launches of kernels that fill it. A
// KernelBuilder makes one such kernel; what it reads is passed by asking for it.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOLOOPS_PLANBUILDER_H
#define HEDDLE_LIB_CONVERSION_ATTNTOLOOPS_PLANBUILDER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/DenseMap.h"

namespace heddle::loops {

class PlanBuilder {
public:
  /// `real` is the type in which every float is computed and stored in workspaces.
  PlanBuilder(mlir::func::FuncOp source, mlir::Type real);

  mlir::func::FuncOp getSource() { return source; }
  mlir::FloatType getReal() { return real; }
  /// Builds host code at the end of the plan.
  mlir::ImplicitLocOpBuilder &host() { return builder; }
  void setLoc(mlir::Location location) { builder.setLoc(location); }

  /// The memory of a tensor of the source function; a tensor without contents gets fresh memory.
  mlir::Value memory(mlir::Value tensor);
  /// Memory for a result, with these sizes; `element` defaults to the result's own (floats become `real`).
  mlir::Value allocate(mlir::Value tensor, llvm::ArrayRef<mlir::Value> sizes);
  mlir::Value allocate(mlir::Type element, llvm::ArrayRef<mlir::Value> sizes);
  /// Lets a tensor share another's memory, or gives a tensor without contents its sizes.
  void alias(mlir::Value tensor, mlir::Value other) { memories[tensor] = memory(other); }
  void declare(mlir::Value tensor, llvm::ArrayRef<mlir::Value> sizes) { declared[tensor] = llvm::to_vector(sizes); }
  bool hasContents(mlir::Value tensor) { return !declared.contains(tensor); }

  mlir::Value size(mlir::Value tensor, unsigned dim);
  llvm::SmallVector<mlir::Value> sizes(mlir::Value tensor);
  mlir::Value constant(int64_t value);
  /// A size or offset of an operation, on the host. Null (after an error) if it is not integer arithmetic on sizes.
  mlir::Value hostScalar(mlir::OpFoldResult scalar);

  /// The argument that the caller passes for a result.
  mlir::Value getResultMemory(unsigned index);
  /// A fresh symbol for a kernel.
  std::string nextKernelName();
  mlir::Type convert(mlir::Type type);
  /// The plan's value for a scalar argument of the source.
  mlir::Value argument(mlir::BlockArgument scalar) { return arguments.lookup(scalar); }
  void finish();

private:
  mlir::func::FuncOp source, plan;
  mlir::FloatType real;
  mlir::ImplicitLocOpBuilder builder;
  llvm::DenseMap<mlir::Value, mlir::Value> arguments, memories;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value>> memorySizes, declared;
  unsigned numKernels = 0;
};

} // namespace heddle::loops

#endif
