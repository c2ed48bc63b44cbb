//===- RecurSchedule.cpp - tile sizes of a recurrence -----------------------===//
#include "heddle/Analysis/RecurSchedule.h"
#include "heddle/Analysis/GpuSchedule.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>

using namespace heddle;

static constexpr int64_t kChunk = 64;
/// Where products have no unit of their own, the pairs of a chunk cost more than its state does.
static constexpr int64_t kNarrowChunk = 32;
/// A quarter of a CPU's second-level cache is the state's; the products' operands have the rest.
static constexpr int64_t kUsualLevel2Bytes = 512 * 1024;
/// Warps of a GPU's block, and the registers of a thread that the state may take beside scores, results and addresses.
static constexpr int64_t kWarps = 4, kStateRegisters = 32;
/// A step of one token moves the state and hardly computes: the same share with more threads has more of it on its way.
static constexpr int64_t kStepWarps = 8;

/// With products of warpgroups a chunk is the rows of all consuming groups, who share out the state by its rows. Two
/// groups, because the state and the scores are as much as their registers hold. Queries and keys that are computed
/// take the room of a second slot: what copies bring is read at once then, and its slot is filled again. Nothing is
/// chosen where it does not fit.
static std::optional<RecurSchedule> chooseWarpgroupSchedule(tile::TargetAttr target, const RecurWork &work,
                                                            const RecurSchedule &given) {
  constexpr int64_t groups = 2, groupRows = 64, groupThreads = 128, maxColumns = 128, stages = 2;
  /// Beyond tiles, in a consumer: cursors, descriptors, gates of the rows.
  constexpr int64_t allowance = 40;
  /// Barriers, and gates on their way between threads.
  constexpr int64_t fewBytes = 2048;
  if (!work.isInOrder || !work.hasPlainValues || !work.isOfOwnRows || work.isGatedByChannel || work.elementBytes != 2 ||
      work.keyWidth % groupRows || work.keyWidth > groups * groupRows)
    return std::nullopt;
  RecurSchedule schedule = given;
  schedule.chunk = groups * groupRows;
  schedule.warps = 4 * groups;
  schedule.weighsKeys = true;
  schedule.putsOperands = !work.hasPlainQueries || !work.hasPlainKeys;
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
  // A column more of the state and of the result is a register; keys with their decays are a left operand in registers.
  int64_t keys = work.hasGate ? schedule.chunk * groupRows / groupThreads / 2 : 0;
  if (!schedule.putsOperands && !work.hasMass)
    schedule.columnsBeside = schedule.valueColumns + consumer - registers - keys;
  schedule.note = llvm::formatv("chunks of {0} tokens, {1} columns of a state of {2}x{3}, {4} consuming and 4 copying "
                                "warps, {5} stages: {6} registers, {7} bytes of shared memory",
                                schedule.chunk, schedule.valueColumns, work.keyWidth, work.valueWidth, schedule.warps,
                                stages, registers, bytes);
  return schedule;
}

/// Of more channels than groups have rows the state is several tiles, and chunks are of 64 tokens, whose rows each
/// group multiplies: so a whole state fits the registers, and two slots each fit shared memory. Fewer columns would
/// read queries and keys more often. Tiles have the rows of all groups, queries and keys come from memory, and there
/// are no masses: without that, launches did not always agree on a device (test/gpu/README.md).
static std::optional<RecurSchedule> chooseWideSchedule(tile::TargetAttr target, const RecurWork &work,
                                                       const RecurSchedule &given) {
  constexpr int64_t groups = 2, groupRows = 64, groupThreads = 128, maxWidth = 256, maxColumns = 128, maxTile = 64,
                    stages = 2;
  /// Beyond tiles, in a consumer: cursors, descriptors, gates of the rows.
  constexpr int64_t allowance = 40;
  /// Barriers, and gates on their way between threads.
  constexpr int64_t fewBytes = 2048;
  if (!work.isInOrder || work.hasMass || !work.hasPlainQueries || !work.hasPlainKeys || !work.hasPlainValues ||
      work.isGatedByChannel || work.elementBytes != 2 || work.keyWidth <= groups * groupRows ||
      work.keyWidth > maxWidth || work.keyWidth % (groups * groupRows) || (given.chunk && given.chunk != kChunk))
    return std::nullopt;
  RecurSchedule schedule = given;
  schedule.chunk = kChunk;
  schedule.warps = 4 * groups;
  schedule.weighsKeys = true;
  schedule.fillsMachine = true;
  if (!schedule.valueColumns)
    schedule.valueColumns = std::min(work.valueWidth, maxColumns);
  schedule.tileChannels = kTileChannels;
  schedule.tileColumns = std::min(schedule.valueColumns, maxTile);
  if (schedule.valueColumns % schedule.tileColumns || work.valueWidth % schedule.tileColumns)
    return std::nullopt;
  // The state, of which each group holds its rows; the scores, and a tile of the result, of 64 rows each.
  int64_t registers = work.keyWidth * schedule.valueColumns / (groups * groupThreads) +
                      (schedule.chunk + schedule.tileColumns) * groupRows / groupThreads + allowance;
  int64_t perToken = (2 * work.keyWidth + schedule.valueColumns) * work.elementBytes;
  int64_t bytes = stages * schedule.chunk * perToken + work.keyWidth * schedule.valueColumns * work.elementBytes;
  if (registers > divideRegisters(target, groups, 1).consumer || bytes + fewBytes > target.getSharedBytesPerBlock())
    return std::nullopt;
  schedule.note = llvm::formatv("chunks of {0} tokens, {1} columns of a state of {2}x{3} in tiles of {4}x{5}, {6} "
                                "consuming and 4 copying warps, {7} stages: {8} registers, {9} bytes of shared memory",
                                schedule.chunk, schedule.valueColumns, work.keyWidth, work.valueWidth,
                                schedule.tileChannels, schedule.tileColumns, schedule.warps, stages, registers, bytes);
  return schedule;
}

/// With a gate per channel the channels are the rows of the consuming groups, so that each element of a chunk is one
/// thread's, and the state is shared out as ever. Chunks of 64 tokens, because what is computed of queries and keys
/// goes through shared memory beside them; each group multiplies all their rows.
static std::optional<RecurSchedule> chooseChannelSchedule(tile::TargetAttr target, const RecurWork &work,
                                                          const RecurSchedule &given) {
  constexpr int64_t groupRows = 64, groupThreads = 128, maxGroups = 2, maxColumns = 128, stages = 2;
  /// Beyond tiles, in a consumer: cursors, descriptors, vectors of the channels.
  constexpr int64_t allowance = 40;
  /// Barriers, and numbers on their way between threads.
  constexpr int64_t fewBytes = 2048;
  if (!work.isInOrder || work.hasMass || !work.hasPlainKeys || !work.hasPlainValues || !work.isGatedByChannel ||
      work.elementBytes != 2 || !work.gateBytes || work.keyWidth % groupRows || work.keyWidth > maxGroups * groupRows ||
      (given.chunk && given.chunk != kChunk))
    return std::nullopt;
  RecurSchedule schedule = given;
  int64_t groups = work.keyWidth / groupRows;
  schedule.chunk = kChunk;
  schedule.warps = 4 * groups;
  schedule.hasChannelRows = true;
  schedule.checksGates = true;
  schedule.putsOperands = true;
  schedule.fillsMachine = true;
  schedule.splitsSums = true;
  if (!schedule.valueColumns)
    schedule.valueColumns = std::min(work.valueWidth, maxColumns);
  // The state, the result and the scores, of 64 rows each, and a tile of channels and tokens.
  int64_t registers = (2 * schedule.valueColumns + 2 * schedule.chunk) * groupRows / groupThreads + allowance;
  // Queries, keys and gates are read at once, and have a second slot where there is room; values have two. Beside them,
  // queries and keys as products read them, and once more where they are split, the state, and two triangles.
  int64_t perToken = 2 * work.keyWidth * work.elementBytes + work.keyWidth * work.gateBytes +
                     stages * schedule.valueColumns * work.elementBytes;
  int64_t put = (4 * work.keyWidth * schedule.chunk + work.keyWidth * schedule.valueColumns +
                 2 * schedule.chunk * schedule.chunk) *
                work.elementBytes;
  int64_t bytes = schedule.chunk * perToken + put;
  int64_t consumer = divideRegisters(target, groups, 1).consumer;
  if (registers > (consumer ? consumer : target.getRegistersPerThread()) ||
      bytes + fewBytes > target.getSharedBytesPerBlock())
    return std::nullopt;
  schedule.note = llvm::formatv(
      "chunks of {0} tokens with {1} channels as rows, {2} columns of a state of {1}x{3}, {4} "
      "consuming and 4 copying warps, 1 to {5} stages: {6} registers, at least {7} bytes of shared memory",
      schedule.chunk, work.keyWidth, schedule.valueColumns, work.valueWidth, schedule.warps, stages, registers, bytes);
  return schedule;
}

RecurSchedule heddle::chooseRecurSchedule(tile::TargetAttr target, const RecurWork &work, const RecurSchedule &given) {
  if (target && target.getHasWarpgroupMma() && target.getHasBulkCopy())
    for (auto choose : {chooseWarpgroupSchedule, chooseWideSchedule, chooseChannelSchedule})
      if (std::optional<RecurSchedule> schedule = choose(target, work, given))
        return *schedule;
  RecurSchedule schedule = given;
  bool isGpu = target && target.getIsGpu();
  if (!schedule.chunk)
    schedule.chunk = target && !isGpu && work.elementBytes == 4 ? kNarrowChunk : kChunk;
  if (isGpu) {
    schedule.warps = schedule.chunk == 1 ? kStepWarps : kWarps;
    schedule.splitsSums = true;
    schedule.fillsMachine = true;
  }
  schedule.hasChannelRows = !isGpu && work.isInOrder && !work.hasMass && work.isGatedByChannel &&
                            work.elementBytes == 2 && llvm::isPowerOf2_64(schedule.chunk) && schedule.chunk > 1;
  schedule.checksGates = schedule.hasChannelRows;
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
