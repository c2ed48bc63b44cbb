//===- RecurPairs.h - where a recurrence is computed from pairs of tokens ---===//
//
// Chunks of a sequence wait for each other; rows of masked products do not, but are more
// work with every token. A few heads of a few hundred tokens leave most of a GPU without
// work, so that only the wait counts. The figures: test/gpu/README.md, "Pairs of tokens".
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_ANALYSIS_RECURPAIRS_H
#define HEDDLE_ANALYSIS_RECURPAIRS_H

#include "heddle/Analysis/RecurSchedule.h"

namespace heddle {

/// For which calls pairs take less time.
struct RecurPairs {
  int64_t fewestTokens = 0, mostTokens = 0;
  int64_t share = 1; ///< at most this part of the machine's blocks are heads of a batch: 8 is an eighth
};

/// Nothing where they never do. `target` may be null.
std::optional<RecurPairs> chooseRecurPairs(tile::TargetAttr target, const RecurWork &work);

} // namespace heddle

#endif
