//===- IndexExprEvaluator.h - expressions on the host -----------*- C++ -*-===//
#ifndef HEDDLE_ANALYSIS_INDEXEXPREVALUATOR_H
#define HEDDLE_ANALYSIS_INDEXEXPREVALUATOR_H

#include "heddle/Analysis/IndexExpr.h"
#include "llvm/ADT/DenseMap.h"
#include <array>
#include <functional>
#include <vector>

namespace heddle {

/// A captured tensor of integers in host memory.
struct HostTable {
  const void *data = nullptr;
  unsigned bits = 32; // of an element: 8, 16, 32 or 64; a truth takes 8
  llvm::SmallVector<int64_t, 4> sizes, strides;

  int64_t at(int64_t offset) const;
  /// Whether the entries do not fall along `axis`, for every choice of the other coordinates.
  bool isNondecreasing(unsigned axis) const;
};

/// The run-time values that a mask captured.
struct HostCaptures {
  std::function<int64_t(mlir::Value scalar)> scalar;
  std::function<HostTable(mlir::Value tensor)> table;
};

/// Evaluates the expressions of one context. Shared parts are computed once per setting of the variables; captures are
/// asked for once.
class IndexExprEvaluator {
public:
  IndexExprEvaluator(const IndexExprContext &context, const HostCaptures &captures);

  void set(IndexSymbol symbol, int64_t value);
  int64_t evaluate(ExprRef e);
  /// Whether a table fact holds; computed from the table on the first question.
  bool holds(mlir::Value tensor, int64_t axis);

private:
  int64_t compute(ExprRef e);
  int64_t load(ExprRef e);
  int64_t divide(ExprRef e);
  int64_t firstKey(ExprRef e);
  int64_t firstEntry(ExprRef search, unsigned axis, int64_t target);
  int64_t reduceRows(ExprRef e);
  const HostTable &table(mlir::Value tensor);
  const HostTable &table(ExprRef load);

  /// A value is valid while the variables it depends on have the ages they had.
  struct Memo {
    int64_t value = 0;
    uint64_t block = 0, row = 0, key = 0;
  };

  const HostCaptures captures;
  std::array<int64_t, indexSymbolCount> symbols{};
  uint64_t clock = 1, blockAge = 1, rowAge = 1, keyAge = 1;
  std::vector<Memo> memo;
  std::vector<int64_t> hints;             // where a search ended last
  std::vector<const HostTable *> tableOf; // of a Load
  std::deque<HostTable> storage;
  llvm::DenseMap<mlir::Value, const HostTable *> tables;
  llvm::DenseMap<mlir::Value, int64_t> scalars;
  llvm::DenseMap<std::pair<mlir::Value, int64_t>, bool> facts;
};

} // namespace heddle

#endif
