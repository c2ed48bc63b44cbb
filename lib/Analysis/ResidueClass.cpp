//===- ResidueClass.cpp - truths that hold within residue classes only ----===//
//
// If e = 0, then e is 0 modulo any m. Modulo m a remainder by m is what is divided, and
// a multiple of m is nothing:
//
//   (i - j) rem 4                          is    i - j            modulo 4
//   i - j - 4 * ((i - j) floordiv 4)       is    i - j            modulo 4
//   i rem 6 - j rem 6 - 2                  is    i - j - 2        modulo 6
//
// What remains is a * i + c +- j for a class. Candidates for m are the constants that
// occur as divisors of remainders and as coefficients.
//
//===----------------------------------------------------------------------===//
#include "ResidueClass.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallSet.h"

using namespace heddle;
using Kind = IndexExpr::Kind;

// More classes than anybody has rows for are of no use.
static constexpr int64_t largestModulus = 1 << 16;

static int64_t modulo(int64_t value, int64_t modulus) { return ((value % modulus) + modulus) % modulus; }

namespace {
/// row * i + key * j + rest, modulo something.
struct Linear {
  int64_t row = 0, key = 0;
  ExprRef rest = nullptr;
  bool operator==(const Linear &other) const { return row == other.row && key == other.key && rest == other.rest; }
};

struct Congruence {
  IndexExprContext &context;
  int64_t modulus;

  /// `e` with coefficients in [0, modulus).
  ExprRef reduceRest(ExprRef e) {
    if (e->isConstant())
      return context.constant(modulo(e->value, modulus));
    if (e->kind != Kind::Sum)
      return e;
    ExprRef rest = context.constant(modulo(e->value, modulus));
    for (auto [operand, coefficient] : llvm::zip(e->operands, e->coefficients))
      rest = context.combine(rest, 1, operand, modulo(coefficient, modulus), 0);
    return rest;
  }

  std::optional<Linear> reduce(ExprRef e) {
    if (!e->dependsOnRow && !e->dependsOnKey)
      return Linear{0, 0, reduceRest(e)};
    if (e->kind == Kind::Symbol)
      return Linear{e->dependsOnRow, e->dependsOnKey, context.constant(0)};
    if (e->kind == Kind::Remainder && e->operands[1]->isConstant() && e->operands[1]->value % modulus == 0)
      return reduce(e->operands[0]);
    if (e->kind == Kind::Select) {
      std::optional<Linear> a = reduce(e->operands[1]), b = reduce(e->operands[2]);
      return a && b && *a == *b ? a : std::nullopt;
    }
    if (e->kind != Kind::Sum)
      return std::nullopt;
    Linear sum{0, 0, context.constant(e->value)};
    for (auto [operand, coefficient] : llvm::zip(e->operands, e->coefficients)) {
      if (coefficient % modulus == 0)
        continue;
      std::optional<Linear> term = reduce(operand);
      if (!term)
        return std::nullopt;
      int64_t factor = modulo(coefficient, modulus);
      sum.row += factor * term->row;
      sum.key += factor * term->key;
      sum.rest = context.combine(sum.rest, 1, term->rest, factor, 0);
    }
    return Linear{modulo(sum.row, modulus), modulo(sum.key, modulus), reduceRest(sum.rest)};
  }
};
} // namespace

static void collectModuli(ExprRef e, llvm::SmallSet<int64_t, 4> &moduli, unsigned depth = 0) {
  constexpr unsigned deepest = 8;
  if (depth > deepest)
    return;
  auto add = [&](int64_t value) {
    if (value > 1 && value <= largestModulus)
      moduli.insert(value);
  };
  if (e->kind == Kind::Remainder && e->operands[1]->isConstant())
    add(e->operands[1]->value);
  if (e->kind == Kind::Sum)
    for (int64_t coefficient : e->coefficients)
      add(coefficient < 0 ? -coefficient : coefficient);
  if (e->kind == Kind::Sum || e->kind == Kind::Select || e->kind == Kind::Remainder)
    for (ExprRef operand : e->operands)
      collectModuli(operand, moduli, depth + 1);
}

std::optional<ResidueClass> heddle::findResidueClass(IndexExprContext &context, ExprRef truth) {
  if (truth->kind != Kind::Zero || !truth->dependsOnKey || truth->hasOpaque)
    return std::nullopt;
  ExprRef e = truth->operands[0];
  llvm::SmallSet<int64_t, 4> found;
  collectModuli(e, found);
  llvm::SmallVector<int64_t> moduli(found.begin(), found.end());
  llvm::sort(moduli, std::greater<>());
  for (int64_t modulus : moduli) {
    Congruence congruence{context, modulus};
    std::optional<Linear> sum = congruence.reduce(e);
    // row * i + rest + j = 0 or row * i + rest - j = 0
    if (!sum || (sum->key != 1 && sum->key != modulus - 1))
      continue;
    int64_t sign = sum->key == 1 ? -1 : 1;
    return ResidueClass{modulus, modulo(sign * sum->row, modulus),
                        congruence.reduceRest(context.scale(sum->rest, sign))};
  }
  return std::nullopt;
}
