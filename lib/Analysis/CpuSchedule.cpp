//===- CpuSchedule.cpp - tile sizes of an attention kernel on a CPU ---------===//
#include "heddle/Analysis/CpuSchedule.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace heddle;

namespace {
/// One step may fill this part of a cache: the rest holds what comes next, and what others left.
constexpr int64_t kCacheShare = 2;
/// Caches of a target that does not tell.
constexpr int64_t kUsualLevel1Bytes = 32 * 1024, kUsualLevel2Bytes = 512 * 1024;

// Prices, in the time that a score takes otherwise (its products and element-wise work), fitted to what was measured
// (test/gpu/README.md).
/// Preparing a key for one row: products on a matrix unit are so fast that it weighs more.
constexpr double kPrepareForMatrixUnit = 30, kPrepareForVectors = 4;
/// Rescaling the accumulators of one row.
constexpr double kRescale = 3;
/// Scores that do not stay in the first-level cache, a step that does not stay in the second.
constexpr double kOutOfLevel1 = 0.1, kOutOfLevel2 = 0.2;

bool usesMatrixUnit(tile::TargetAttr target, const AttendWork &work) {
  return target.getHasTileMma() && work.elementBytes == 2;
}

int64_t budget(int64_t cacheBytes, int64_t usual) { return (cacheBytes ? cacheBytes : usual) / kCacheShare; }

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
  double prepare = usesMatrixUnit(target, work) ? kPrepareForMatrixUnit : kPrepareForVectors;
  double result = 1 + prepare / schedule.rows + kRescale / schedule.keys;
  if (schedule.scoreBytes > budget(target.getLevel1Bytes(), kUsualLevel1Bytes))
    result += kOutOfLevel1;
  if (schedule.stepBytes > budget(target.getLevel2Bytes(), kUsualLevel2Bytes))
    result += kOutOfLevel2;
  return result;
}
} // namespace

CpuSchedule heddle::chooseCpuSchedule(tile::TargetAttr target, const AttendWork &work) {
  CpuSchedule best;
  for (int64_t rows : {256, 128, 64, 32, 16})
    for (int64_t keys : {128, 64, 32, 16}) {
      CpuSchedule schedule;
      schedule.rows = rows;
      schedule.keys = keys;
      estimate(schedule, target, work);
      if (best.rows == 0 || cost(schedule, target, work) < cost(best, target, work))
        best = schedule;
    }
  best.note = llvm::formatv("rows {0}, keys {1}: {2} bytes of scores for a share of {3}, {4} bytes a step for {5}",
                            best.rows, best.keys, best.scoreBytes, budget(target.getLevel1Bytes(), kUsualLevel1Bytes),
                            best.stepBytes, budget(target.getLevel2Bytes(), kUsualLevel2Bytes));
  return best;
}
