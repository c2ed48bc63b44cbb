//===- RankedStats.cpp ------------------------------------------------------===//
#include "dialects/Attn/RankedStats.h"

using namespace heddle::attn;

std::optional<RankedStat> RankedStat::parse(llvm::StringRef name) {
  constexpr unsigned most = 64;
  RankedStat stat;
  stat.isCount = name.consume_front("count.");
  unsigned place;
  if ((!stat.isCount && !name.consume_front("max.")) || name.getAsInteger(10, place) || place < 1 || place > most)
    return std::nullopt;
  stat.rank = place - 1;
  return stat;
}

unsigned heddle::attn::countRanks(AttendOp op) {
  unsigned ranks = 0;
  for (llvm::StringRef name : op.getStatNames())
    if (std::optional<RankedStat> stat = RankedStat::parse(name))
      ranks = std::max(ranks, stat->rank + 1);
  return ranks;
}
