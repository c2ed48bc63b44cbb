//===- RecurPairs.cpp - where a recurrence is computed from pairs of tokens -===//
#include "heddle/Analysis/RecurPairs.h"

using namespace heddle;

/// A chunk of 128 tokens takes 1.55 us behind the one before it, 2.65 with a decay; a step of 128 keys 1.1 and 1.4 of
/// its own block of rows, but the launch 2 us more. From 2048 tokens on segments are as fast; where heads are narrow,
/// sooner (H100).
static constexpr int64_t kFewestTokens = 512, kFewestGatedTokens = 256, kMostTokens = 2048, kShare = 8;
static constexpr int64_t kNarrow = 64, kMostNarrowTokens = 1024;
/// Of keys and of values: wider ones have other schedules, which were not compared.
static constexpr int64_t kWidest = 128;

std::optional<RecurPairs> heddle::chooseRecurPairs(tile::TargetAttr target, const RecurWork &work) {
  bool isPlain = work.hasPlainQueries && work.hasPlainKeys && work.hasPlainValues;
  if (!target || !target.getHasWarpgroupMma() || !target.getHasBulkCopy() || !work.isInOrder || !isPlain ||
      work.hasMass || work.isGatedByChannel || work.elementBytes != 2 || work.keyWidth > kWidest ||
      work.valueWidth > kWidest)
    return std::nullopt;
  bool isNarrow = work.keyWidth <= kNarrow;
  return RecurPairs{work.hasGate && !isNarrow ? kFewestGatedTokens : kFewestTokens,
                    isNarrow ? kMostNarrowTokens : kMostTokens, kShare};
}
