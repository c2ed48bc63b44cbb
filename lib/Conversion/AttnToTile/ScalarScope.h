//===- ScalarScope.h - sizes and scalars of an attn function, elsewhere -----===//
//
// A plan and each of its kernels see the same numbers: scalar arguments, scalar
// arithmetic of the function's body, sizes of its tensors. A scope re-creates any
// of them on demand at its own insertion point, once.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_SCALARSCOPE_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_SCALARSCOPE_H

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/DenseMap.h"

namespace heddle {

class ScalarScope {
public:
  virtual ~ScalarScope() = default;

  /// The scalar `value` of the attn function in this scope; null (after an error) when it depends on array contents.
  mlir::Value scalar(mlir::Value value);

  /// Size of a dimension of any tensor of the attn function, stored or not.
  mlir::Value dim(mlir::Value tensor, int64_t dimension);

  /// The memref that holds `tensor` in this scope, or null when the tensor is not in memory.
  virtual mlir::Value memory(mlir::Value tensor) = 0;

  mlir::Value constant(int64_t value);

protected:
  explicit ScalarScope(mlir::ImplicitLocOpBuilder builder) : builder(builder) {}

  /// A scalar argument of the attn function in this scope.
  virtual mlir::Value argument(mlir::BlockArgument value) = 0;

  /// Where sizes and scalars are computed.
  mlir::ImplicitLocOpBuilder builder;

private:
  mlir::Value deriveDim(mlir::Value tensor, int64_t dimension);

  llvm::DenseMap<mlir::Value, mlir::Value> scalars;
  llvm::DenseMap<std::pair<mlir::Value, int64_t>, mlir::Value> dims;
  llvm::DenseMap<int64_t, mlir::Value> constants;
};

} // namespace heddle

#endif
