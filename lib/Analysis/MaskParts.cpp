//===- MaskParts.cpp - a mask as disjoint parts in residue classes ----------===//
//
// A mask is a conjunction. If one of its truths keeps to residue classes, so does the
// mask. Else, if one is a disjunction of which some sides do,
//
//   rest and (A or B)    is    rest and B and not A    beside    rest and A
//
// where B are the sides of one class and A all others.
//
//===----------------------------------------------------------------------===//
#include "MaskRegion.h"
#include "ResidueClass.h"
#include "heddle/Analysis/MaskAnalysis.h"
#include "llvm/ADT/STLExtras.h"

using namespace heddle;
using namespace mlir;
using Kind = IndexExpr::Kind;

namespace {
/// Some truths of which one holds, or, negated, none.
struct Clause {
  llvm::SmallVector<ExprRef> anyOf;
  bool negated = false;
};
} // namespace

static void flatten(ExprRef e, Kind kind, llvm::SmallVectorImpl<ExprRef> &into) {
  if (e->kind != kind) {
    into.push_back(e);
    return;
  }
  for (ExprRef operand : e->operands)
    flatten(operand, kind, into);
}

static llvm::SmallVector<ExprRef> flatten(ExprRef e, Kind kind) {
  llvm::SmallVector<ExprRef> flat;
  flatten(e, kind, flat);
  return flat;
}

namespace heddle {
class MaskDivision {
public:
  explicit MaskDivision(Region &region) : context(std::make_shared<IndexExprContext>()) {
    mask = readMaskRegion(*context, region);
  }

  std::vector<MaskAnalysis> divide();

private:
  std::optional<ResidueClass> widestClass(ArrayRef<ExprRef> conjuncts);
  std::optional<MaskAnalysis> part(ArrayRef<Clause> clauses, const ResidueClass *residues);
  std::vector<MaskAnalysis> divideUnion(ArrayRef<ExprRef> conjuncts, ExprRef disjunction);

  std::shared_ptr<IndexExprContext> context;
  ExprRef mask;
  bool knowsResidues = false; ///< whether the context has a modulus
};
} // namespace heddle

std::optional<ResidueClass> MaskDivision::widestClass(ArrayRef<ExprRef> conjuncts) {
  std::optional<ResidueClass> widest;
  for (ExprRef truth : conjuncts)
    if (std::optional<ResidueClass> found = findResidueClass(*context, truth))
      if (!widest || found->modulus > widest->modulus)
        widest = found;
  return widest;
}

/// The conjunction of `clauses`, of the rows and keys of a class if there is one; nothing where it is not solved.
std::optional<MaskAnalysis> MaskDivision::part(ArrayRef<Clause> clauses, const ResidueClass *residues) {
  MaskAnalysis result;
  result.context = context;
  result.mask = context->constant(1);
  ExprRef row = context->symbol(IndexSymbol::Row), key = context->symbol(IndexSymbol::Key);
  if (residues) {
    knowsResidues = true;
    int64_t m = result.modulus = residues->modulus;
    context->setModulus(m);
    ExprRef residue = context->symbol(IndexSymbol::Residue);
    ExprRef seen = context->combine(residue, residues->rowFactor, residues->shift, 1, 0);
    result.keyResidue = context->combine(seen, 1, context->floorDiv(seen, context->constant(m)), -m, 0);
    row = context->combine(residue, 1, row, m, 0);
    key = context->combine(result.keyResidue, 1, key, m, 0);
  }
  for (const Clause &clause : clauses) {
    ExprRef any = context->constant(0);
    for (ExprRef truth : clause.anyOf)
      any = context->logicalOr(any, truth);
    if (residues) {
      any = context->substitute(any, IndexSymbol::Key, key);
      any = context->substitute(any, IndexSymbol::Row, row);
    }
    result.mask = context->logicalAnd(result.mask, clause.negated ? context->logicalNot(any) : any);
  }
  result.solve();
  if (result.needsEvaluation())
    return std::nullopt;
  return result;
}

std::vector<MaskAnalysis> MaskDivision::divideUnion(ArrayRef<ExprRef> conjuncts, ExprRef disjunction) {
  llvm::SmallVector<ExprRef> sides = flatten(disjunction, Kind::Or);
  std::optional<ResidueClass> widest;
  for (ExprRef side : sides)
    if (std::optional<ResidueClass> found = widestClass(flatten(side, Kind::And)))
      if (!widest || found->modulus > widest->modulus)
        widest = found;
  if (!widest)
    return {};
  Clause inside, outside;
  for (ExprRef side : sides) {
    std::optional<ResidueClass> found = widestClass(flatten(side, Kind::And));
    (found && *found == *widest ? inside : outside).anyOf.push_back(side);
  }
  llvm::SmallVector<Clause> common;
  for (ExprRef truth : conjuncts)
    if (truth != disjunction)
      common.push_back({{truth}});
  llvm::SmallVector<Clause> first(common), last(common);
  if (inside.anyOf.size() == 1)
    for (ExprRef truth : flatten(inside.anyOf.front(), Kind::And))
      first.push_back({{truth}});
  else
    first.push_back(inside);
  std::optional<MaskAnalysis> rest;
  if (!outside.anyOf.empty()) {
    last.push_back(outside);
    rest = part(last, nullptr);
    if (!rest)
      return {};
    first.push_back({outside.anyOf, /*negated=*/true});
  }
  std::optional<MaskAnalysis> classes = part(first, &*widest);
  if (!classes)
    return {};
  std::vector<MaskAnalysis> parts{std::move(*classes)};
  if (rest)
    parts.push_back(std::move(*rest));
  return parts;
}

std::vector<MaskAnalysis> MaskDivision::divide() {
  if (mask->hasOpaque)
    return {};
  llvm::SmallVector<ExprRef> conjuncts = flatten(mask, Kind::And);
  if (std::optional<ResidueClass> residues = widestClass(conjuncts)) {
    llvm::SmallVector<Clause> clauses;
    for (ExprRef truth : conjuncts)
      clauses.push_back({{truth}});
    std::optional<MaskAnalysis> only = part(clauses, &*residues);
    return only ? std::vector<MaskAnalysis>{std::move(*only)} : std::vector<MaskAnalysis>();
  }
  for (ExprRef truth : conjuncts)
    if (truth->kind == Kind::Or)
      // Residues are of one modulus for all that is said in a context, so there is no other attempt after one.
      if (std::vector<MaskAnalysis> parts = divideUnion(conjuncts, truth); !parts.empty() || knowsResidues)
        return parts;
  return {};
}

std::vector<MaskAnalysis> MaskAnalysis::computeParts(Region &region) { return MaskDivision(region).divide(); }
