//===- MaskSolver.h - from a truth of i and j to sets of keys ---*- C++ -*-===//
//
// Steps 1 and 2 of MaskAnalysis.h. A truth is walked with its negations pushed
// inward; each comparison is solved for j and its bound run over the rows.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_ANALYSIS_MASKSOLVER_H
#define HEDDLE_LIB_ANALYSIS_MASKSOLVER_H

#include "KeySet.h"
#include "llvm/ADT/DenseMap.h"

namespace heddle {

class MaskSolver {
public:
  explicit MaskSolver(IndexExprContext &context) : context(context), keys(context) {}

  /// The keys where `truth` is `positive`.
  KeySet solve(ExprRef truth, bool positive = true);

  /// Why some comparison counts as unknown.
  llvm::ArrayRef<std::string> getUnknowns() const { return unknowns; }

private:
  enum class Side { AtMost, AtLeast };

  KeySet solveTruth(ExprRef truth, bool positive);
  KeySet solveBinary(ExprRef a, ExprRef b, bool conjunction, bool positive);
  KeySet solveChoice(ExprRef condition, llvm::function_ref<KeySet()> ifTrue, llvm::function_ref<KeySet()> ifFalse);
  KeySet whereRows(ExprRef condition);
  KeySet nonPositive(ExprRef e);
  KeySet compare(ExprRef e, Side side, ExprRef bound);
  KeySet compareQuotient(ExprRef e, Side side, ExprRef bound);
  KeySet compareProduct(ExprRef e, Side side, ExprRef bound);
  KeySet compareTruth(ExprRef e, Side side, ExprRef bound);
  KeySet boundary(ExprRef bound, Side side);
  KeySet search(ExprRef e);
  KeySet byIntervals(ExprRef e);
  KeySet underAssumption(ExprRef condition, llvm::function_ref<KeySet()> body);
  KeySet unknown(const llvm::Twine &reason);
  KeySet unknown(ExprRef culprit);

  IndexExprContext &context;
  KeySetAlgebra keys;
  llvm::SmallVector<ExprRef> assumed;
  llvm::SmallVector<std::string> unknowns;
  unsigned comparisons = 0;
  llvm::DenseMap<std::pair<ExprRef, unsigned>, KeySet> solved;
};

} // namespace heddle

#endif
