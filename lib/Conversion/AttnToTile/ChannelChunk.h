//===- ChannelChunk.h - a chunk of tokens whose channels decay apart --------===//
//
// With a gate per channel what decays is a row of the state, so everything here has channels as rows and tokens as
// columns: sums of gates over tokens are products with a triangle of ones, and what belongs to a channel is a column.
// With b_i the sums up to and with token i, and points r and s between 0 and b_C for each channel
//
//   o_i = (q_i exp(b_i - r)) (exp(r) S) + sum_{j <= i} w_ij v_j
//   S'  = exp(b_C - s) (exp(s) S + sum_j (k_j exp(s - b_j)) v_j^T)
//
// Where a channel does not decay by more than 2^-64 (f16: 2^-6) in either half of the chunk, r = s is the sum of the
// first half; else r is 0 and s is b_C, so that no factor exceeds 1. If it is so for all channels, then
//
//   w_ij = (q_i exp(b_i - r)) (k_j exp(s - b_j))
//
// has factors between 2^-64 and 2^64, of which nothing that matters is lost. That is looked at in every chunk. If it is
// not, pairs are sorted by the highest bit in which i and j
// differ: for bit n, all pairs of an aligned group of 2^(n+1) tokens have i in its upper and j in its lower half, and
// the middle is a point that is safe for all of them. That is one product for each bit, masked to its pairs, and the
// diagonal, which has no decay.
//
// On a GPU that look, and the loop that stands behind it, cost more than the products (ModerateChunk.cpp), so there is
// a kernel for gates that are as most are, which notes for each head how they were, and one that repeats the heads
// where they were not.
//
// Tests: test/python/test_recur_channels.py, test/Conversion/attn-to-tile-recur-channels.mlir.
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_CHANNELCHUNK_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_CHANNELCHUNK_H

#include "BlockPlace.h"
#include "TileMath.h"
#include "dialects/Attn/AttnOps.h"
#include "heddle/Analysis/RecurSchedule.h"

namespace heddle {

class ChannelChunk {
public:
  /// `width` channels, padded.
  ChannelChunk(attn::RecurOp op, TileEmitter &emitter, KernelBuilder &kernel, const RecurSchedule &schedule,
               int64_t width)
      : op(op), emitter(emitter), kernel(kernel), math(emitter), size(schedule.chunk), width(width),
        splitsSums(schedule.splitsSums) {}

  /// What all chunks have in common: in front of their loop.
  void start();

  /// Rows of the result, and the state behind the chunk.
  struct Result {
    mlir::Value rows, state;
  };
  /// The chunk at tokens `row`, after `state`. Queries and keys are size x width.
  mlir::FailureOr<Result> visit(const BlockPlace &place, const Lifted &row, mlir::Value queries, mlir::Value keys,
                                mlir::Value values, mlir::Value state);

  /// The state behind the chunk after `state`, and the sums of its gates, width x 1.
  struct Segment {
    mlir::Value state, sums;
  };
  mlir::FailureOr<Segment> advance(const BlockPlace &place, const Lifted &row, mlir::Value keys, mlir::Value values,
                                   mlir::Value state);

  /// What a kernel for moderate gates carries from chunk to chunk. The state's last decay is taken with the next
  /// chunk's first, so that it is multiplied once.
  struct Moderate {
    mlir::Value state, lag, most; ///< the decay that the state lacks, in base 2; how far channels have decayed, at most
    mlir::Value largest;          ///< size of a result of each row, where operands may overflow; else null
    llvm::SmallVector<mlir::Value> flatten() const {
      llvm::SmallVector<mlir::Value> values{state, lag, most};
      if (largest)
        values.push_back(largest);
      return values;
    }
    static Moderate of(llvm::ArrayRef<mlir::Value> values) {
      return {values[0], values[1], values[2], values.size() > 3 ? values[3] : mlir::Value()};
    }
  };
  Moderate startModerate(mlir::Value state);
  /// The same as `visit` where every channel can be split in the middle of every chunk.
  mlir::FailureOr<mlir::Value> visitModerate(const BlockPlace &place, const Lifted &row, mlir::Value queries,
                                             mlir::Value keys, mlir::Value values, Moderate &moderate);
  mlir::Value stateOf(const Moderate &moderate) { return math.mul(moderate.state, math.exp2(moderate.lag)); }
  /// A number of the block: 1 where gates were not moderate, and nothing that came of them holds; else 0.
  mlir::Value isExcessive(const Moderate &moderate);

private:
  mlir::ImplicitLocOpBuilder &b() { return math.b(); }
  mlir::Value transposed(mlir::Value tile);
  mlir::Value inBase2(mlir::Value sums);
  mlir::Type element() { return mlir::getElementTypeOrSelf(op.getKey().getType()); } ///< of operands of products
  mlir::Value pairMask(mlir::arith::CmpIPredicate predicate) { return math.compare(predicate, i, j); }
  mlir::Type gateElement();
  mlir::Value arrayOfGates(const BlockPlace &place, const Lifted &row);
  mlir::LogicalResult readGates(const BlockPlace &place, const Lifted &row);
  mlir::Value weighed(mlir::Value tile, mlir::Value sums, mlir::Value point, double sign);
  mlir::Value columnOf(mlir::Value tile, int64_t column);
  mlir::Value sizeOf(mlir::Value numbers);
  mlir::Value isAnyBeyond(mlir::Value numbers, double limit);
  mlir::Value sumsOver(mlir::Value path);
  mlir::Value sumsOfHalf(bool isFirst);
  mlir::Value decayOf(mlir::Value first, mlir::Value second);
  mlir::Value isAnyStrong(mlir::Value decays);
  mlir::Value weightsBySplits(mlir::Value queries, mlir::Value keys);
  bool isShortOfRoom() { return getElementTypeOrSelf(op.getGate().getType()) != gateElement(); }
  mlir::Value weightsOfBit(mlir::Value bit, mlir::Value weights);

  attn::RecurOp op;
  TileEmitter &emitter;
  KernelBuilder &kernel;
  TileMath math;
  int64_t size, width;
  bool splitsSums;
  mlir::Value i, j;                     ///< positions in a chunk, size x 1 and 1 x size
  mlir::Value path;                     ///< 1 where token i adds to the sum up to token j, size x size
  mlir::Value wideGates;                ///< logarithms, width x size
  llvm::SmallVector<mlir::Value> gates; ///< the same as operands of products: terms
  mlir::Value wideQueries, wideKeys;    ///< f32, width x size
};

} // namespace heddle

#endif
