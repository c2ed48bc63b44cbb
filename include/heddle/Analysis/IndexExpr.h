//===- IndexExpr.h - integer expressions with two back ends -----*- C++ -*-===//
//
// The mask algebra (MaskAnalysis.h) computes with integers it does not know yet:
// positions, sequence lengths, captured scalars, entries of captured tables. This
// file holds such an integer as an expression that can be simplified, asked where
// it is monotone, written as `arith`/`scf` on index, or evaluated on the host.
// Both back ends read the same graph, so what the tests check on the host is
// what a kernel computes.
//
// Expressions are immutable, live as long as their context, and are unique: equal
// expressions are the same pointer. Truth values are the integers 0 and 1.
//
// Integers are mathematical: arithmetic in a mask is assumed not to overflow.
// A table is read with its coordinates clamped to it, as `tile.gather` reads.
//
// Linear parts are kept flat. `Sum` is `value + sum_k coefficients[k] * operands[k]`
// with distinct operands, so `i - (i - j)` is `j` without a rewrite rule, and a
// comparison is always one expression against zero.
//
// Three nodes bind a variable:
//   FirstKey(body, target)   the first key j in [0, keys) with body(j) >= target, else keys; body is nondecreasing in j
//   RowMinimum(body)         the least body(i) over the rows i in [rowBegin, rowEnd)
//   RowMaximum(body)         the greatest
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_ANALYSIS_INDEXEXPR_H
#define HEDDLE_ANALYSIS_INDEXEXPR_H

#include "mlir/IR/Value.h"
#include "llvm/ADT/FoldingSet.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/raw_ostream.h"
#include <deque>
#include <optional>
#include <string>

namespace heddle {

/// The variables every mask has. `Row` and `Key` are the mask's own i and j; the others describe the block asked about.
/// `Residue` is that of its rows, where rows are taken by residue classes.
enum class IndexSymbol { Batch, Head, Row, Key, RowBegin, RowEnd, KeyCount, Residue };
constexpr unsigned indexSymbolCount = 8;

class IndexExpr : public llvm::FoldingSetNode {
public:
  enum class Kind {
    Constant, // value
    Symbol,   // value is an IndexSymbol
    Scalar,   // captured integer
    Dim,      // size `value` of the captured tensor
    Load,     // captured tensor at operands
    Fact,     // whether the captured tensor is nondecreasing along axis `value`
    Opaque,   // something the algebra does not know; value numbers its reason
    Sum,      // value + sum of coefficients[k] * operands[k]
    Mul,
    FloorDiv,  // rounds down
    CeilDiv,   // rounds up
    TruncDiv,  // rounds to zero
    Remainder, // of TruncDiv: has the sign of the first operand
    Min,
    Max,
    Select,      // operands[0] != 0 ? operands[1] : operands[2]
    NonPositive, // operands[0] <= 0
    Zero,        // operands[0] == 0
    Not,
    And,
    Or,
    FirstKey,
    RowMinimum,
    RowMaximum,
  };

  Kind kind;
  int64_t value = 0;
  mlir::Value captured;
  llvm::SmallVector<const IndexExpr *, 3> operands;
  llvm::SmallVector<int64_t, 2> coefficients; // of a Sum

  // Derived when the node is made.
  unsigned id = 0;                     // dense in the context
  uint32_t treeSize = 1;               // nodes when written as a tree; saturates
  bool isTruth = false;                // 0 or 1
  bool dependsOnRow = false;           // Row occurs free
  bool dependsOnKey = false;           // Key occurs free
  bool isFixed = true;                 // no variable occurs: the same for every block
  bool hasOpaque = false;              // an unknown occurs
  bool hasLoop = false;                // evaluation takes a loop
  bool atMostKeys = false;             // never beyond the number of keys
  std::optional<int64_t> lower, upper; // constant bounds, where some are known

  bool isConstant() const { return kind == Kind::Constant; }
  bool isConstant(int64_t v) const { return isConstant() && value == v; }
  bool isSymbol(IndexSymbol s) const { return kind == Kind::Symbol && value == static_cast<int64_t>(s); }
  bool dependsOn(IndexSymbol s) const { return s == IndexSymbol::Row ? dependsOnRow : dependsOnKey; }
  void Profile(llvm::FoldingSetNodeID &nodeId) const;
};

using ExprRef = const IndexExpr *;

/// Makes and owns expressions. Every maker simplifies.
class IndexExprContext {
public:
  ExprRef constant(int64_t value);
  ExprRef symbol(IndexSymbol symbol);
  /// Says that residues are those of `modulus`: before the first use of the symbol.
  void setModulus(int64_t modulus) { residueEnd = modulus; }
  ExprRef scalar(mlir::Value value);
  ExprRef dim(mlir::Value tensor, int64_t dimension);
  ExprRef load(mlir::Value tensor, llvm::ArrayRef<ExprRef> indices);
  ExprRef fact(mlir::Value tensor, int64_t axis);
  ExprRef opaque(const llvm::Twine &reason);

  ExprRef add(ExprRef a, ExprRef b) { return combine(a, 1, b, 1, 0); }
  ExprRef sub(ExprRef a, ExprRef b) { return combine(a, 1, b, -1, 0); }
  ExprRef offset(ExprRef a, int64_t by) { return combine(a, 1, nullptr, 0, by); }
  ExprRef scale(ExprRef a, int64_t by) { return combine(a, by, nullptr, 0, 0); }
  ExprRef negate(ExprRef a) { return scale(a, -1); }
  /// scaleA * a + scaleB * b + constant; `b` may be null.
  ExprRef combine(ExprRef a, int64_t scaleA, ExprRef b, int64_t scaleB, int64_t constant);
  ExprRef mul(ExprRef a, ExprRef b);
  ExprRef floorDiv(ExprRef a, ExprRef b);
  ExprRef ceilDiv(ExprRef a, ExprRef b);
  ExprRef truncDiv(ExprRef a, ExprRef b);
  ExprRef remainder(ExprRef a, ExprRef b);
  ExprRef min(ExprRef a, ExprRef b);
  ExprRef max(ExprRef a, ExprRef b);
  ExprRef select(ExprRef condition, ExprRef ifTrue, ExprRef ifFalse);

  ExprRef nonPositive(ExprRef a);
  ExprRef zero(ExprRef a);
  ExprRef lessEqual(ExprRef a, ExprRef b) { return nonPositive(sub(a, b)); }
  ExprRef less(ExprRef a, ExprRef b) { return nonPositive(combine(a, 1, b, -1, 1)); }
  ExprRef equal(ExprRef a, ExprRef b) { return zero(sub(a, b)); }
  ExprRef logicalNot(ExprRef a);
  ExprRef logicalAnd(ExprRef a, ExprRef b);
  ExprRef logicalOr(ExprRef a, ExprRef b);
  ExprRef logicalXor(ExprRef a, ExprRef b) { return select(a, logicalNot(b), b); }

  ExprRef firstKey(ExprRef body, ExprRef target);
  ExprRef rowMinimum(ExprRef body);
  ExprRef rowMaximum(ExprRef body);

  /// The operation of `e` on other operands; what has none is what it was.
  ExprRef withOperands(ExprRef e, llvm::ArrayRef<ExprRef> x);
  /// `e` with `symbol` (Row or Key) replaced where it occurs free.
  ExprRef substitute(ExprRef e, IndexSymbol symbol, ExprRef replacement);

  unsigned size() const { return nodes.size(); }
  llvm::StringRef reason(ExprRef opaque) const { return reasons[opaque->value]; }

  /// Text. Captured scalars are s0, s1, .. and captured tensors t0, t1, .. in the order in which they were met.
  void print(llvm::raw_ostream &os, ExprRef e) const;
  std::string name(mlir::Value captured) const;

private:
  ExprRef make(IndexExpr::Kind kind, llvm::ArrayRef<ExprRef> operands, int64_t value = 0, mlir::Value captured = {},
               llvm::ArrayRef<int64_t> coefficients = {});
  void derive(IndexExpr &e) const;
  void deriveBounds(IndexExpr &e) const;
  ExprRef divide(IndexExpr::Kind kind, ExprRef a, ExprRef b);
  void remember(mlir::Value captured);

  int64_t residueEnd = 1; // residues are below
  std::deque<IndexExpr> nodes;
  llvm::FoldingSet<IndexExpr> unique;
  llvm::SmallVector<std::string, 0> reasons;
  llvm::SmallVector<mlir::Value> scalars, tensors;
};

/// The passes over an expression follow it as a tree; one that is larger than this when written out is given up on.
constexpr uint32_t largestTree = 4096;

/// How an expression moves when a variable grows.
enum class Direction { Constant, Up, Down, Unknown };

/// The direction of `e` in Row or Key. It holds where all of `conditions` hold; those are facts about tables and signs
/// of run-time numbers that only the run can know. Conditions in `assumed` are taken as true.
Direction direction(IndexExprContext &context, ExprRef e, IndexSymbol variable,
                    llvm::SmallVectorImpl<ExprRef> &conditions, llvm::ArrayRef<ExprRef> assumed = {});

/// The exact least and greatest value of `e` over the rows of the block: no Row in the result. `e` has no Key and
/// nothing opaque. `assumed` as above.
struct ExprBounds {
  ExprRef low, high;
};
ExprBounds boundsOverRows(IndexExprContext &context, ExprRef e, llvm::ArrayRef<ExprRef> assumed = {});

/// Bounds of `e` over all rows of the block and all keys by interval arithmetic: valid, not always tight. A bound is
/// null where none is known.
ExprBounds boundsOverBlock(IndexExprContext &context, ExprRef e);

} // namespace heddle

#endif
