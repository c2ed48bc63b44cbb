//===- RankedStats.h - statistics of the largest references of a row --------===//
#ifndef HEDDLE_DIALECTS_ATTN_RANKEDSTATS_H
#define HEDDLE_DIALECTS_ATTN_RANKEDSTATS_H

#include "dialects/Attn/AttnOps.h"

namespace heddle::attn {

/// `max.2`: the second largest of the distinct references of a row; `count.2`: how many keys have it.
struct RankedStat {
  bool isCount = false;
  unsigned rank = 0; ///< from 0

  static std::optional<RankedStat> parse(llvm::StringRef name);
};

/// The most ranks that the statistics of an operation ask for.
unsigned countRanks(AttendOp op);

} // namespace heddle::attn

#endif
