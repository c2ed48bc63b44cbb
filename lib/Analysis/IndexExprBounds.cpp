//===- IndexExprBounds.cpp - directions and bounds of expressions ---------===//
//
// How an expression moves with a row or a key, and between which values it stays
// while the row runs over a block. The first answer makes the second one exact:
// where an expression is monotone in the row, its bounds are its two ends.
//
//===----------------------------------------------------------------------===//
#include "heddle/Analysis/IndexExpr.h"
#include "llvm/ADT/STLExtras.h"

using namespace heddle;
using Kind = IndexExpr::Kind;

static Direction reverse(Direction d) {
  return d == Direction::Up ? Direction::Down : d == Direction::Down ? Direction::Up : d;
}

/// The direction of a function that does not fall when either of its two operands grows.
static Direction join(Direction a, Direction b) {
  if (a == Direction::Constant || a == b)
    return b;
  return b == Direction::Constant ? a : Direction::Unknown;
}

namespace {
struct DirectionFinder {
  IndexExprContext &context;
  IndexSymbol variable;
  llvm::SmallVectorImpl<ExprRef> &conditions;
  llvm::ArrayRef<ExprRef> assumed;

  /// Whether `condition` may be relied on: known, assumed, or noted for the run to check.
  bool require(ExprRef condition) {
    if (condition->isConstant())
      return condition->value;
    if (condition->dependsOnRow || condition->dependsOnKey)
      return false;
    if (!llvm::is_contained(assumed, condition) && !llvm::is_contained(conditions, condition))
      conditions.push_back(condition);
    return true;
  }

  Direction visit(ExprRef e) {
    if (!e->dependsOn(variable))
      return Direction::Constant;
    switch (e->kind) {
    case Kind::Symbol:
      return Direction::Up;
    case Kind::Sum: {
      Direction result = Direction::Constant;
      for (auto [operand, coefficient] : llvm::zip(e->operands, e->coefficients))
        result = join(result, coefficient > 0 ? visit(operand) : reverse(visit(operand)));
      return result;
    }
    case Kind::Mul: {
      ExprRef moving = e->operands[0], factor = e->operands[1];
      if (factor->dependsOn(variable))
        std::swap(moving, factor);
      if (factor->dependsOn(variable)) {
        bool positive = moving->lower && factor->lower && *moving->lower >= 0 && *factor->lower >= 0;
        return positive ? join(visit(moving), visit(factor)) : Direction::Unknown;
      }
      // A positive factor was mostly asked for already, by a division.
      if (llvm::is_contained(assumed, positive(factor)) || require(nonNegative(factor)))
        return visit(moving);
      return Direction::Unknown;
    }
    case Kind::FloorDiv:
    case Kind::CeilDiv:
    case Kind::TruncDiv:
      if (e->operands[1]->dependsOn(variable) || !require(positive(e->operands[1])))
        return Direction::Unknown;
      return visit(e->operands[0]);
    case Kind::Min:
    case Kind::Max:
    case Kind::And:
    case Kind::Or:
      return join(visit(e->operands[0]), visit(e->operands[1]));
    case Kind::Select:
      if (e->operands[0]->dependsOn(variable))
        return Direction::Unknown;
      return join(visit(e->operands[1]), visit(e->operands[2]));
    case Kind::NonPositive:
    case Kind::Not:
      return reverse(visit(e->operands[0]));
    case Kind::Load:
      return visitLoad(e);
    case Kind::FirstKey:
      // Later rows find the key later when the target rises or the body falls.
      return join(visit(e->operands[1]), reverse(visit(e->operands[0])));
    default:
      return Direction::Unknown;
    }
  }

  Direction visitLoad(ExprRef e) {
    std::optional<unsigned> axis;
    for (auto [k, index] : llvm::enumerate(e->operands)) {
      if (!index->dependsOn(variable))
        continue;
      if (axis)
        return Direction::Unknown;
      axis = k;
    }
    Direction d = visit(e->operands[*axis]);
    if (d != Direction::Unknown)
      require(context.fact(e->captured, *axis));
    return d;
  }

  ExprRef nonNegative(ExprRef e) { return context.nonPositive(context.negate(e)); }
  ExprRef positive(ExprRef e) { return context.less(context.constant(0), e); }
};
} // namespace

Direction heddle::direction(IndexExprContext &context, ExprRef e, IndexSymbol variable,
                            llvm::SmallVectorImpl<ExprRef> &conditions, llvm::ArrayRef<ExprRef> assumed) {
  if (e->treeSize > largestTree)
    return Direction::Unknown;
  return DirectionFinder{context, variable, conditions, assumed}.visit(e);
}

//===----------------------------------------------------------------------===//
// Over the rows of a block
//===----------------------------------------------------------------------===//

static ExprRef onlyRowOperand(ExprRef e) {
  ExprRef only = nullptr;
  for (ExprRef operand : e->operands) {
    if (!operand->dependsOnRow)
      continue;
    if (only)
      return nullptr;
    only = operand;
  }
  return only;
}

/// Bounds from the bounds of the one operand that moves; exact because the operation is monotone in it.
static std::optional<ExprBounds> boundsThrough(IndexExprContext &context, ExprRef e, llvm::ArrayRef<ExprRef> assumed) {
  ExprRef moving = onlyRowOperand(e);
  if (!moving)
    return std::nullopt;
  auto inner = [&] { return boundsOverRows(context, moving, assumed); };
  switch (e->kind) {
  case Kind::Sum: {
    int64_t coefficient = e->coefficients[llvm::find(e->operands, moving) - e->operands.begin()];
    ExprRef rest = context.combine(e, 1, moving, -coefficient, 0);
    ExprBounds x = inner();
    if (coefficient < 0)
      std::swap(x.low, x.high);
    return ExprBounds{context.combine(x.low, coefficient, rest, 1, 0),
                      context.combine(x.high, coefficient, rest, 1, 0)};
  }
  case Kind::Mul: {
    ExprRef factor = e->operands[e->operands[0] == moving];
    ExprBounds x = inner();
    ExprRef a = context.mul(x.low, factor), b = context.mul(x.high, factor);
    if (factor->lower && *factor->lower >= 0)
      return ExprBounds{a, b};
    return ExprBounds{context.min(a, b), context.max(a, b)};
  }
  case Kind::FloorDiv:
  case Kind::CeilDiv:
  case Kind::TruncDiv: {
    ExprRef divisor = e->operands[1];
    if (divisor == moving || !divisor->isConstant() || divisor->value <= 0)
      return std::nullopt;
    auto divide = [&](ExprRef x) {
      return e->kind == Kind::FloorDiv  ? context.floorDiv(x, divisor)
             : e->kind == Kind::CeilDiv ? context.ceilDiv(x, divisor)
                                        : context.truncDiv(x, divisor);
    };
    ExprBounds x = inner();
    return ExprBounds{divide(x.low), divide(x.high)};
  }
  case Kind::Min:
  case Kind::Max: {
    ExprRef other = e->operands[e->operands[0] == moving];
    auto clip = [&](ExprRef x) { return e->kind == Kind::Min ? context.min(x, other) : context.max(x, other); };
    ExprBounds x = inner();
    return ExprBounds{clip(x.low), clip(x.high)};
  }
  case Kind::Not: {
    ExprBounds x = inner();
    return ExprBounds{context.logicalNot(x.high), context.logicalNot(x.low)};
  }
  case Kind::NonPositive: {
    ExprBounds x = inner();
    return ExprBounds{context.nonPositive(x.high), context.nonPositive(x.low)};
  }
  case Kind::Zero: {
    // Steps of one cannot jump over zero; larger ones can, and are left to the loop.
    ExprRef row = context.symbol(IndexSymbol::Row);
    ExprRef rest = context.sub(moving, row), other = context.add(moving, row);
    if (rest->dependsOnRow && other->dependsOnRow)
      return std::nullopt;
    ExprBounds x = inner();
    ExprRef notAbove = context.nonPositive(x.low), notBelow = context.nonPositive(context.negate(x.high));
    ExprRef everywhere = context.logicalAnd(context.zero(x.low), context.zero(x.high));
    return ExprBounds{everywhere, context.logicalAnd(notAbove, notBelow)};
  }
  default:
    return std::nullopt;
  }
}

ExprBounds heddle::boundsOverRows(IndexExprContext &context, ExprRef e, llvm::ArrayRef<ExprRef> assumed) {
  assert(!e->dependsOnKey && !e->hasOpaque && "bounds over rows of something that is not a function of the row");
  if (!e->dependsOnRow)
    return {e, e};
  llvm::SmallVector<ExprRef> conditions;
  Direction d = direction(context, e, IndexSymbol::Row, conditions, assumed);
  bool monotone = d == Direction::Up || d == Direction::Down;
  ExprRef first = nullptr, last = nullptr;
  if (monotone) {
    first = context.substitute(e, IndexSymbol::Row, context.symbol(IndexSymbol::RowBegin));
    last = context.substitute(e, IndexSymbol::Row, context.offset(context.symbol(IndexSymbol::RowEnd), -1));
    if (d == Direction::Down)
      std::swap(first, last);
    if (conditions.empty())
      return {first, last};
  }
  if (e->treeSize <= largestTree)
    if (std::optional<ExprBounds> bounds = boundsThrough(context, e, assumed))
      return *bounds;
  ExprRef low = context.rowMinimum(e), high = context.rowMaximum(e);
  if (!monotone)
    return {low, high};
  ExprRef all = context.constant(1);
  for (ExprRef condition : conditions)
    all = context.logicalAnd(all, condition);
  return {context.select(all, first, low), context.select(all, last, high)};
}

//===----------------------------------------------------------------------===//
// Over a block of rows and all keys
//===----------------------------------------------------------------------===//

ExprBounds heddle::boundsOverBlock(IndexExprContext &context, ExprRef e) {
  if (!e->dependsOnKey && !e->hasOpaque)
    return boundsOverRows(context, e);
  if (e->treeSize > largestTree)
    return {nullptr, nullptr};
  ExprBounds result{e->lower ? context.constant(*e->lower) : nullptr, e->upper ? context.constant(*e->upper) : nullptr};
  auto inner = [&](unsigned k) { return boundsOverBlock(context, e->operands[k]); };
  switch (e->kind) {
  case Kind::Symbol:
    return {context.constant(0), context.offset(context.symbol(IndexSymbol::KeyCount), -1)};
  case Kind::Sum: {
    ExprBounds sum{context.constant(e->value), context.constant(e->value)};
    for (auto [k, coefficient] : llvm::enumerate(e->coefficients)) {
      ExprBounds x = inner(k);
      if (coefficient < 0)
        std::swap(x.low, x.high);
      sum.low = sum.low && x.low ? context.combine(sum.low, 1, x.low, coefficient, 0) : nullptr;
      sum.high = sum.high && x.high ? context.combine(sum.high, 1, x.high, coefficient, 0) : nullptr;
    }
    return sum;
  }
  case Kind::FloorDiv:
  case Kind::CeilDiv:
  case Kind::TruncDiv: {
    ExprRef divisor = e->operands[1];
    if (!divisor->isConstant() || divisor->value <= 0)
      return result;
    auto divide = [&](ExprRef x) -> ExprRef {
      return !x                          ? nullptr
             : e->kind == Kind::FloorDiv ? context.floorDiv(x, divisor)
             : e->kind == Kind::CeilDiv  ? context.ceilDiv(x, divisor)
                                         : context.truncDiv(x, divisor);
    };
    ExprBounds x = inner(0);
    return {divide(x.low), divide(x.high)};
  }
  case Kind::Remainder: {
    // Magnitude below that of the divisor; never the other sign of the dividend.
    ExprRef divisor = e->operands[1];
    if (divisor->dependsOnKey || divisor->dependsOnRow || divisor->hasOpaque)
      return result;
    ExprRef most = context.offset(context.max(divisor, context.negate(divisor)), -1);
    result.high = most;
    if (!result.low || *e->lower < 0)
      result.low = context.negate(most);
    return result;
  }
  case Kind::Min:
  case Kind::Max: {
    bool isMin = e->kind == Kind::Min;
    ExprBounds x = inner(0), y = inner(1);
    auto both = [&](ExprRef a, ExprRef b, bool oneSuffices) -> ExprRef {
      if (a && b)
        return isMin ? context.min(a, b) : context.max(a, b);
      return oneSuffices ? (a ? a : b) : nullptr;
    };
    return {both(x.low, y.low, !isMin), both(x.high, y.high, isMin)};
  }
  case Kind::Select: {
    ExprBounds x = inner(1), y = inner(2);
    return {x.low && y.low ? context.min(x.low, y.low) : nullptr,
            x.high && y.high ? context.max(x.high, y.high) : nullptr};
  }
  default:
    return result;
  }
}
