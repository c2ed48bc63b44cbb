//===- IndexExprProperties.cpp - what is known of an expression -----------===//
//
// Derived once, when a node is made, from its operands: what it depends on, whether
// it is a truth, and constant bounds. The makers simplify by them.
//
//===----------------------------------------------------------------------===//
#include "heddle/Analysis/IndexExpr.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace heddle;
using Kind = IndexExpr::Kind;

void IndexExprContext::derive(IndexExpr &e) const {
  for (ExprRef operand : e.operands) {
    e.dependsOnRow |= operand->dependsOnRow;
    e.dependsOnKey |= operand->dependsOnKey;
    e.isFixed &= operand->isFixed;
    e.hasOpaque |= operand->hasOpaque;
    e.hasLoop |= operand->hasLoop;
    e.treeSize = std::min<uint64_t>(uint64_t(e.treeSize) + operand->treeSize, UINT32_MAX);
  }
  switch (e.kind) {
  case Kind::Constant:
    e.isTruth = e.value == 0 || e.value == 1;
    break;
  case Kind::Symbol:
    e.isFixed = false;
    e.dependsOnRow = e.isSymbol(IndexSymbol::Row);
    e.dependsOnKey = e.isSymbol(IndexSymbol::Key);
    break;
  case Kind::Opaque:
    e.dependsOnRow = e.dependsOnKey = e.hasOpaque = true;
    break;
  case Kind::Scalar:
  case Kind::Load:
    e.isTruth = mlir::getElementTypeOrSelf(e.captured.getType()).isInteger(1);
    break;
  case Kind::Fact:
  case Kind::NonPositive:
  case Kind::Zero:
  case Kind::Not:
  case Kind::And:
  case Kind::Or:
    e.isTruth = true;
    break;
  case Kind::Select:
    e.isTruth = e.operands[1]->isTruth && e.operands[2]->isTruth;
    break;
  case Kind::FirstKey:
    e.dependsOnKey = e.operands[1]->dependsOnKey;
    e.hasLoop = true;
    e.isFixed = false; // the number of keys
    break;
  case Kind::RowMinimum:
  case Kind::RowMaximum:
    e.dependsOnRow = false;
    e.isTruth = e.operands[0]->isTruth;
    e.hasLoop = true;
    break;
  default:
    break;
  }
  deriveBounds(e);
  auto within = [&](unsigned k) { return e.operands[k]->atMostKeys; };
  e.atMostKeys = e.isSymbol(IndexSymbol::KeyCount) || e.kind == Kind::FirstKey || (e.upper && *e.upper <= 0) ||
                 (e.kind == Kind::Min && (within(0) || within(1))) || (e.kind == Kind::Max && within(0) && within(1)) ||
                 (e.kind == Kind::Select && within(1) && within(2)) ||
                 ((e.kind == Kind::RowMinimum || e.kind == Kind::RowMaximum) && within(0));
}

// Small multiples only, so that bounds cannot overflow.
static std::optional<int64_t> times(std::optional<int64_t> a, int64_t b) {
  int64_t result;
  if (!a || llvm::MulOverflow(*a, b, result))
    return std::nullopt;
  return result;
}

static std::optional<int64_t> plus(std::optional<int64_t> a, std::optional<int64_t> b) {
  int64_t result;
  if (!a || !b || llvm::AddOverflow(*a, *b, result))
    return std::nullopt;
  return result;
}

void IndexExprContext::deriveBounds(IndexExpr &e) const {
  auto lower = [&](unsigned k) { return e.operands[k]->lower; };
  auto upper = [&](unsigned k) { return e.operands[k]->upper; };
  if (e.isTruth) {
    e.lower = 0;
    e.upper = 1;
  }
  switch (e.kind) {
  case Kind::Constant:
    e.lower = e.upper = e.value;
    return;
  case Kind::Symbol:
    e.lower = e.isSymbol(IndexSymbol::RowEnd) ? 1 : 0; // a block has a row
    if (e.isSymbol(IndexSymbol::Residue))
      e.upper = residueEnd - 1;
    return;
  case Kind::Dim:
  case Kind::FirstKey:
    e.lower = 0;
    return;
  case Kind::Sum:
    e.lower = e.upper = e.value;
    for (auto [operand, coefficient] : llvm::zip(e.operands, e.coefficients)) {
      e.lower = plus(e.lower, times(coefficient > 0 ? operand->lower : operand->upper, coefficient));
      e.upper = plus(e.upper, times(coefficient > 0 ? operand->upper : operand->lower, coefficient));
    }
    return;
  case Kind::Mul:
    if (lower(0) && lower(1) && *lower(0) >= 0 && *lower(1) >= 0)
      e.lower = 0;
    return;
  case Kind::FloorDiv:
  case Kind::CeilDiv:
  case Kind::TruncDiv:
    if (lower(0) && *lower(0) >= 0 && lower(1) && *lower(1) >= 1)
      e.lower = 0;
    return;
  case Kind::Remainder:
    if (lower(0) && *lower(0) >= 0)
      e.lower = 0;
    if (e.operands[1]->isConstant() && e.operands[1]->value > 0) {
      e.upper = e.operands[1]->value - 1;
      if (!e.lower)
        e.lower = -*e.upper;
    }
    return;
  case Kind::Min:
    if (lower(0) && lower(1))
      e.lower = std::min(*lower(0), *lower(1));
    e.upper = !upper(0) ? upper(1) : !upper(1) ? upper(0) : std::min(*upper(0), *upper(1));
    return;
  case Kind::Max:
    if (upper(0) && upper(1))
      e.upper = std::max(*upper(0), *upper(1));
    e.lower = !lower(0) ? lower(1) : !lower(1) ? lower(0) : std::max(*lower(0), *lower(1));
    return;
  case Kind::Select:
    if (lower(1) && lower(2))
      e.lower = std::min(*lower(1), *lower(2));
    if (upper(1) && upper(2))
      e.upper = std::max(*upper(1), *upper(2));
    return;
  case Kind::RowMinimum:
  case Kind::RowMaximum:
    e.lower = lower(0);
    e.upper = upper(0);
    return;
  default:
    return;
  }
}
