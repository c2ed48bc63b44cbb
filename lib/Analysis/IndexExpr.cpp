//===- IndexExpr.cpp - making and simplifying integer expressions ---------===//
#include "heddle/Analysis/IndexExpr.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace heddle;
using Kind = IndexExpr::Kind;

static void profile(llvm::FoldingSetNodeID &id, Kind kind, int64_t value, mlir::Value captured,
                    llvm::ArrayRef<ExprRef> operands, llvm::ArrayRef<int64_t> coefficients) {
  id.AddInteger(static_cast<int>(kind));
  id.AddInteger(value);
  id.AddPointer(captured.getAsOpaquePointer());
  for (ExprRef operand : operands)
    id.AddInteger(operand->id);
  for (int64_t coefficient : coefficients)
    id.AddInteger(coefficient);
}

void IndexExpr::Profile(llvm::FoldingSetNodeID &nodeId) const {
  profile(nodeId, kind, value, captured, operands, coefficients);
}

ExprRef IndexExprContext::make(Kind kind, llvm::ArrayRef<ExprRef> operands, int64_t value, mlir::Value captured,
                               llvm::ArrayRef<int64_t> coefficients) {
  llvm::FoldingSetNodeID nodeId;
  profile(nodeId, kind, value, captured, operands, coefficients);
  void *position = nullptr;
  if (ExprRef known = unique.FindNodeOrInsertPos(nodeId, position))
    return known;
  IndexExpr &e = nodes.emplace_back();
  e.kind = kind;
  e.value = value;
  e.captured = captured;
  e.operands.assign(operands.begin(), operands.end());
  e.coefficients.assign(coefficients.begin(), coefficients.end());
  e.id = nodes.size() - 1;
  derive(e);
  unique.InsertNode(&e, position);
  return &e;
}

//===----------------------------------------------------------------------===//
// Leaves
//===----------------------------------------------------------------------===//

void IndexExprContext::remember(mlir::Value captured) {
  auto &list = llvm::isa<mlir::ShapedType>(captured.getType()) ? tensors : scalars;
  if (!llvm::is_contained(list, captured))
    list.push_back(captured);
}

ExprRef IndexExprContext::constant(int64_t value) { return make(Kind::Constant, {}, value); }
ExprRef IndexExprContext::symbol(IndexSymbol symbol) { return make(Kind::Symbol, {}, static_cast<int64_t>(symbol)); }

ExprRef IndexExprContext::scalar(mlir::Value value) {
  remember(value);
  return make(Kind::Scalar, {}, 0, value);
}

ExprRef IndexExprContext::dim(mlir::Value tensor, int64_t dimension) {
  auto type = llvm::cast<mlir::ShapedType>(tensor.getType());
  if (!type.isDynamicDim(dimension))
    return constant(type.getDimSize(dimension));
  remember(tensor);
  return make(Kind::Dim, {}, dimension, tensor);
}

ExprRef IndexExprContext::load(mlir::Value tensor, llvm::ArrayRef<ExprRef> indices) {
  remember(tensor);
  return make(Kind::Load, indices, 0, tensor);
}

ExprRef IndexExprContext::fact(mlir::Value tensor, int64_t axis) {
  remember(tensor);
  return make(Kind::Fact, {}, axis, tensor);
}

ExprRef IndexExprContext::opaque(const llvm::Twine &reason) {
  reasons.push_back(reason.str());
  return make(Kind::Opaque, {}, reasons.size() - 1);
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

// Two's complement, so that a constant out of range wraps as the program would.
static int64_t wrapMul(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) * b); }
static int64_t wrapAdd(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) + b); }

ExprRef IndexExprContext::combine(ExprRef a, int64_t scaleA, ExprRef b, int64_t scaleB, int64_t total) {
  llvm::SmallVector<std::pair<ExprRef, int64_t>, 8> terms;
  auto addTerms = [&](ExprRef e, int64_t scale) {
    if (!e || scale == 0)
      return;
    if (e->isConstant()) {
      total = wrapAdd(total, wrapMul(e->value, scale));
    } else if (e->kind == Kind::Sum) {
      total = wrapAdd(total, wrapMul(e->value, scale));
      for (auto [operand, coefficient] : llvm::zip(e->operands, e->coefficients))
        terms.push_back({operand, wrapMul(coefficient, scale)});
    } else {
      terms.push_back({e, scale});
    }
  };
  addTerms(a, scaleA);
  addTerms(b, scaleB);
  llvm::sort(terms, [](const auto &x, const auto &y) { return x.first->id < y.first->id; });
  llvm::SmallVector<ExprRef, 8> operands;
  llvm::SmallVector<int64_t, 8> coefficients;
  for (auto [operand, coefficient] : terms) {
    if (!operands.empty() && operands.back() == operand) {
      coefficients.back() = wrapAdd(coefficients.back(), coefficient);
    } else {
      operands.push_back(operand);
      coefficients.push_back(coefficient);
    }
    if (coefficients.back() == 0) {
      operands.pop_back();
      coefficients.pop_back();
    }
  }
  if (operands.empty())
    return constant(total);
  if (operands.size() == 1 && coefficients[0] == 1 && total == 0)
    return operands[0];
  return make(Kind::Sum, operands, total, {}, coefficients);
}

ExprRef IndexExprContext::mul(ExprRef a, ExprRef b) {
  if (a->isConstant())
    return scale(b, a->value);
  if (b->isConstant())
    return scale(a, b->value);
  if (a->id > b->id)
    std::swap(a, b);
  return make(Kind::Mul, {a, b});
}

static int64_t divideConstants(Kind kind, int64_t a, int64_t b) {
  int64_t quotient = a / b, rest = a % b;
  if (kind == Kind::FloorDiv && rest != 0 && (rest < 0) != (b < 0))
    return quotient - 1;
  if (kind == Kind::CeilDiv && rest != 0 && (rest < 0) == (b < 0))
    return quotient + 1;
  return quotient;
}

/// What `a` divided by b > 0 is, where its bounds leave one value.
static std::optional<int64_t> onlyQuotient(Kind kind, ExprRef a, int64_t b) {
  if (!a->lower || !a->upper)
    return std::nullopt;
  int64_t least = divideConstants(kind, *a->lower, b);
  return least == divideConstants(kind, *a->upper, b) ? std::optional(least) : std::nullopt;
}

ExprRef IndexExprContext::divide(Kind kind, ExprRef a, ExprRef b) {
  if (!b->isConstant() || b->value == 0)
    return make(kind, {a, b});
  if (b->value < 0) {
    if (b->value == INT64_MIN)
      return opaque("a divisor out of range");
    // Rounding to zero is odd; the other two see the sign on either side.
    ExprRef positive = constant(-b->value);
    return kind == Kind::TruncDiv ? negate(divide(kind, a, positive)) : divide(kind, negate(a), positive);
  }
  if (b->value == 1)
    return a;
  if (std::optional<int64_t> only = onlyQuotient(kind, a, b->value))
    return constant(*only);
  if (kind == Kind::TruncDiv) {
    if (a->lower && *a->lower >= 0)
      return divide(Kind::FloorDiv, a, b);
    return make(kind, {a, b});
  }
  if (a->kind != Kind::Sum)
    return make(kind, {a, b});
  // (b*x + y) / b = x + y / b for the rounding that does not depend on signs.
  ExprRef whole = constant(0), rest = constant(0);
  for (auto [operand, coefficient] : llvm::zip(a->operands, a->coefficients)) {
    bool divides = coefficient % b->value == 0;
    ExprRef &part = divides ? whole : rest;
    part = combine(part, 1, operand, divides ? coefficient / b->value : coefficient, 0);
  }
  int64_t quotient = divideConstants(Kind::FloorDiv, a->value, b->value);
  whole = offset(whole, quotient);
  rest = offset(rest, a->value - quotient * b->value);
  if (std::optional<int64_t> only = onlyQuotient(kind, rest, b->value))
    return offset(whole, *only);
  return add(whole, make(kind, {rest, b}));
}

ExprRef IndexExprContext::floorDiv(ExprRef a, ExprRef b) { return divide(Kind::FloorDiv, a, b); }
ExprRef IndexExprContext::ceilDiv(ExprRef a, ExprRef b) { return divide(Kind::CeilDiv, a, b); }
ExprRef IndexExprContext::truncDiv(ExprRef a, ExprRef b) { return divide(Kind::TruncDiv, a, b); }

ExprRef IndexExprContext::remainder(ExprRef a, ExprRef b) {
  if (b->isConstant() && b->value != 0 && b->value != INT64_MIN) {
    b = constant(std::abs(b->value));
    if (b->value == 1)
      return constant(0);
    if (a->isConstant())
      return constant(a->value % b->value);
    if (a->lower && a->upper && *a->lower >= 0 && *a->upper < b->value)
      return a;
    // (b*x + y) % b is 0 where y is, and y where that is in [0, b) and the whole not negative.
    if (a->kind == Kind::Sum) {
      ExprRef rest = constant(a->value);
      for (auto [operand, coefficient] : llvm::zip(a->operands, a->coefficients))
        if (coefficient % b->value != 0)
          rest = combine(rest, 1, operand, coefficient, 0);
      bool isWithin =
          a->lower && *a->lower >= 0 && rest->lower && *rest->lower >= 0 && rest->upper && *rest->upper < b->value;
      if (isWithin || (rest->isConstant() && rest->value % b->value == 0))
        return isWithin ? rest : constant(0);
    }
  }
  return make(Kind::Remainder, {a, b});
}

ExprRef IndexExprContext::min(ExprRef a, ExprRef b) {
  ExprRef difference = sub(a, b);
  if (difference->upper && *difference->upper <= 0)
    return a;
  if (difference->lower && *difference->lower >= 0)
    return b;
  if (a->isSymbol(IndexSymbol::KeyCount) && b->atMostKeys)
    return b;
  if (b->isSymbol(IndexSymbol::KeyCount) && a->atMostKeys)
    return a;
  if (a->kind == Kind::Select && b->kind == Kind::Select && a->operands[0] == b->operands[0])
    return select(a->operands[0], min(a->operands[1], b->operands[1]), min(a->operands[2], b->operands[2]));
  if (a->id > b->id)
    std::swap(a, b);
  return make(Kind::Min, {a, b});
}

ExprRef IndexExprContext::max(ExprRef a, ExprRef b) {
  ExprRef difference = sub(a, b);
  if (difference->lower && *difference->lower >= 0)
    return a;
  if (difference->upper && *difference->upper <= 0)
    return b;
  if (a->isSymbol(IndexSymbol::KeyCount) && b->atMostKeys)
    return a;
  if (b->isSymbol(IndexSymbol::KeyCount) && a->atMostKeys)
    return b;
  if (a->kind == Kind::Select && b->kind == Kind::Select && a->operands[0] == b->operands[0])
    return select(a->operands[0], max(a->operands[1], b->operands[1]), max(a->operands[2], b->operands[2]));
  if (a->id > b->id)
    std::swap(a, b);
  return make(Kind::Max, {a, b});
}

ExprRef IndexExprContext::select(ExprRef condition, ExprRef ifTrue, ExprRef ifFalse) {
  if (condition->isConstant())
    return condition->value ? ifTrue : ifFalse;
  if (ifTrue == ifFalse)
    return ifTrue;
  if (condition->kind == Kind::Not)
    return select(condition->operands[0], ifFalse, ifTrue);
  if (ifTrue->isTruth && ifFalse->isTruth) {
    if (ifTrue->isConstant())
      return ifTrue->value ? logicalOr(condition, ifFalse) : logicalAnd(logicalNot(condition), ifFalse);
    if (ifFalse->isConstant())
      return ifFalse->value ? logicalOr(logicalNot(condition), ifTrue) : logicalAnd(condition, ifTrue);
  }
  return make(Kind::Select, {condition, ifTrue, ifFalse});
}

//===----------------------------------------------------------------------===//
// Truth
//===----------------------------------------------------------------------===//

static int64_t commonDivisor(ExprRef sum) {
  int64_t divisor = 0;
  for (int64_t coefficient : sum->coefficients)
    divisor = std::gcd(divisor, coefficient);
  return divisor;
}

ExprRef IndexExprContext::nonPositive(ExprRef a) {
  if (a->upper && *a->upper <= 0)
    return constant(1);
  if (a->lower && *a->lower > 0)
    return constant(0);
  if (a->kind == Kind::Sum) {
    int64_t divisor = commonDivisor(a);
    if (divisor > 1)
      a = ceilDiv(a, constant(divisor));
  }
  return make(Kind::NonPositive, {a});
}

ExprRef IndexExprContext::zero(ExprRef a) {
  if ((a->upper && *a->upper < 0) || (a->lower && *a->lower > 0))
    return constant(0);
  if (a->isConstant())
    return constant(a->value == 0);
  if (a->isTruth)
    return logicalNot(a);
  if (a->kind == Kind::Sum) {
    int64_t divisor = commonDivisor(a);
    if (divisor > 1 && a->value % divisor != 0)
      return constant(0);
    if (divisor > 1)
      a = floorDiv(a, constant(divisor));
    // One spelling for a = 0 and -a = 0.
    if (a->kind == Kind::Sum && a->coefficients[0] < 0)
      a = negate(a);
  }
  return make(Kind::Zero, {a});
}

ExprRef IndexExprContext::logicalNot(ExprRef a) {
  if (a->isConstant())
    return constant(!a->value);
  if (a->kind == Kind::Not)
    return a->operands[0];
  if (a->kind == Kind::NonPositive)
    return nonPositive(combine(a->operands[0], -1, nullptr, 0, 1));
  return make(Kind::Not, {a});
}

/// Of two comparisons of the same sum with different constants, the one that implies the other; or null.
static ExprRef strictest(IndexExprContext &context, ExprRef a, ExprRef b) {
  if (a->kind != Kind::NonPositive || b->kind != Kind::NonPositive)
    return nullptr;
  ExprRef difference = context.sub(a->operands[0], b->operands[0]);
  return !difference->isConstant() ? nullptr : difference->value >= 0 ? a : b;
}

ExprRef IndexExprContext::logicalAnd(ExprRef a, ExprRef b) {
  if (a->isConstant())
    return a->value ? b : a;
  if (b->isConstant())
    return b->value ? a : b;
  if (a == b)
    return a;
  if (ExprRef strict = strictest(*this, a, b))
    return strict;
  if (a->id > b->id)
    std::swap(a, b);
  return make(Kind::And, {a, b});
}

ExprRef IndexExprContext::logicalOr(ExprRef a, ExprRef b) {
  if (a->isConstant())
    return a->value ? a : b;
  if (b->isConstant())
    return b->value ? b : a;
  if (a == b)
    return a;
  if (ExprRef strict = strictest(*this, a, b))
    return strict == a ? b : a;
  if (a->id > b->id)
    std::swap(a, b);
  return make(Kind::Or, {a, b});
}

//===----------------------------------------------------------------------===//
// Binders
//===----------------------------------------------------------------------===//

ExprRef IndexExprContext::firstKey(ExprRef body, ExprRef target) { return make(Kind::FirstKey, {body, target}); }

ExprRef IndexExprContext::rowMinimum(ExprRef body) {
  return body->dependsOnRow ? make(Kind::RowMinimum, {body}) : body;
}

ExprRef IndexExprContext::rowMaximum(ExprRef body) {
  return body->dependsOnRow ? make(Kind::RowMaximum, {body}) : body;
}
