//===- IndexExprText.cpp - substitution and text of expressions -----------===//
#include "heddle/Analysis/IndexExpr.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"

using namespace heddle;
using Kind = IndexExpr::Kind;

//===----------------------------------------------------------------------===//
// Substitution
//===----------------------------------------------------------------------===//

namespace {
struct Substitution {
  IndexExprContext &context;
  IndexSymbol symbol;
  ExprRef replacement;
  llvm::DenseMap<ExprRef, ExprRef> done;

  ExprRef apply(ExprRef e) {
    if (!e->dependsOn(symbol))
      return e;
    if (e->isSymbol(symbol))
      return replacement;
    auto [entry, inserted] = done.try_emplace(e, nullptr);
    if (!inserted)
      return entry->second;
    ExprRef result = rebuild(e);
    return done[e] = result;
  }

  ExprRef rebuild(ExprRef e) {
    // A body whose own variable is replaced would be captured; only the target of a search is outside of it.
    if (e->kind == Kind::FirstKey && symbol == IndexSymbol::Key)
      return context.firstKey(e->operands[0], apply(e->operands[1]));
    llvm::SmallVector<ExprRef, 4> x;
    for (ExprRef operand : e->operands)
      x.push_back(apply(operand));
    return context.withOperands(e, x);
  }
};
} // namespace

ExprRef IndexExprContext::withOperands(ExprRef e, llvm::ArrayRef<ExprRef> x) {
  switch (e->kind) {
  case Kind::Load:
    return load(e->captured, x);
  case Kind::Sum: {
    ExprRef sum = constant(e->value);
    for (auto [operand, coefficient] : llvm::zip(x, e->coefficients))
      sum = combine(sum, 1, operand, coefficient, 0);
    return sum;
  }
  case Kind::Mul:
    return mul(x[0], x[1]);
  case Kind::FloorDiv:
    return floorDiv(x[0], x[1]);
  case Kind::CeilDiv:
    return ceilDiv(x[0], x[1]);
  case Kind::TruncDiv:
    return truncDiv(x[0], x[1]);
  case Kind::Remainder:
    return remainder(x[0], x[1]);
  case Kind::Min:
    return min(x[0], x[1]);
  case Kind::Max:
    return max(x[0], x[1]);
  case Kind::Select:
    return select(x[0], x[1], x[2]);
  case Kind::NonPositive:
    return nonPositive(x[0]);
  case Kind::Zero:
    return zero(x[0]);
  case Kind::Not:
    return logicalNot(x[0]);
  case Kind::And:
    return logicalAnd(x[0], x[1]);
  case Kind::Or:
    return logicalOr(x[0], x[1]);
  case Kind::FirstKey:
    return firstKey(x[0], x[1]);
  case Kind::RowMinimum:
    return rowMinimum(x[0]);
  case Kind::RowMaximum:
    return rowMaximum(x[0]);
  default:
    return e; // leaves; an opaque stays what it is
  }
}

ExprRef IndexExprContext::substitute(ExprRef e, IndexSymbol symbol, ExprRef replacement) {
  Substitution substitution{*this, symbol, replacement, llvm::DenseMap<ExprRef, ExprRef>()};
  return substitution.apply(e);
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

std::string IndexExprContext::name(mlir::Value captured) const {
  for (const auto &[list, letter] : {std::pair(&scalars, 's'), std::pair(&tensors, 't')}) {
    auto found = llvm::find(*list, captured);
    if (found != list->end())
      return letter + std::to_string(found - list->begin());
  }
  return "?";
}

namespace {
struct Printer {
  const IndexExprContext &context;
  llvm::raw_ostream &os;
  // Shared parts are written out each time, so text can be far larger than the graph; nobody reads more than this.
  int budget = 400;

  static bool isFacts(ExprRef e) {
    return e->kind == Kind::Fact || (e->kind == Kind::And && isFacts(e->operands[0]) && isFacts(e->operands[1]));
  }

  /// One side of a comparison: the terms of `sum` with the given sign, and the constant if it has that sign.
  void side(ExprRef e, bool positive, bool withConstant) {
    int64_t one = 1, sign = positive ? 1 : -1;
    llvm::ArrayRef<ExprRef> operands(e);
    llvm::ArrayRef<int64_t> coefficients(one);
    if (e->kind == Kind::Sum) {
      operands = e->operands;
      coefficients = e->coefficients;
    }
    int64_t constant = e->kind == Kind::Sum ? e->value : 0;
    bool first = true;
    for (auto [operand, coefficient] : llvm::zip(operands, coefficients)) {
      if ((coefficient > 0) != positive)
        continue;
      os << (first ? "" : " + ");
      if (coefficient * sign != 1)
        os << coefficient * sign << "*";
      print(operand, true);
      first = false;
    }
    if (!withConstant)
      constant = 0;
    if (first)
      os << constant * sign;
    else if (constant)
      os << (constant * sign < 0 ? " - " : " + ") << std::abs(constant);
  }

  /// `e op 0` with every term on the side where it is positive.
  void comparison(ExprRef e, llvm::StringRef op) {
    bool constantLeft = e->kind == Kind::Sum && e->value > 0 &&
                        llvm::any_of(e->coefficients, [](int64_t c) { return c > 0; }) &&
                        llvm::all_of(e->coefficients, [](int64_t c) { return c > 0; });
    side(e, true, constantLeft);
    os << ' ' << op << ' ';
    side(e, false, !constantLeft);
  }

  void sum(ExprRef e) {
    bool first = true;
    // What is added comes first, so that `n - i` does not read `-i + n`.
    for (bool positive : {true, false})
      for (auto [operand, coefficient] : llvm::zip(e->operands, e->coefficients)) {
        if ((coefficient > 0) != positive)
          continue;
        os << (positive ? (first ? "" : " + ") : (first ? "-" : " - "));
        if (std::abs(coefficient) != 1)
          os << std::abs(coefficient) << "*";
        print(operand, true);
        first = false;
      }
    if (e->value)
      os << (e->value < 0 ? " - " : " + ") << std::abs(e->value);
  }

  void call(llvm::StringRef name, ExprRef e) {
    os << name << '(';
    llvm::interleave(e->operands, [&](ExprRef x) { print(x, false); }, [&] { os << ", "; });
    os << ')';
  }

  void infix(ExprRef e, llvm::StringRef op, bool nested) {
    os << (nested ? "(" : "");
    print(e->operands[0], true);
    os << ' ' << op << ' ';
    print(e->operands[1], true);
    os << (nested ? ")" : "");
  }

  void parenthesized(bool nested, llvm::function_ref<void()> body) {
    os << (nested ? "(" : "");
    body();
    os << (nested ? ")" : "");
  }

  void print(ExprRef e, bool nested) {
    if (--budget < 0) {
      os << "..";
      return;
    }
    static constexpr llvm::StringLiteral symbols[] = {"b", "h", "i", "j", "rowBegin", "rowEnd", "keys", "r"};
    switch (e->kind) {
    case Kind::Constant:
      os << e->value;
      return;
    case Kind::Symbol:
      os << symbols[e->value];
      return;
    case Kind::Scalar:
      os << context.name(e->captured);
      return;
    case Kind::Dim:
      os << "dim(" << context.name(e->captured) << ", " << e->value << ')';
      return;
    case Kind::Load:
      os << context.name(e->captured) << '[';
      llvm::interleave(e->operands, [&](ExprRef x) { print(x, false); }, [&] { os << ", "; });
      os << ']';
      return;
    case Kind::Fact:
      os << "nondecreasing(" << context.name(e->captured) << ", " << e->value << ')';
      return;
    case Kind::Opaque:
      os << '<' << context.reason(e) << '>';
      return;
    case Kind::Sum:
      return parenthesized(nested, [&] { sum(e); });
    case Kind::Mul:
      return infix(e, "*", nested);
    case Kind::FloorDiv:
      return infix(e, "floordiv", nested);
    case Kind::CeilDiv:
      return infix(e, "ceildiv", nested);
    case Kind::TruncDiv:
      return infix(e, "truncdiv", nested);
    case Kind::Remainder:
      return infix(e, "rem", nested);
    case Kind::Min:
      return call("min", e);
    case Kind::Max:
      return call("max", e);
    case Kind::Select:
      // What holds without the facts is trivial; print() of the analysis lists them.
      if (isFacts(e->operands[0]))
        return print(e->operands[1], nested);
      return parenthesized(nested, [&] {
        print(e->operands[0], true);
        os << " ? ";
        print(e->operands[1], true);
        os << " : ";
        print(e->operands[2], true);
      });
    case Kind::NonPositive:
      return parenthesized(nested, [&] { comparison(e->operands[0], "<="); });
    case Kind::Zero:
      return parenthesized(nested, [&] { comparison(e->operands[0], "=="); });
    case Kind::Not:
      os << "not ";
      print(e->operands[0], true);
      return;
    case Kind::And:
      return infix(e, "and", nested);
    case Kind::Or:
      return infix(e, "or", nested);
    case Kind::FirstKey:
      os << "firstKey(";
      print(e->operands[0], true);
      os << " >= ";
      print(e->operands[1], true);
      os << ')';
      return;
    case Kind::RowMinimum:
      return call("minOverRows", e);
    case Kind::RowMaximum:
      return call("maxOverRows", e);
    }
  }
};
} // namespace

void IndexExprContext::print(llvm::raw_ostream &os, ExprRef e) const {
  Printer printer{*this, os};
  printer.print(e, false);
}
