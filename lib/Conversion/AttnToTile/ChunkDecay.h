//===- ChunkDecay.h - what the gates of a chunk multiply --------------------===//
//
// With b_i the sum of the gates of a chunk up to and with token i (every sum starts in
// its chunk, so that it stays small), a chunk's part of a recurrence is
//
//   o_i = exp(b_i) q_i S + sum_{j <= i} exp(b_i - b_j) (q_i k_j) v_j
//   S'  = exp(b_C) S + sum_j exp(b_C - b_j) k_j v_j^T
//
// Every exponent is at most 0. Sums of gates of one channel are `1`, of several `dk` wide:
//
//   prefix   exp(b_i)          C x 1 or C x dk
//   suffix   exp(b_C - b_j)    C x 1 or C x dk, by sums of its own: no difference; 1 x C where it goes into keys
//   whole    exp(b_C)          1 x 1 or 1 x dk
//
// With one gate for all channels exp(b_i - b_j) is a factor of the product. With one per
// channel it goes into q and k, and no single point to split it at keeps both parts below
// 1 for all pairs. So pairs are sorted by the highest bit in which i and j differ: for bit
// n, all pairs of an aligned group of 2^(n+1) tokens have i in its upper and j in its lower
// half, and splitting at the middle is safe. That is one product for each bit, masked to
// its pairs, and the diagonal, which has no decay.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_CHUNKDECAY_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_CHUNKDECAY_H

#include "BlockPlace.h"
#include "TileMath.h"
#include "dialects/Attn/AttnOps.h"
#include "heddle/Analysis/RecurSchedule.h"

namespace heddle {

class ChunkDecay {
public:
  /// `gateSums`: of the plan, what emitGateSums has left, or null.
  ChunkDecay(attn::RecurOp op, TileEmitter &emitter, KernelBuilder &kernel, const RecurSchedule &schedule,
             mlir::Value gateSums)
      : op(op), emitter(emitter), kernel(kernel), math(emitter), gateSums(gateSums), size(schedule.chunk),
        splitsSums(schedule.splitsSums && !op.getKey().getType().getElementType().isF32()),
        weighsKeys(schedule.weighsKeys) {}

  /// Reads the gates of the chunk at tokens `row`, of which `present` (index) exist. Row i of the block has seen i + 1
  /// of them, or `counts` (size x 1, i32) where that is from 0 to size - 1; it reads another chunk where it is not.
  mlir::LogicalResult start(const BlockPlace &place, const Lifted &row, mlir::Value present, mlir::Value counts = {});

  /// What weights of pairs are made of, size x size: products of queries and keys, in tiles of channels; null with a
  /// gate per channel. May come before `start`.
  mlir::Value products(llvm::ArrayRef<mlir::Value> queries, llvm::ArrayRef<mlir::Value> keys);
  /// Weights of the chunk's pairs, size x size: 0 where i has not seen j.
  mlir::Value weights(mlir::Value queries, mlir::Value keys, mlir::Value products);

  /// size x 1: whether a row reads this chunk; null where all do.
  mlir::Value getIsHere() const { return isHere; }
  /// f32, or null where it is 1.
  mlir::Value getPrefix() const { return prefix; }
  /// With the decays `later` (1 x 1, in base 2) of the chunks behind this one, if there are any.
  mlir::Value getSuffix(mlir::Value later = {});
  mlir::Value getWhole() const { return whole; }
  /// 1 x 1: what `whole` is the power of, b_C in base 2; null without a gate, or with one per channel.
  mlir::Value getAllSums() const { return allSums; }

  /// The decay of one token: 1x1, or (channels of the keys) x 1; null without a gate.
  mlir::FailureOr<mlir::Value> ofToken(const BlockPlace &place, const Lifted &token, int64_t channels);

  /// A gate as sums take it.
  static mlir::Value inBase2(TileMath &math, mlir::Value gate);

private:
  enum class Kind { None, Head, Token, Channel };
  Kind kind();
  mlir::Value numberOfHead(const BlockPlace &place);
  mlir::Value pairMask(mlir::arith::CmpIPredicate predicate); ///< i ? j, size x size
  mlir::Value asRow(mlir::Value column);
  llvm::SmallVector<mlir::Value> partsOf(mlir::Value gate);
  mlir::Value sumAlong(mlir::Value mask);
  mlir::LogicalResult startHead(const BlockPlace &place, mlir::Value present);
  mlir::LogicalResult startToken(const BlockPlace &place, const Lifted &row);
  void startSums(mlir::Value sums);
  void startFactors(mlir::Value sums);
  mlir::LogicalResult startChannel(const BlockPlace &place, const Lifted &row);
  mlir::LogicalResult startSegments(const BlockPlace &place, const Lifted &row, mlir::Value present);
  mlir::Value weightsByChannel(mlir::Value queries, mlir::Value keys);

  attn::RecurOp op;
  TileEmitter &emitter;
  KernelBuilder &kernel;
  TileMath math;
  mlir::Value gateSums;
  int64_t size;                         ///< tokens of a chunk
  bool splitsSums, weighsKeys;          ///< see RecurSchedule
  mlir::Value seenCount;                ///< tokens that a row has seen, size x 1
  mlir::Value seen, isHere;             ///< which, size x size; whether they are this chunk's
  mlir::Value i, j;                     ///< positions in the chunk, size x 1 and 1 x size
  mlir::Value difference;               ///< b_i - b_j in base 2, size x size; null without a gate of one channel
  llvm::SmallVector<mlir::Value> gates; ///< terms in base 2, size x dk, with a gate per channel
  mlir::Value sameSegment;              ///< size x size; null without segments
  mlir::Value sumsOfKeys;               ///< 1 x size, where suffix is made of it when it is asked for
  mlir::Value allSums;                  ///< see above
  mlir::Value prefix, suffix, whole;    ///< see above
};

} // namespace heddle

#endif
