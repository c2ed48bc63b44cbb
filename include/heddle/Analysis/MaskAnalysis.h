//===- MaskAnalysis.h - which keys a block of rows sees ---------*- C++ -*-===//
//
// A mask is a region: positions b, h, i, j go in, one bit comes out. A kernel that
// asks it for every pair of a row i and a key j does the whole T x T work. This
// analysis asks it once per block of rows instead, and gets the answer as a few
// intervals of keys whose ends are arithmetic on numbers known at run time.
//
// The idea in three steps.
//
// 1. *Solve for j.* A comparison is one linear form against zero, and usually j
//    stands in one place of it, under operations that can be undone:
//        (j floordiv w) <= (i floordiv w)    is    j < (i floordiv w)*w + w
//        max(i - j, j - i) < s               is    j > i - s  and  j < i + s
//    Where j stands in a table that does not fall, T[b, j] >= e, the end is found
//    by a binary search in T. So one row sees, per comparison, one interval.
//
// 2. *Run over the rows.* For rows i in [rowBegin, rowEnd) and an interval
//    [lo(i), hi(i)):
//        some row sees only keys in    [min lo, max hi)     "may"
//        every row sees the keys in    [max lo, min hi)     "full"
//    and min and max of an expression that is monotone in i are its ends.
//
// 3. *Combine.* `and` intersects intervals, `or` collects them, `not` moves inward.
//    At the end they are sorted, made disjoint and cut down to four.
//
// What step 1 cannot solve counts as "may: every key, full: none", which is true of
// any mask; the rest of the mask still bounds it. `needsEvaluation` then says that
// looking at the pairs (once, on the device) could find more blocks to skip.
//
// An interior block (inside "full") runs without mask code; a block outside of "may"
// does not run. Nothing here knows a mask's name.
//
// Example: `j <= i and j > i - w` on rows [r, R) and n keys:
//     may  [max(0, r - w + 1), min(n, R))        full  [max(0, R - w), min(n, r + 1))
//
// MaskOnHost.h evaluates the same expressions on the host. Test: test/Analysis/,
// test/unit/MaskAlgebra.cpp (against brute force on random masks).
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_ANALYSIS_MASKANALYSIS_H
#define HEDDLE_ANALYSIS_MASKANALYSIS_H

#include "heddle/Analysis/IndexExpr.h"
#include "heddle/Analysis/IndexExprEmitter.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Region.h"
#include <memory>
#include <vector>

namespace heddle {

/// A property of a captured table that only the run can know: for every choice of the other coordinates the entries do
/// not fall along `axis`.
struct TableFact {
  mlir::Value tensor;
  int64_t axis;
};

/// Keys [begin, end), of type index.
struct KeyRange {
  mlir::Value begin, end;
};

/// At most `MaskAnalysis::maxRanges` disjoint ranges in ascending order, `may` and `full` of equal length, with
///   may[k].begin <= full[k].begin <= full[k].end <= may[k].end <= may[k+1].begin    and all within [0, keyCount].
/// So the keys to visit are, for each k: [may.begin, full.begin) with the mask, [full.begin, full.end) without it,
/// [full.end, may.end) with it. Any of these may be empty.
struct KeyRanges {
  llvm::SmallVector<KeyRange> may, full;
};

class MaskAnalysis {
public:
  static constexpr unsigned maxRanges = 4;

  /// Analyses a mask region: one block, four index arguments b, h, i, j, and a terminator with one i1 operand. It never
  /// fails; what it does not understand is an unknown.
  static MaskAnalysis compute(mlir::Region &mask);

  /// Divides a mask into parts that see no pair twice and of which at least one keeps to residue classes: it holds only
  /// where j is congruent to a * i + c modulo a constant m, with a constant a and a c that is free of i and j. All but
  /// the last part do. Empty where a mask has no such part, or one that is not solved.
  ///
  ///     (i - j) mod 4 == 0 and j <= i                   is one part, m = 4
  ///     i - j < 128 or (i - j) mod 128 == 0             is (i - j) mod 128 == 0 and i - j >= 128 with m = 128,
  ///                                                     and i - j < 128
  ///
  /// Of such a part rows are taken by classes: row r + m * i and key e + m * j for a residue r of rows, where e is the
  /// residue of keys that they see. The part is a mask of i and j for every r, without the condition that made it so:
  /// ranges, rows of a block and the number of keys count positions of the class.
  static std::vector<MaskAnalysis> computeParts(mlir::Region &mask);

  /// The m of a part, 1 where rows and keys are all of them.
  int64_t getModulus() const { return modulus; }

  /// Whether a part of the mask was not solved, so that blocks inside `may` could turn out to be empty or full.
  bool needsEvaluation() const { return !unknowns.empty(); }
  /// Why, one line per part.
  llvm::ArrayRef<std::string> getUnknowns() const { return unknowns; }
  /// Whether the ranges differ between batches, or between heads.
  bool dependsOnBatch() const { return usesBatch; }
  bool dependsOnHead() const { return usesHead; }
  /// Whether every row sees every key, whatever the sizes.
  bool isAlwaysTrue() const { return mask->isConstant(1); }

  /// What has to be checked at run time. A fact that does not hold costs time, never correctness: the comparisons that
  /// rely on it count as unknown.
  llvm::ArrayRef<TableFact> getTableFacts() const { return facts; }

  /// The run-time values behind the expressions: see IndexExprBindings, and one i1 per table fact.
  struct Environment : IndexExprBindings {
    llvm::SmallVector<mlir::Value> facts;
  };

  /// Writes the ranges of the block of rows [rowBegin, rowEnd), which is not empty and inside the rows of the operands,
  /// as arith and scf on index.
  KeyRanges emit(mlir::OpBuilder &builder, mlir::Location loc, const Environment &environment) const;

  /// Writes the residue of the keys that rows of `environment.residue` see. The modulus is not 1.
  mlir::Value emitKeyResidue(mlir::OpBuilder &builder, mlir::Location loc, const Environment &environment) const;

  /// Writes whether row `environment.row` sees key `environment.key`: i1. Nothing in the mask is opaque.
  mlir::Value emitMask(mlir::OpBuilder &builder, mlir::Location loc, const Environment &environment) const;

  /// The derived algebra as readable text: the solved parts, whose union is what is seen, before they are put in order.
  void print(llvm::raw_ostream &os) const;

  /// The expressions themselves: the mask as a truth of b, h, i, j, and per range the four ends.
  struct Ends {
    ExprRef mayBegin, mayEnd, fullBegin, fullEnd;
  };
  ExprRef getMask() const { return mask; }
  ExprRef getKeyResidue() const { return keyResidue; }
  llvm::ArrayRef<Ends> getRanges() const { return ranges; }
  const IndexExprContext &getContext() const { return *context; }
  /// The position of a `Fact` expression in getTableFacts.
  unsigned factIndex(ExprRef fact) const;

private:
  friend class MaskDivision;
  friend class GridSearch;
  MaskAnalysis() = default;
  void solve();
  void collectUses();

  std::shared_ptr<IndexExprContext> context;
  ExprRef mask = nullptr;
  int64_t modulus = 1;
  ExprRef keyResidue = nullptr; // of a modulus that is not 1
  llvm::SmallVector<Ends> parts, ranges;
  llvm::SmallVector<std::string> unknowns;
  llvm::SmallVector<TableFact> facts;
  bool usesBatch = false, usesHead = false;
};

/// `ranges` in blocks of `keyBlock` keys instead of keys: may rounded outward, full rounded inward, still with the
/// inequalities of KeyRanges, so that no block is visited twice.
KeyRanges roundToBlocks(mlir::OpBuilder &builder, mlir::Location loc, const KeyRanges &ranges, int64_t keyBlock);

} // namespace heddle

#endif
