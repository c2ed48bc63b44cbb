//===- RecurSchedule.cpp - tile sizes of a recurrence -----------------------===//
#include "heddle/Analysis/RecurSchedule.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>

using namespace heddle;

static constexpr int64_t kChunk = 64;
/// A quarter of a CPU's second-level cache is the state's; the products' operands have the rest.
static constexpr int64_t kUsualLevel2Bytes = 512 * 1024;
/// Warps of a GPU's block, and the registers of a thread that the state may take beside scores, results and addresses.
static constexpr int64_t kWarps = 4, kStateRegisters = 32;

RecurSchedule heddle::chooseRecurSchedule(tile::TargetAttr target, const RecurWork &work, const RecurSchedule &given) {
  RecurSchedule schedule = given;
  if (!schedule.chunk)
    schedule.chunk = kChunk;
  bool isGpu = target && target.getIsGpu();
  if (isGpu) {
    schedule.warps = kWarps;
    schedule.splitsSums = true;
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
