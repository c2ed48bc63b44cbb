//===- CpuSchedule.cpp - tile sizes of an attention kernel on a CPU ---------===//
#include "heddle/Analysis/CpuSchedule.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace heddle;

namespace {
/// Caches of a target that does not tell.
constexpr int64_t kUsualLevel1Bytes = 32 * 1024, kUsualLevel2Bytes = 512 * 1024;

/// Prices, in the time that a score takes otherwise (its products and element-wise work), fitted to what was measured
/// (test/gpu/README.md). On a matrix unit products are so fast that all else weighs more.
struct Prices {
  double prepare;     ///< bringing a key to one row
  double rescale;     ///< passing over the accumulators of one row
  double outOfLevel1; ///< scores that do not stay in the first-level cache
};
constexpr Prices kVectors = {8, 2, 0.02}, kMatrixUnit = {30, 6, 0.1}, kMatrixUnitStaged = {2, 12, 0};
/// A step that does not stay in the second-level cache.
constexpr double kOutOfLevel2 = 0.2;
/// An edge of a mask costs half a block of rows and keys for every row, of this many keys.
constexpr double kKeysAtAnEdge = 4096;

bool usesMatrixUnit(tile::TargetAttr target, const AttendWork &work) {
  return target.getHasTileMma() && work.elementBytes == 2;
}

Prices pricesOf(const CpuSchedule &schedule, tile::TargetAttr target, const AttendWork &work) {
  if (!usesMatrixUnit(target, work))
    return kVectors;
  return schedule.stagedStrip ? kMatrixUnitStaged : kMatrixUnit;
}

/// Scores share the first-level cache with what the products read; a step has the second to itself.
int64_t scoreBudget(tile::TargetAttr target) {
  return (target.getLevel1Bytes() ? target.getLevel1Bytes() : kUsualLevel1Bytes) / 2;
}
int64_t stepBudget(tile::TargetAttr target) {
  return target.getLevel2Bytes() ? target.getLevel2Bytes() : kUsualLevel2Bytes;
}

void estimate(CpuSchedule &schedule, tile::TargetAttr target, const AttendWork &work) {
  int64_t depth = llvm::sum_of(work.depths, int64_t(0)), values = llvm::sum_of(work.valueColumns, int64_t(0));
  // Vectors multiply in f32, a matrix unit reads narrow weights beside the scores.
  int64_t weightBytes = usesMatrixUnit(target, work) ? work.elementBytes : 0;
  schedule.scoreBytes = schedule.rows * schedule.keys * (4 * static_cast<int64_t>(work.depths.size()) + weightBytes);
  int64_t rowBytes = depth * work.elementBytes + values * work.accumulatorsPerValue * 4;
  int64_t keyBytes = 2 * (depth + values) * work.elementBytes; // as they are, and as the products read them
  schedule.stepBytes = schedule.scoreBytes + schedule.rows * rowBytes + schedule.keys * keyBytes;
}

double cost(const CpuSchedule &schedule, tile::TargetAttr target, const AttendWork &work) {
  Prices prices = pricesOf(schedule, target, work);
  double result = 1 + prices.prepare / schedule.rows + prices.rescale / schedule.keys;
  result += (schedule.rows + schedule.keys) / kKeysAtAnEdge;
  if (schedule.scoreBytes > scoreBudget(target))
    result += prices.outOfLevel1;
  if (schedule.stepBytes > stepBudget(target))
    result += kOutOfLevel2;
  return result;
}
} // namespace

CpuSchedule heddle::chooseCpuSchedule(tile::TargetAttr target, const AttendWork &work, bool canStage) {
  CpuSchedule best;
  // Of equals the smaller block: more of them share out better among threads.
  for (int64_t rows : {16, 32, 64, 128, 256})
    for (int64_t keys : {32, 64, 128, 256}) {
      CpuSchedule schedule;
      schedule.rows = rows;
      schedule.keys = keys;
      schedule.stagedStrip = canStage && usesMatrixUnit(target, work) ? kMatrixUnitStrip : 0;
      estimate(schedule, target, work);
      if (best.rows == 0 || cost(schedule, target, work) < cost(best, target, work))
        best = schedule;
    }
  best.note = llvm::formatv("rows {0}, keys {1}{2}: {3} bytes of scores for a share of {4}, {5} bytes a step for {6}",
                            best.rows, best.keys, best.stagedStrip ? ", keys and values staged" : "", best.scoreBytes,
                            scoreBudget(target), best.stepBytes, stepBudget(target));
  return best;
}
