//===- ScalarInterpreter.h - evaluate a scalar region in double precision ---===//
//
// The regions of this dialect are small pure functions on scalars. Evaluating one
// answers questions that no pattern should: does a rescaling hold, what does a mask
// say at a point, what is the weight of a score of -inf. Floats of every type are
// evaluated as doubles, integers wrap at their own width.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_DIALECTS_ATTN_SCALARINTERPRETER_H
#define HEDDLE_DIALECTS_ATTN_SCALARINTERPRETER_H

#include "mlir/IR/Operation.h"
#include "mlir/IR/Region.h"
#include "llvm/ADT/DenseMap.h"
#include <functional>
#include <optional>

namespace heddle::attn {

/// A float in `real`; an integer, index or boolean in `integer` (a boolean as 0 or 1, others sign-extended).
struct Scalar {
  double real = 0;
  int64_t integer = 0;

  static Scalar ofReal(double value) { return {value, 0}; }
  static Scalar ofInteger(int64_t value) { return {0, value}; }
};

class ScalarInterpreter {
public:
  /// The element of a captured tensor, or nothing if it is not known.
  using ReadElement = std::function<std::optional<Scalar>(mlir::Value tensor, llvm::ArrayRef<int64_t> indices)>;
  /// A scalar from outside the region (or a `tensor.dim`), or nothing if it is not known; then it is computed from its
  /// operands if it can be.
  using ReadCapture = std::function<std::optional<Scalar>(mlir::Value scalar)>;

  explicit ScalarInterpreter(ReadElement readElement = {}, ReadCapture readCapture = {})
      : readElement(std::move(readElement)), readCapture(std::move(readCapture)) {}

  /// What the region yields for these block arguments, or nothing if it needs a value that is not known or an
  /// operation that has no rule. An argument of tensor type is passed as any scalar; `readElement` receives it.
  std::optional<llvm::SmallVector<Scalar>> evaluate(mlir::Region &region, llvm::ArrayRef<Scalar> arguments);

private:
  std::optional<llvm::SmallVector<Scalar>> runBlock(mlir::Block &block);
  bool run(mlir::Operation &op);
  bool runFor(mlir::Operation &op);
  std::optional<Scalar> value(mlir::Value operand);

  ReadElement readElement;
  ReadCapture readCapture;
  llvm::DenseMap<mlir::Value, Scalar> values;
};

/// What an operation of `arith` or `math` computes from scalars, or null if there is no rule.
using ScalarRule = std::optional<Scalar> (*)(mlir::Operation &op, llvm::ArrayRef<Scalar> operands);
ScalarRule lookupScalarRule(llvm::StringRef operationName);

} // namespace heddle::attn

#endif
