//===- Expression.h - arithmetic that the runtime does before a launch ------===//
//
// The compile-time side of the expressions of artifact.h: a run of words for a
// stack machine. Building one folds constants, with the runtime's meaning.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_TARGET_EXPRESSION_H
#define HEDDLE_TARGET_EXPRESSION_H

#include "heddle_rt/artifact.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace heddle {

class Expression {
public:
  static Expression constant(int64_t value);
  static Expression size(uint32_t parameter, uint32_t axis) { return leaf(HEDDLE_OP_SIZE, {parameter, axis}); }
  static Expression stride(uint32_t parameter, uint32_t axis) { return leaf(HEDDLE_OP_STRIDE, {parameter, axis}); }
  static Expression scalar(uint32_t parameter) { return leaf(HEDDLE_OP_SCALAR, {parameter}); }
  static Expression alignment(uint32_t parameter) { return leaf(HEDDLE_OP_ALIGNMENT, {parameter}); }
  static Expression machine() { return leaf(HEDDLE_OP_MACHINE, {}); }

  /// `opcode` is one of those that take two values.
  static Expression binary(heddle_opcode opcode, const Expression &lhs, const Expression &rhs);
  static Expression logicalNot(const Expression &operand);
  static Expression select(const Expression &condition, const Expression &ifTrue, const Expression &ifFalse);

  /// The value, when it is known already.
  std::optional<int64_t> known() const { return knownValue; }
  /// Whether it is never negative, as sizes and counts are.
  bool isNonNegative() const { return nonNegative; }
  /// The words, with the final HEDDLE_OP_END.
  llvm::SmallVector<uint32_t> words() const;
  size_t length() const { return code.size(); }

private:
  static Expression leaf(heddle_opcode opcode, llvm::ArrayRef<uint32_t> operands);

  llvm::SmallVector<uint32_t, 8> code;
  std::optional<int64_t> knownValue;
  bool nonNegative = false;
};

inline Expression operator+(const Expression &a, const Expression &b) {
  return Expression::binary(HEDDLE_OP_ADD, a, b);
}
inline Expression operator-(const Expression &a, const Expression &b) {
  return Expression::binary(HEDDLE_OP_SUB, a, b);
}
inline Expression operator*(const Expression &a, const Expression &b) {
  return Expression::binary(HEDDLE_OP_MUL, a, b);
}

/// Words as a reader likes them: `ceildiv(size(q, 2), 64)`. `names` are those of the entry's parameters.
std::string printExpression(llvm::ArrayRef<uint32_t> words, llvm::ArrayRef<std::string> names);

} // namespace heddle

#endif
