//===- MaskSolver.cpp - from a truth of i and j to sets of keys -----------===//
#include "MaskSolver.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"

using namespace heddle;
using Kind = IndexExpr::Kind;

// No target has key blocks of fewer keys: a pattern that repeats within them empties and fills none.
static constexpr int64_t finestBlock = 16;

// Choices inside choices multiply. A mask that takes more comparisons than this is not one that anybody wrote.
static constexpr unsigned mostComparisons = 1000;

KeySet MaskSolver::unknown(const llvm::Twine &reason) {
  std::string text = reason.str();
  if (!llvm::is_contained(unknowns, text))
    unknowns.push_back(text);
  return keys.unknown();
}

KeySet MaskSolver::unknown(ExprRef culprit) {
  std::string text;
  llvm::raw_string_ostream os(text);
  context.print(os, culprit);
  return unknown("not solved for j: " + text);
}

//===----------------------------------------------------------------------===//
// Truths
//===----------------------------------------------------------------------===//

KeySet MaskSolver::solve(ExprRef truth, bool positive) {
  if (truth->isConstant())
    return (truth->value != 0) == positive ? keys.all() : keys.none();
  if (!truth->dependsOnKey)
    return whereRows(positive ? truth : context.logicalNot(truth));
  if (!assumed.empty())
    return solveTruth(truth, positive);
  auto known = solved.find({truth, positive});
  if (known != solved.end())
    return known->second;
  KeySet result = solveTruth(truth, positive);
  solved[{truth, positive}] = result;
  return result;
}

KeySet MaskSolver::solveTruth(ExprRef truth, bool positive) {
  auto operand = [&](unsigned k) { return truth->operands[k]; };
  ExprRef one = context.constant(1), zero = context.constant(0);
  switch (truth->kind) {
  case Kind::Not:
    return solve(operand(0), !positive);
  case Kind::And:
  case Kind::Or:
    return solveBinary(operand(0), operand(1), (truth->kind == Kind::And) == positive, positive);
  case Kind::Select:
    return solveChoice(
        operand(0), [&] { return solve(operand(1), positive); }, [&] { return solve(operand(2), positive); });
  case Kind::NonPositive:
    return nonPositive(positive ? operand(0) : context.combine(operand(0), -1, nullptr, 0, 1));
  case Kind::Zero: {
    ExprRef e = operand(0);
    if (positive)
      return keys.intersect(nonPositive(e), nonPositive(context.negate(e)));
    return keys.unite(nonPositive(context.offset(e, 1)), nonPositive(context.combine(e, -1, nullptr, 0, 1)));
  }
  case Kind::Opaque:
    return unknown(context.reason(truth));
  default: // an entry of a table of truths
    // One for pairs is a mask drawn by hand; nobody draws them rising.
    if (truth->dependsOnRow)
      return unknown(truth);
    return positive ? nonPositive(context.sub(one, truth)) : nonPositive(context.sub(truth, zero));
  }
}

KeySet MaskSolver::solveBinary(ExprRef a, ExprRef b, bool conjunction, bool positive) {
  auto isCondition = [](ExprRef e) { return !e->dependsOnKey && !e->dependsOnRow; };
  if (isCondition(b))
    std::swap(a, b);
  if (isCondition(a)) {
    // A condition on run-time numbers switches the other side; it costs no slot.
    ExprRef holds = positive ? a : context.logicalNot(a);
    KeySet other = solve(b, positive);
    return conjunction ? keys.choose(holds, other, keys.none()) : keys.choose(holds, keys.all(), other);
  }
  KeySet x = solve(a, positive), y = solve(b, positive);
  return conjunction ? keys.intersect(x, y) : keys.unite(x, y);
}

KeySet MaskSolver::solveChoice(ExprRef condition, llvm::function_ref<KeySet()> ifTrue,
                               llvm::function_ref<KeySet()> ifFalse) {
  KeySet a = ifTrue(), b = ifFalse();
  if (!condition->dependsOnKey && !condition->dependsOnRow)
    return keys.choose(condition, a, b);
  return keys.unite(keys.intersect(solve(condition, true), a), keys.intersect(solve(condition, false), b));
}

/// All keys for the rows where the condition, which is free of j, holds.
KeySet MaskSolver::whereRows(ExprRef condition) {
  ExprBounds bounds = boundsOverRows(context, condition, assumed);
  return keys.all(/*possible=*/bounds.high, /*certain=*/bounds.low);
}

KeySet MaskSolver::underAssumption(ExprRef condition, llvm::function_ref<KeySet()> body) {
  if (condition->isConstant())
    return condition->value ? body() : keys.unknown();
  assumed.push_back(condition);
  KeySet set = body();
  assumed.pop_back();
  return keys.choose(condition, set, keys.unknown());
}

//===----------------------------------------------------------------------===//
// Comparisons
//===----------------------------------------------------------------------===//

/// e <= 0.
KeySet MaskSolver::nonPositive(ExprRef e) {
  ExprRef truth = context.nonPositive(e);
  if (!truth->dependsOnKey)
    return solve(truth);
  e = truth->operands[0]; // divided by what its coefficients share
  if (e->kind != Kind::Sum)
    return compare(e, Side::AtMost, context.constant(0));
  ExprRef term = nullptr;
  int64_t coefficient = 0;
  for (auto [operand, c] : llvm::zip(e->operands, e->coefficients)) {
    if (!operand->dependsOnKey)
      continue;
    if (term)
      return search(e);
    term = operand;
    coefficient = c;
  }
  // coefficient * term <= -rest
  ExprRef rest = context.combine(e, 1, term, -coefficient, 0);
  if (coefficient > 0)
    return compare(term, Side::AtMost, context.floorDiv(context.negate(rest), context.constant(coefficient)));
  return compare(term, Side::AtLeast, context.ceilDiv(rest, context.constant(-coefficient)));
}

/// e <= bound or e >= bound, where the bound is free of j: undoes the outermost operation of e.
KeySet MaskSolver::compare(ExprRef e, Side side, ExprRef bound) {
  if (++comparisons > mostComparisons)
    return unknown("expected at most " + llvm::Twine(mostComparisons) + " comparisons, got more");
  ExprRef difference = side == Side::AtMost ? context.sub(e, bound) : context.sub(bound, e);
  if (!e->dependsOnKey || e->kind == Kind::Sum)
    return nonPositive(difference);
  auto operand = [&](unsigned k) { return compare(e->operands[k], side, bound); };
  switch (e->kind) {
  case Kind::Symbol:
    return boundary(bound, side);
  case Kind::FloorDiv:
  case Kind::CeilDiv:
  case Kind::TruncDiv:
    if (!e->operands[1]->dependsOnKey)
      return compareQuotient(e, side, bound);
    break;
  case Kind::Mul:
    if (!e->operands[0]->dependsOnKey || !e->operands[1]->dependsOnKey)
      return compareProduct(e, side, bound);
    break;
  case Kind::Min:
  case Kind::Max: {
    // The least is at most a bound if either is, and at least it if both are.
    KeySet x = operand(0), y = operand(1);
    return (e->kind == Kind::Min) == (side == Side::AtMost) ? keys.unite(x, y) : keys.intersect(x, y);
  }
  case Kind::Select:
    return solveChoice(e->operands[0], [&] { return operand(1); }, [&] { return operand(2); });
  case Kind::NonPositive:
  case Kind::Zero:
  case Kind::Not:
  case Kind::And:
  case Kind::Or:
    return compareTruth(e, side, bound);
  case Kind::Opaque:
    return unknown(context.reason(e));
  default:
    break;
  }
  return search(difference);
}

KeySet MaskSolver::compareQuotient(ExprRef e, Side side, ExprRef bound) {
  ExprRef x = e->operands[0], w = e->operands[1];
  ExprRef positive = context.less(context.constant(0), w);
  if (w->dependsOnRow && !positive->isConstant(1))
    return unknown(e);
  return underAssumption(positive, [&] {
    ExprRef product = context.mul(bound, w), slack = context.offset(w, -1), zero = context.constant(0);
    // q <= bound  is  x <= bound*w + up;   q >= bound  is  x >= bound*w - down.
    ExprRef up = zero, down = zero;
    if (e->kind == Kind::FloorDiv) {
      up = slack;
    } else if (e->kind == Kind::CeilDiv) {
      down = slack;
    } else {
      up = context.select(context.lessEqual(zero, bound), slack, zero);
      down = context.select(context.less(zero, bound), zero, slack);
    }
    return side == Side::AtMost ? nonPositive(context.sub(context.sub(x, product), up))
                                : nonPositive(context.sub(context.sub(product, down), x));
  });
}

KeySet MaskSolver::compareProduct(ExprRef e, Side side, ExprRef bound) {
  ExprRef x = e->operands[0], s = e->operands[1], zero = context.constant(0);
  if (s->dependsOnKey)
    std::swap(x, s);
  ExprRef positive = context.less(zero, s), negative = context.less(s, zero);
  if (s->dependsOnRow && !positive->isConstant(1))
    return search(side == Side::AtMost ? context.sub(e, bound) : context.sub(bound, e));
  bool atMost = side == Side::AtMost;
  auto divided = [&](Side newSide) {
    return compare(x, newSide, newSide == Side::AtMost ? context.floorDiv(bound, s) : context.ceilDiv(bound, s));
  };
  assumed.push_back(positive);
  KeySet ifPositive = divided(side);
  assumed.pop_back();
  if (positive->isConstant(1))
    return ifPositive;
  KeySet ifNegative = divided(atMost ? Side::AtLeast : Side::AtMost);
  KeySet ifZero = solve(atMost ? context.lessEqual(zero, bound) : context.lessEqual(bound, zero));
  return keys.choose(positive, ifPositive, keys.choose(negative, ifNegative, ifZero));
}

/// A truth as a number: 0 or 1 against the bound.
KeySet MaskSolver::compareTruth(ExprRef e, Side side, ExprRef bound) {
  ExprRef zero = context.constant(0), one = context.constant(1);
  KeySet always, sometimes;
  if (side == Side::AtMost) {
    always = solve(context.lessEqual(one, bound));
    sometimes = keys.intersect(solve(context.lessEqual(zero, bound)), solve(e, false));
  } else {
    always = solve(context.lessEqual(bound, zero));
    sometimes = keys.intersect(solve(context.lessEqual(bound, one)), solve(e, true));
  }
  return keys.unite(always, sometimes);
}

/// j <= bound or j >= bound, run over the rows.
KeySet MaskSolver::boundary(ExprRef bound, Side side) {
  ExprBounds bounds = boundsOverRows(context, bound, assumed);
  return side == Side::AtMost ? keys.upTo(bounds.low, bounds.high) : keys.from(bounds.low, bounds.high);
}

//===----------------------------------------------------------------------===//
// What cannot be undone
//===----------------------------------------------------------------------===//

/// e <= 0 where j stands in several places, or in a table: if all of it moves one way, the end is searched for.
KeySet MaskSolver::search(ExprRef e) {
  ExprRef moving = context.constant(0), rest = context.constant(0);
  if (e->kind == Kind::Sum) {
    rest = context.constant(e->value);
    for (auto [operand, coefficient] : llvm::zip(e->operands, e->coefficients)) {
      ExprRef &part = operand->dependsOnKey ? moving : rest;
      part = context.combine(part, 1, operand, coefficient, 0);
    }
  } else {
    moving = e;
  }
  llvm::SmallVector<ExprRef> conditions;
  Direction d = e->hasOpaque ? Direction::Unknown : direction(context, moving, IndexSymbol::Key, conditions, assumed);
  if (d != Direction::Up && d != Direction::Down)
    return byIntervals(e);
  ExprRef all = context.constant(1);
  for (ExprRef condition : conditions)
    all = context.logicalAnd(all, condition);
  // The bound of the rows may rely on what the search relies on.
  size_t before = assumed.size();
  assumed.append(conditions.begin(), conditions.end());
  KeySet found;
  if (d == Direction::Up) // moving < 1 - rest: the keys before the first that reaches it
    found =
        boundary(context.offset(context.firstKey(moving, context.combine(rest, -1, nullptr, 0, 1)), -1), Side::AtMost);
  else // -moving >= rest
    found = boundary(context.firstKey(context.negate(moving), rest), Side::AtLeast);
  assumed.truncate(before);
  return keys.choose(all, found, keys.unknown());
}

/// Whether the pattern repeats within any block of keys.
static bool isFine(ExprRef e) {
  auto isFineTerm = [](ExprRef term) {
    return !term->dependsOnKey || (term->kind == Kind::Remainder && term->operands[1]->isConstant() &&
                                   std::abs(term->operands[1]->value) <= finestBlock && !term->hasOpaque);
  };
  return e->kind == Kind::Sum ? llvm::all_of(e->operands, isFineTerm) : isFineTerm(e);
}

/// e <= 0 by interval arithmetic over the block: may still decide it as a whole.
KeySet MaskSolver::byIntervals(ExprRef e) {
  if (!isFine(e))
    unknown(e);
  ExprBounds bounds = boundsOverBlock(context, e);
  return keys.all(bounds.low ? context.nonPositive(bounds.low) : context.constant(1),
                  bounds.high ? context.nonPositive(bounds.high) : context.constant(0));
}
