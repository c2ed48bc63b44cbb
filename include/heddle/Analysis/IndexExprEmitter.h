//===- IndexExprEmitter.h - expressions as arith and scf --------*- C++ -*-===//
#ifndef HEDDLE_ANALYSIS_INDEXEXPREMITTER_H
#define HEDDLE_ANALYSIS_INDEXEXPREMITTER_H

#include "heddle/Analysis/IndexExpr.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallPtrSet.h"
#include <functional>

namespace heddle {

/// What an expression's leaves are in the function being written. All integers are `index` unless said otherwise.
struct IndexExprBindings {
  mlir::Value batch, head, rowBegin, rowEnd, keyCount;
  mlir::Value residue;           ///< of the rows; null where they are not taken by residue classes
  mlir::Value row, key;          ///< where an expression of a pair is written; null where none is
  bool clampsCoordinates = true; ///< keeps the coordinates of a load inside the tensor
  /// A captured scalar: any integer type or index.
  std::function<mlir::Value(mlir::Value scalar)> scalar;
  /// An element of a captured tensor: any integer type or index. The coordinates are inside the tensor unless it is
  /// empty, or they are not clamped.
  std::function<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::Value tensor, mlir::ValueRange indices)> load;
  /// The size of a dynamic dimension of a captured tensor.
  std::function<mlir::Value(mlir::Value tensor, int64_t dimension)> dim;
};

/// Writes expressions at the builder's insertion point, each shared part once.
class IndexExprEmitter {
public:
  using FactValue = llvm::function_ref<mlir::Value(ExprRef)>;
  IndexExprEmitter(mlir::OpBuilder &builder, mlir::Location loc, const IndexExprBindings &bindings, FactValue fact)
      : builder(builder), loc(loc), bindings(bindings), fact(fact), row(bindings.row), key(bindings.key) {}

  mlir::Value emitIndex(ExprRef e); // index
  mlir::Value emitTruth(ExprRef e); // i1

private:
  mlir::Value emit(ExprRef e);
  mlir::Value create(ExprRef e);
  mlir::Value createLeaf(ExprRef e);
  mlir::Value createSum(ExprRef e);
  mlir::Value sumOf(llvm::ArrayRef<std::pair<ExprRef, int64_t>> terms, int64_t value);
  mlir::Value createComparison(ExprRef e, mlir::arith::CmpIPredicate predicate);
  mlir::Value createDivision(ExprRef e);
  mlir::Value createSelect(ExprRef e);
  mlir::Value createLoad(ExprRef e);
  mlir::Value createFirstKey(ExprRef e);
  mlir::Value createRowReduction(ExprRef e);
  void hoist(ExprRef body, IndexSymbol variable, llvm::SmallPtrSetImpl<ExprRef> &seen);
  mlir::Value constant(int64_t value);

  mlir::OpBuilder &builder;
  mlir::Location loc;
  const IndexExprBindings &bindings;
  FactValue fact;
  mlir::Value row, key; // the bound variables, inside a loop
  llvm::DenseMap<ExprRef, mlir::Value> values;
};

} // namespace heddle

#endif
