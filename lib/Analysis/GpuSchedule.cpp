//===- GpuSchedule.cpp - tile sizes of an attention kernel on a GPU ---------===//
#include "heddle/Analysis/GpuSchedule.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace heddle;

namespace {
constexpr int64_t kMaxWarps = 4, kPad = 16;
/// Addresses, loop counters, fragments on their way to the matrix unit, row statistics: what ptxas needs beyond the
/// tiles before it spills inside the loop.
constexpr int64_t kRegisterAllowance = 64;
/// The driver keeps this much of each block's shared memory.
constexpr int64_t kReservedSharedBytes = 1024;

int64_t pitch(int64_t columns, int64_t elementBytes) { return llvm::alignTo(columns * elementBytes, 16) + kPad; }

int64_t sum(llvm::ArrayRef<int64_t> values) {
  int64_t total = 0;
  for (int64_t value : values)
    total += value;
  return total;
}

void estimate(GpuSchedule &schedule, tile::TargetAttr target, const AttendWork &work) {
  int64_t rowsPerWarp = schedule.rows / schedule.warps;
  int64_t scores = work.depths.size() * schedule.keys;
  int64_t accumulators = sum(work.valueColumns) * work.accumulatorsPerValue;
  schedule.registers = rowsPerWarp * (scores + accumulators) / 32 + kRegisterAllowance;
  int64_t columns = 0, rowBytes = 0;
  for (int64_t depth : work.depths) {
    rowBytes += schedule.rows * pitch(depth, work.elementBytes);
    columns += pitch(depth, work.elementBytes);
  }
  for (int64_t value : work.valueColumns)
    columns += pitch(value, work.elementBytes);
  schedule.sharedBytes = rowBytes + schedule.stages * schedule.keys * columns;
  int64_t registers = llvm::alignTo(std::min(schedule.registers, target.getRegistersPerThread()), 8);
  int64_t byRegisters = target.getRegistersPerUnit() / (registers * 32 * schedule.warps);
  int64_t byShared = target.getSharedBytesPerUnit() / (schedule.sharedBytes + kReservedSharedBytes);
  schedule.blocksPerUnit = std::min(byRegisters, byShared);
}

/// Time per product, in units of the matrix unit's own: operands are read once per 16 rows of a warp, a step costs a
/// barrier and its row statistics, and below eight warps the pipelines of a multiprocessor are not kept busy.
double cost(const GpuSchedule &schedule) {
  double rowsPerWarp = static_cast<double>(schedule.rows) / schedule.warps;
  double busy = std::min<double>(8, schedule.blocksPerUnit * schedule.warps) / 8;
  return (1 + 0.6 * 16 / rowsPerWarp + 8.0 / schedule.keys) / (0.5 + 0.5 * busy);
}
} // namespace

GpuSchedule heddle::chooseGpuSchedule(tile::TargetAttr target, const AttendWork &work) {
  GpuSchedule best, smallest;
  std::string dropped;
  for (int64_t rows : {128, 64, 32, 16}) {
    for (int64_t keys : {128, 64, 32, 16}) {
      GpuSchedule schedule;
      schedule.rows = rows;
      schedule.keys = keys;
      schedule.warps = std::min(kMaxWarps, rows / 16);
      estimate(schedule, target, work);
      smallest = schedule;
      if (schedule.registers > target.getRegistersPerThread())
        dropped += llvm::formatv("{0}x{1}: {2} registers, {3} has {4}\n", rows, keys, schedule.registers,
                                 target.getName(), target.getRegistersPerThread());
      else if (schedule.sharedBytes > target.getSharedBytesPerBlock())
        dropped += llvm::formatv("{0}x{1}: {2} bytes of shared memory, {3} has {4}\n", rows, keys, schedule.sharedBytes,
                                 target.getName(), target.getSharedBytesPerBlock());
      else if (best.rows == 0 || cost(schedule) < cost(best))
        best = schedule;
    }
  }
  if (best.rows == 0)
    best = smallest;
  best.note = llvm::formatv("rows {0}, keys {1}, {2} warps, {3} stages: {4} registers, {5} bytes of shared memory, {6} "
                            "blocks per multiprocessor\n{7}",
                            best.rows, best.keys, best.warps, best.stages, best.registers, best.sharedBytes,
                            best.blocksPerUnit, dropped);
  return best;
}
