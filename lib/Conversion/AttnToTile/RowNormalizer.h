//===- RowNormalizer.h - what is derived from a normalizer's four regions ---===//
//
// A row's state is (m, R_k, A_a): the running reference, the sums, and one accumulator
// per weight and value; and the ranks of references that statistics ask for. Everything below follows from the four
// regions:
//
//   step:     m' = max(m, max_j reference(s_j));  c = rescale(m, m')
//             R_k = c R_k + sum_j r_k(s_j, m');    A_a = c A_a + sum_j w_a(s_j, m') v_j
//             (or R' = what rescale makes of all R_k)
//   combine:  the same with two states in place of a state and a block
//   finish:   o = sum_a c_a(m, R) A_a, and the statistics
//
// so that a split over keys, a step of a ring and a block of a loop are one piece of code.
// A row that has seen nothing keeps m = -inf, and every use of m guards against it.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_ROWNORMALIZER_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_ROWNORMALIZER_H

#include "RowRanks.h"
#include "TileEmitter.h"
#include "dialects/Attn/AttnOps.h"

namespace heddle {

/// Tiles of R rows: `max`, `sums` and `presence` are Rx1, an accumulator is RxE.
struct RowState {
  mlir::Value max;      ///< null without a reference
  mlir::Value presence; ///< 1 where a key was seen; null where m or the algebra tells
  llvm::SmallVector<mlir::Value> sums;
  RowRanks ranks;
  llvm::SmallVector<mlir::Value> accumulators; ///< value-major: all weights of value 0, then of value 1, ..

  llvm::SmallVector<mlir::Value> flatten() const;
  /// The same state with other values, in the order of `flatten`.
  RowState with(mlir::ValueRange values) const;
};

/// A loop from `lower` to `upper` that carries a row state.
mlir::FailureOr<RowState> loopOver(mlir::ImplicitLocOpBuilder &builder, mlir::Value lower, mlir::Value upper,
                                   mlir::Value step, const RowState &initial,
                                   llvm::function_ref<mlir::FailureOr<RowState>(mlir::Value, RowState)> body);

/// What the regions imply about keys that are not visible, found by evaluating them at such a score.
struct NormalizerTraits {
  bool absorbsInvisible = false; ///< weight(-inf, 0) is 0 and reference(-inf) is -inf
  bool absorbsLowest = false;    ///< not so, but the weight of a score far below all others is 0
  bool needsPresence = false;    ///< without a reference, finish of nothing is not finite

  static NormalizerTraits of(attn::NormalizerOp definition);
  /// Row vectors of a state but its ranks.
  unsigned countColumns(attn::NormalizerOp definition) const {
    return definition ? definition.hasReference() + needsPresence + definition.getNumSums() : 0;
  }
};

class RowNormalizer {
public:
  /// `definition` may be null: weights are then the scores themselves and there is nothing to finish.
  RowNormalizer(attn::AttendOp op, attn::NormalizerOp definition, TileEmitter &emitter, int64_t rows);

  /// `positions`: b, h, i (rows) and, for a step, j (columns).
  void setRow(const Lifted &b, const Lifted &h, const Lifted &i) { batch = b, head = h, row = i; }

  RowState initial(llvm::ArrayRef<int64_t> columnsOfValues);

  /// The weights (one tile per weight) of a block of scores; updates max, sums and presence and rescales accumulators.
  /// `isPartial` (i1): whether the block has pairs that the mask hides.
  mlir::FailureOr<llvm::SmallVector<mlir::Value>> step(RowState &state, mlir::Value scores, const Lifted &j,
                                                       mlir::Value isPartial);

  mlir::FailureOr<RowState> combine(const RowState &a, const RowState &b);

  struct Finished {
    llvm::SmallVector<mlir::Value> results; ///< one per value
    llvm::StringMap<mlir::Value> stats;     ///< Rx1 each
  };
  mlir::FailureOr<Finished> finish(const RowState &state);

  unsigned getNumWeights() { return definition ? definition.getNumWeights() : 1; }

private:
  bool hasReference() { return definition && definition.hasReference(); }
  mlir::FailureOr<llvm::SmallVector<mlir::Value>> apply(mlir::Region &region, llvm::ArrayRef<Lifted> leading,
                                                        llvm::ArrayRef<int64_t> shape);
  mlir::Value isPresent(const RowState &state);
  /// Scores without -inf: where they may have it.
  mlir::Value boundBelow(mlir::Value scores, mlir::Value isPartial);
  /// `value` where a row has seen a key, else `otherwise`.
  mlir::Value guard(mlir::Value present, mlir::Value value, double otherwise);
  /// What a state is multiplied with when its reference changes, and its sums after that.
  struct Rescaled {
    mlir::Value factor;
    llvm::SmallVector<mlir::Value> sums; ///< empty where the factor is theirs, too
  };
  mlir::FailureOr<Rescaled> rescale(const RowState &state, mlir::Value to);

  attn::NormalizerOp definition;
  TileEmitter &emitter;
  int64_t rows;
  unsigned ranks;
  bool hasFiniteScores; ///< of visible pairs
  Lifted batch, head, row;
  NormalizerTraits traits;
};

} // namespace heddle

#endif
