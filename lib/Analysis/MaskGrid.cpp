//===- MaskGrid.cpp - the grid whose points a mask's positions are ----------===//
//
// With bounds 1 = B_0 | B_1 | .. | B_k a position is  d_0 + B_1 d_1 + .. + B_k d_k,  and
// its quotient by B_a is what remains of that from d_a on. A substitution in the mask, after which
// sums cancel; a truth is one of an axis if no other digits are left. Candidates
// for bounds are what row and key are divided by.
//
//===----------------------------------------------------------------------===//
#include "heddle/Analysis/MaskGrid.h"
#include "MaskRegion.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallSet.h"

using namespace heddle;
using namespace mlir;
using Kind = IndexExpr::Kind;

// No position is beyond; more bounds are not tried.
static constexpr int64_t largestBound = int64_t(1) << 31;
static constexpr unsigned mostBounds = 5;

/// The constant by which `symbol` is divided in `e`, which is nothing but that.
static std::optional<int64_t> quotientOf(ExprRef e, IndexSymbol symbol) {
  if (e->isSymbol(symbol))
    return 1;
  if (e->kind != Kind::FloorDiv || !e->operands[1]->isConstant() || e->operands[1]->value < 1)
    return std::nullopt;
  std::optional<int64_t> inner = quotientOf(e->operands[0], symbol);
  if (!inner || *inner > largestBound / e->operands[1]->value)
    return std::nullopt;
  return *inner * e->operands[1]->value;
}

namespace heddle {
class GridSearch {
public:
  explicit GridSearch(Region &region) : context(std::make_shared<IndexExprContext>()) {
    mask = readMaskRegion(*context, region);
    flatten(mask);
  }

  std::optional<MaskGrid> search();

private:
  void flatten(ExprRef e);
  void collectBounds(ExprRef e, llvm::DenseSet<ExprRef> &seen, llvm::SmallSet<int64_t, 8> &found);
  std::optional<MaskGrid> tryBounds(ArrayRef<int64_t> inner);
  ExprRef digitsFrom(IndexSymbol symbol, unsigned first, unsigned end);
  ExprRef rewrite(ExprRef e);
  ExprRef rewriteNew(ExprRef e);

  std::shared_ptr<IndexExprContext> context;
  ExprRef mask;
  llvm::SmallVector<ExprRef> truths; ///< of the conjunction
  llvm::SmallVector<ExprRef> others[2];

  llvm::SmallVector<int64_t> bounds; ///< with 1 in front
  unsigned axis = 0;                 ///< whose digits are Row and Key; other digits are opaque
  llvm::DenseMap<ExprRef, ExprRef> rewritten;
};
} // namespace heddle

void GridSearch::flatten(ExprRef e) {
  if (e->kind == Kind::And)
    for (ExprRef operand : e->operands)
      flatten(operand);
  else
    truths.push_back(e);
}

void GridSearch::collectBounds(ExprRef e, llvm::DenseSet<ExprRef> &seen, llvm::SmallSet<int64_t, 8> &found) {
  if (!seen.insert(e).second)
    return;
  for (IndexSymbol symbol : {IndexSymbol::Row, IndexSymbol::Key}) {
    if (std::optional<int64_t> bound = quotientOf(e, symbol))
      found.insert(*bound);
    if (e->kind == Kind::Remainder && e->operands[1]->isConstant())
      if (std::optional<int64_t> inner = quotientOf(e->operands[0], symbol))
        if (int64_t size = e->operands[1]->value; size > 1 && size <= largestBound / *inner)
          found.insert(*inner * size);
  }
  for (ExprRef operand : e->operands)
    collectBounds(operand, seen, found);
}

/// The digits [first, end) of a position, as a number.
ExprRef GridSearch::digitsFrom(IndexSymbol symbol, unsigned first, unsigned end) {
  ExprRef sum = context->constant(0);
  for (unsigned digit = first; digit < end; ++digit) {
    ExprRef value = digit == axis ? context->symbol(symbol) : others[symbol == IndexSymbol::Key][digit];
    sum = context->combine(sum, 1, value, bounds[digit] / bounds[first], 0);
  }
  return sum;
}

ExprRef GridSearch::rewrite(ExprRef e) {
  if (!e->dependsOnRow && !e->dependsOnKey)
    return e;
  if (ExprRef known = rewritten.lookup(e))
    return known;
  ExprRef result = rewriteNew(e);
  return rewritten[e] = result;
}

ExprRef GridSearch::rewriteNew(ExprRef e) {
  for (IndexSymbol symbol : {IndexSymbol::Row, IndexSymbol::Key}) {
    bool isRemainder = e->kind == Kind::Remainder && e->operands[1]->isConstant();
    std::optional<int64_t> quotient = quotientOf(isRemainder ? e->operands[0] : e, symbol);
    if (!quotient)
      continue;
    // The largest bound that divides what the position is divided by.
    unsigned first = 0, end = bounds.size();
    while (first + 1 < end && *quotient % bounds[first + 1] == 0)
      ++first;
    int64_t rest = *quotient / bounds[first];
    if (!isRemainder)
      return context->floorDiv(digitsFrom(symbol, first, end), context->constant(rest));
    if (rest == 1)
      for (unsigned last = first + 1; last < end; ++last)
        if (bounds[last] == *quotient * e->operands[1]->value)
          return digitsFrom(symbol, first, last);
    ExprRef inner = context->floorDiv(digitsFrom(symbol, first, end), context->constant(rest));
    return context->remainder(inner, e->operands[1]);
  }
  bool bindsPositions = e->kind == Kind::FirstKey || e->kind == Kind::RowMinimum || e->kind == Kind::RowMaximum;
  if (e->operands.empty() || bindsPositions)
    return context->opaque("a term of a position as a whole");
  return context->withOperands(e, llvm::map_to_vector(e->operands, [&](ExprRef operand) { return rewrite(operand); }));
}

std::optional<MaskGrid> GridSearch::tryBounds(ArrayRef<int64_t> inner) {
  bounds.assign(1, 1);
  for (int64_t bound : inner) {
    if (bound % bounds.back())
      return std::nullopt;
    bounds.push_back(bound);
  }
  unsigned rank = bounds.size();
  for (auto &digits : others) {
    digits.clear();
    for (unsigned digit = 0; digit < rank; ++digit)
      digits.push_back(context->opaque("a coordinate on another axis"));
  }
  llvm::SmallVector<ExprRef> masks(rank, context->constant(1));
  llvm::SmallVector<bool> isTaken(truths.size(), false);
  for (axis = rank; axis-- > 0;) {
    rewritten.clear();
    for (auto [index, truth] : llvm::enumerate(truths)) {
      if (isTaken[index])
        continue;
      ExprRef here = rewrite(truth);
      if (here->hasOpaque)
        continue;
      isTaken[index] = true;
      masks[axis] = context->logicalAnd(masks[axis], here);
    }
  }
  if (llvm::is_contained(isTaken, false))
    return std::nullopt;
  MaskGrid grid;
  for (unsigned digit = rank; digit-- > 0;) {
    MaskAnalysis analysis;
    analysis.context = context;
    analysis.mask = masks[digit];
    analysis.solve();
    if (analysis.needsEvaluation() || analysis.getRanges().size() != 1)
      return std::nullopt;
    grid.axes.push_back(std::move(analysis));
    if (digit + 1 != rank)
      grid.extents.push_back(bounds[digit + 1] / bounds[digit]);
  }
  // Without a condition on the innermost axis what is seen are whole lines, which follow each other.
  if (grid.axes.back().isAlwaysTrue())
    return std::nullopt;
  return grid;
}

/// More axes first: where some of them could be one, blocks of keys are boxes nevertheless.
std::optional<MaskGrid> GridSearch::search() {
  llvm::DenseSet<ExprRef> seen;
  llvm::SmallSet<int64_t, 8> found;
  collectBounds(mask, seen, found);
  llvm::SmallVector<int64_t> candidates(found.begin(), found.end());
  llvm::erase_if(candidates, [](int64_t bound) { return bound < 2; });
  llvm::sort(candidates);
  if (mask->hasOpaque || candidates.empty() || candidates.size() > mostBounds)
    return std::nullopt;
  llvm::SmallVector<unsigned> choices;
  for (unsigned choice = 1; choice < 1u << candidates.size(); ++choice)
    choices.push_back(choice);
  llvm::stable_sort(choices, [](unsigned a, unsigned b) { return llvm::popcount(a) > llvm::popcount(b); });
  for (unsigned choice : choices) {
    llvm::SmallVector<int64_t> inner;
    for (auto [index, bound] : llvm::enumerate(candidates))
      if (choice >> index & 1)
        inner.push_back(bound);
    if (std::optional<MaskGrid> grid = tryBounds(inner))
      return grid;
  }
  return std::nullopt;
}

std::optional<MaskGrid> MaskGrid::find(Region &mask) { return GridSearch(mask).search(); }

int64_t MaskGrid::getInner() const {
  int64_t inner = 1;
  for (int64_t extent : extents)
    inner *= extent;
  return inner;
}

void MaskGrid::print(llvm::raw_ostream &os) const {
  os << "grid: ?";
  for (int64_t extent : extents)
    os << " x " << extent;
  os << '\n';
  for (auto [number, analysis] : llvm::enumerate(axes)) {
    os << "axis " << number << ' ';
    analysis.print(os);
  }
}
