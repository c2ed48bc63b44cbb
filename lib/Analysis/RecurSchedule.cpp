//===- RecurSchedule.cpp - tile sizes of a recurrence -----------------------===//
#include "heddle/Analysis/RecurSchedule.h"
#include "heddle/Analysis/GpuSchedule.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>

using namespace heddle;

static constexpr int64_t kChunk = 64;
/// A quarter of a CPU's second-level cache is the state's; the products' operands have the rest.
static constexpr int64_t kUsualLevel2Bytes = 512 * 1024;
/// Warps of a GPU's block, and the registers of a thread that the state may take beside scores, results and addresses.
static constexpr int64_t kWarps = 4, kStateRegisters = 32;

/// With products of warpgroups a chunk is the rows of all consuming groups, who share out the state by its rows. Two
/// groups, because the state and the scores are as much as their registers hold. Nothing is chosen where it does not
/// fit.
static std::optional<RecurSchedule> chooseWarpgroupSchedule(tile::TargetAttr target, const RecurWork &work,
                                                            const RecurSchedule &given) {
  constexpr int64_t groups = 2, groupRows = 64, groupThreads = 128, maxColumns = 128, stages = 2;
  /// Beyond tiles, in a consumer: cursors, descriptors, gates of the rows.
  constexpr int64_t allowance = 40;
  /// Barriers, and gates on their way between threads.
  constexpr int64_t fewBytes = 2048;
  if (!work.isPlain || work.elementBytes != 2 || work.keyWidth % groupRows || work.keyWidth > groups * groupRows)
    return std::nullopt;
  RecurSchedule schedule = given;
  schedule.chunk = groups * groupRows;
  schedule.warps = 4 * groups;
  schedule.weighsKeys = true;
  schedule.fillsMachine = true;
  if (given.chunk && given.chunk != schedule.chunk)
    return std::nullopt;
  if (!schedule.valueColumns)
    schedule.valueColumns = std::min(work.valueWidth, maxColumns);
  // The state, the scores and the result, of 64 rows each.
  int64_t registers = (2 * schedule.valueColumns + schedule.chunk) * groupRows / groupThreads + allowance;
  int64_t perToken = (2 * work.keyWidth + schedule.valueColumns) * work.elementBytes;
  int64_t bytes = stages * schedule.chunk * perToken + work.keyWidth * schedule.valueColumns * work.elementBytes;
  int64_t consumer = divideRegisters(target, groups, 1).consumer;
  if (registers > consumer || bytes + fewBytes > target.getSharedBytesPerBlock())
    return std::nullopt;
  schedule.note = llvm::formatv("chunks of {0} tokens, {1} columns of a state of {2}x{3}, {4} consuming and 4 copying "
                                "warps, {5} stages: {6} registers, {7} bytes of shared memory",
                                schedule.chunk, schedule.valueColumns, work.keyWidth, work.valueWidth, schedule.warps,
                                stages, registers, bytes);
  return schedule;
}

RecurSchedule heddle::chooseRecurSchedule(tile::TargetAttr target, const RecurWork &work, const RecurSchedule &given) {
  if (target && target.getHasWarpgroupMma() && target.getHasBulkCopy())
    if (std::optional<RecurSchedule> schedule = chooseWarpgroupSchedule(target, work, given))
      return *schedule;
  RecurSchedule schedule = given;
  if (!schedule.chunk)
    schedule.chunk = kChunk;
  bool isGpu = target && target.getIsGpu();
  if (isGpu) {
    schedule.warps = kWarps;
    schedule.splitsSums = true;
    schedule.fillsMachine = true;
  }
  int64_t level2 = target && target.getLevel2Bytes() ? target.getLevel2Bytes() : kUsualLevel2Bytes;
  int64_t budget = isGpu ? kWarps * 32 * kStateRegisters * 4 : level2 / 4, perColumn = work.keyWidth * 4;
  if (!schedule.valueColumns) {
    int64_t columns = std::max<int64_t>(budget / perColumn, 16);
    schedule.valueColumns = std::min<int64_t>(work.valueWidth, llvm::bit_floor(static_cast<uint64_t>(columns)));
  }
  schedule.note = llvm::formatv("chunks of {0} tokens, {1} columns of a state of {2}x{3}: {4} bytes for a share of {5}",
                                schedule.chunk, schedule.valueColumns, work.keyWidth, work.valueWidth,
                                schedule.valueColumns * perColumn, budget);
  return schedule;
}
