//===- RecurSchedule.h - tile sizes of a recurrence -------------------------===//
//
// A block owns some columns of a state and goes over the tokens in chunks. Inside of a
// chunk the work per token grows with its size, between chunks the state is passed over
// once: 64 tokens balance the two where keys have 64 to 128 channels. What bounds the
// columns is the memory that holds the state all the while: registers, or a core's cache.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_ANALYSIS_RECURSCHEDULE_H
#define HEDDLE_ANALYSIS_RECURSCHEDULE_H

#include "dialects/Tile/TileTarget.h"
#include <string>

namespace heddle {

/// Of a tile of a state that is several.
inline constexpr int64_t kTileChannels = 128;

/// Of queries and keys that products with weights compute, at once: few registers.
inline constexpr int64_t kMapColumns = 32;

/// What a recurrence works on, widths as products take them (multiples of 16).
struct RecurWork {
  int64_t keyWidth = 0, valueWidth = 0;
  int64_t elementBytes = 4;
  /// Every row reads the state of its own token, and there are no segments.
  bool isInOrder = false;
  bool hasMass = false;
  /// Arrays as they lie in memory, not computed in the kernel.
  bool hasPlainQueries = false, hasPlainKeys = false, hasPlainValues = false;
  bool hasGate = false;
  bool hasStates = false; ///< the caller's, in front or behind
  /// Queries and keys are computed by products with weights: channels that the deepest contracts, 0 if there is none,
  /// what the weights take, and what copies bring of a token.
  int64_t mapDepth = 0;
  int64_t weightBytes = 0, queryBytes = 0, keyBytes = 0;
  /// What is computed of queries and keys is so of copies of their own rows.
  bool isOfOwnRows = true;
  bool isGatedByChannel = false;
  int64_t besideBytes = 0; ///< of a column of a row, in arrays that results are merged with
  int64_t innerDepth = 0;  ///< channels that attends inside of the kernel contract, the most; 0: there are none
  int64_t gateBytes = 0;   ///< of an element of such a gate, if it is an array as it lies in memory; else 0
};

struct RecurSchedule {
  int64_t chunk = 0;        ///< tokens of a step; 0: open
  int64_t valueColumns = 0; ///< columns of the state that a block owns; 0: open
  /// Of tiles that the state is divided into, where one would not suit products: channels and columns; 0: one tile.
  int64_t tileChannels = 0, tileColumns = 0;
  int64_t warps = 0; ///< of a GPU's block; 0: not said
  /// Segments that the tokens are always divided into; 1: none; 0: as the machine has room for, if it is to be filled.
  int64_t segments = 0;
  bool fillsMachine = false; ///< where heads are few, blocks own fewer columns, or segments of the tokens
  bool splitsSums = false;   ///< sums of gates by products of two narrow terms, not of f32: where f32 products are dear
  bool weighsKeys = false;   ///< decays to the chunk's end go into keys, a left operand, not into values, a right one
  /// Tiles of the state have its columns as rows: then any number of channels suits products of warpgroups.
  bool isTurned = false;
  bool hasChannelRows = false; ///< gates per channel: a chunk is computed with channels as rows (ChannelChunk.h)
  /// Gates per channel: one kernel for gates that a chunk can be split in the middle of, another for where they are
  /// not.
  bool checksGates = false;
  bool pullsMaps = false; ///< products of queries and keys with weights are computed where they are read
  /// Columns of queries and keys that are computed at once, where that is by products; 0: all.
  int64_t mapColumns = 0;
  bool putsOperands = false; ///< operands that warps compute have room in shared memory
  /// With up to so many columns the state's product has its operands beside the scores, and is issued before the
  /// weights of pairs are computed: it runs meanwhile.
  int64_t columnsBeside = 0;
  std::string note; ///< for people: the choice and its budget
};

/// Completes what `given` leaves open. `target` may be null.
RecurSchedule chooseRecurSchedule(tile::TargetAttr target, const RecurWork &work, const RecurSchedule &given);

/// Most channels of each of several recurrences that the one should be the sum of (attn-split-channels); 0: it should
/// stay whole.
int64_t chooseRecurChannels(tile::TargetAttr target, const RecurWork &work);

} // namespace heddle

#endif
