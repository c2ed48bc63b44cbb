//===- RecurSchedule.cpp - tile sizes of a recurrence -----------------------===//
#include "heddle/Analysis/RecurSchedule.h"
#include "heddle/Analysis/GpuSchedule.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>

using namespace heddle;

static constexpr int64_t kChunk = 64;
/// Where products have no unit of their own, the pairs of a chunk cost more than its state does.
static constexpr int64_t kNarrowChunk = 16;
/// A quarter of a CPU's second-level cache is the state's; the products' operands have the rest.
static constexpr int64_t kUsualLevel2Bytes = 512 * 1024;
/// Warps of a GPU's block, and the registers of a thread that the state may take beside scores, results and addresses.
static constexpr int64_t kWarps = 4, kStateRegisters = 32;
/// Products of queries and keys with weights that each share of the columns may compute again.
static constexpr int64_t kCheapDepth = 32;
/// A step of one token moves the state and hardly computes: the same share with more threads has more of it on its way.
static constexpr int64_t kStepWarps = 8;

/// With products of warpgroups: rows of a tile that a group of four warps multiplies, its threads, the columns that a
/// block owns at most, and the slots of what copies bring.
static constexpr int64_t kGroupRows = 64, kGroupThreads = 128, kMaxColumns = 128, kStages = 2;
/// Keys of a step of an attend inside.
static constexpr int64_t kKeysInside = 64;

namespace {
/// What a block takes of the machine with products of warpgroups: registers of a consuming thread and bytes of shared
/// memory, each a sum of parts with names.
class WarpgroupBudget {
public:
  WarpgroupBudget(tile::TargetAttr target, int64_t groups) : target(target), groups(groups) {
    constexpr int64_t addresses = 40;  // cursors, descriptors, gates of the rows or vectors of the channels
    constexpr int64_t barriers = 2048; // and gates on their way between threads
    registers.add("addresses", addresses);
    shared.add("barriers", barriers);
  }

  /// Registers of a tile of f32 with 64 rows of each group.
  void hold(llvm::StringRef name, int64_t columns) { registers.add(name, columns * kGroupRows / kGroupThreads); }
  /// Shared memory of so many elements, of 16 bits if not said.
  void place(llvm::StringRef name, int64_t elements, int64_t bytes = 2) { shared.add(name, elements * bytes); }

  /// What rows of a chunk are merged with: arrays that are copied, or slots of the loops of attends inside.
  void placeBeside(const RecurWork &work, int64_t chunk, int64_t columns) {
    if (work.besideBytes)
      place("rows beside", kStages * chunk * columns, work.besideBytes);
    if (work.innerDepth)
      place("keys inside", kStages * kKeysInside * (work.innerDepth + columns));
  }

  bool fits() const { return registersLeft() >= 0 && shared.total <= target.getSharedBytesPerBlock(); }
  int64_t registersLeft() const {
    int64_t consumer = divideRegisters(target, groups, 1).consumer;
    return (consumer ? consumer : target.getRegistersPerThread()) - registers.total;
  }
  std::string describe() const {
    return llvm::formatv("{0} registers ({1}), {2} bytes of shared memory ({3})", registers.total, registers.parts,
                         shared.total, shared.parts);
  }

private:
  struct Sum {
    int64_t total = 0;
    std::string parts;
    void add(llvm::StringRef name, int64_t amount) {
      total += amount;
      parts += llvm::formatv("{0}{1} {2}", parts.empty() ? "" : ", ", name, amount);
    }
  };

  tile::TargetAttr target;
  int64_t groups;
  Sum registers, shared;
};
} // namespace

/// What all schedules of warpgroups ask of the work, and `given` of them.
static bool suitsWarpgroups(const RecurWork &work, const RecurSchedule &given, int64_t chunk) {
  return work.isInOrder && work.hasPlainValues && work.elementBytes == 2 && (!given.chunk || given.chunk == chunk);
}

/// What all of them have in common.
static RecurSchedule beginSchedule(const RecurWork &work, const RecurSchedule &given, int64_t chunk, int64_t groups) {
  RecurSchedule schedule = given;
  schedule.chunk = chunk;
  schedule.warps = 4 * groups;
  schedule.fillsMachine = true;
  if (!schedule.valueColumns)
    schedule.valueColumns = std::min(work.valueWidth, kMaxColumns);
  return schedule;
}

/// Queries and keys in so many slots; or, where products with weights compute them, one of each beside what copies
/// bring of them.
static void placeQueriesAndKeys(WarpgroupBudget &budget, const RecurWork &work, int64_t chunk, int64_t stages) {
  if (work.mapDepth) {
    budget.place("rows", kStages * chunk * (work.queryBytes + work.keyBytes), /*bytes=*/1);
    budget.place("weights", work.weightBytes, /*bytes=*/1);
    stages = 1;
  }
  budget.place("queries and keys", stages * chunk * 2 * work.keyWidth);
}

/// For a budget with room for weights.
static void pullMaps(RecurSchedule &schedule, const RecurWork &work) {
  schedule.pullsMaps = true;
  schedule.mapColumns = work.mapDepth ? kMapColumns : 0;
}

/// A chunk is the rows of all consuming groups, who share out the state by its rows. Two groups, because the state and
/// the scores are as much as their registers hold. Queries and keys that are computed take the room of a second slot:
/// what copies bring is read at once then, and its slot is filled again. Nothing is chosen where it does not fit.
static std::optional<RecurSchedule> chooseWarpgroupSchedule(tile::TargetAttr target, const RecurWork &work,
                                                            const RecurSchedule &given) {
  constexpr int64_t groups = 2, chunk = groups * kGroupRows;
  if (!suitsWarpgroups(work, given, chunk) || !work.isOfOwnRows || work.isGatedByChannel ||
      work.keyWidth % kGroupRows || work.keyWidth > groups * kGroupRows)
    return std::nullopt;
  RecurSchedule schedule = beginSchedule(work, given, chunk, groups);
  schedule.weighsKeys = true;
  schedule.putsOperands = !work.hasPlainQueries || !work.hasPlainKeys;
  int64_t columns = schedule.valueColumns;
  WarpgroupBudget budget(target, groups);
  budget.hold("state", columns);
  budget.hold("scores", chunk);
  budget.hold("result", columns);
  // Around a loop of an attend inside one slot does; a second one where there is room.
  int64_t stages = work.innerDepth ? 1 + schedule.putsOperands : kStages;
  placeQueriesAndKeys(budget, work, chunk, stages);
  budget.place("values", (work.innerDepth ? 1 : kStages) * chunk * columns);
  budget.place("state", work.keyWidth * columns);
  budget.placeBeside(work, chunk, columns);
  if (!budget.fits()) {
    RecurSchedule fewer = given;
    fewer.valueColumns = columns / 2;
    bool areColumnsOpen = !given.valueColumns && work.besideBytes && columns == kMaxColumns;
    return areColumnsOpen ? chooseWarpgroupSchedule(target, work, fewer) : std::nullopt;
  }
  pullMaps(schedule, work);
  // A column more of the state and of the result is a register; keys with their decays are a left operand in registers.
  int64_t keys = work.hasGate ? chunk * kGroupRows / kGroupThreads / 2 : 0;
  if (!schedule.putsOperands && !work.hasMass)
    schedule.columnsBeside = columns + budget.registersLeft() - keys;
  schedule.note =
      llvm::formatv("chunks of {0} tokens, {1} columns of a state of {2}x{3}, {4} consuming and 4 copying "
                    "warps, {5} stages: {6}",
                    chunk, columns, work.keyWidth, work.valueWidth, schedule.warps, kStages, budget.describe());
  return schedule;
}

/// Of a number of channels that groups cannot share out the state is turned: its columns are the rows that they share,
/// and its product reads values as their transpose. What decays goes into values then, for which there is no room, and
/// weights are computed before rows read the state, so that scores and rows take the same registers.
static std::optional<RecurSchedule> chooseTurnedSchedule(tile::TargetAttr target, const RecurWork &work,
                                                         const RecurSchedule &given) {
  constexpr int64_t groups = 2, chunk = groups * kGroupRows, maxWidth = 256;
  if (!suitsWarpgroups(work, given, chunk) || !work.isOfOwnRows || work.hasGate || work.hasStates ||
      work.keyWidth <= chunk || work.keyWidth > maxWidth || work.valueWidth % kGroupRows)
    return std::nullopt;
  RecurSchedule schedule = beginSchedule(work, given, chunk, groups);
  schedule.isTurned = true;
  schedule.putsOperands = !work.hasPlainQueries || !work.hasPlainKeys;
  int64_t columns = schedule.valueColumns;
  if (columns % kGroupRows)
    return std::nullopt;
  WarpgroupBudget budget(target, groups);
  budget.hold("state", work.keyWidth);
  budget.hold("scores or result, and weights", std::max(chunk, columns + chunk / 2));
  placeQueriesAndKeys(budget, work, chunk, kStages);
  budget.place("values", kStages * chunk * columns);
  budget.place("state", work.keyWidth * columns);
  if (!budget.fits())
    return std::nullopt;
  pullMaps(schedule, work);
  schedule.note =
      llvm::formatv("chunks of {0} tokens, {1} columns of a state of {2}x{3} as rows, {4} consuming and 4 copying "
                    "warps, {5} stages: {6}",
                    chunk, columns, work.keyWidth, work.valueWidth, schedule.warps, kStages, budget.describe());
  return schedule;
}

/// Of more channels than groups have rows the state is several tiles, and chunks are of 64 tokens, whose rows each
/// group multiplies: so a whole state fits the registers, and two slots each fit shared memory. Fewer columns would
/// read queries and keys more often. Masses and what is computed of queries and keys would spill far more than they
/// save.
static std::optional<RecurSchedule> chooseWideSchedule(tile::TargetAttr target, const RecurWork &work,
                                                       const RecurSchedule &given) {
  constexpr int64_t groups = 2, rows = groups * kGroupRows, maxWidth = 256, maxTile = 64;
  if (!suitsWarpgroups(work, given, kChunk) || work.hasMass || !work.hasPlainQueries || !work.hasPlainKeys ||
      work.isGatedByChannel || work.keyWidth <= rows || work.keyWidth > maxWidth || work.keyWidth % kGroupRows)
    return std::nullopt;
  RecurSchedule schedule = beginSchedule(work, given, kChunk, groups);
  schedule.weighsKeys = true;
  int64_t columns = schedule.valueColumns;
  schedule.tileChannels = kTileChannels;
  schedule.tileColumns = std::min(columns, maxTile);
  if (columns % schedule.tileColumns || work.valueWidth % schedule.tileColumns)
    return std::nullopt;
  WarpgroupBudget budget(target, groups);
  // Each group holds its rows of a tile; all of one that has no more than a group's.
  budget.hold("state", llvm::divideCeil(work.keyWidth, rows) * columns);
  budget.hold("scores", kChunk);
  budget.hold("tile of the result", schedule.tileColumns);
  budget.place("queries and keys", kStages * kChunk * 2 * work.keyWidth);
  budget.place("values", kStages * kChunk * columns);
  budget.place("state", work.keyWidth * columns);
  budget.placeBeside(work, schedule.chunk, schedule.valueColumns);
  if (!budget.fits())
    return std::nullopt;
  schedule.note = llvm::formatv("chunks of {0} tokens, {1} columns of a state of {2}x{3} in tiles of {4}x{5}, {6} "
                                "consuming and 4 copying warps, {7} stages: {8}",
                                kChunk, columns, work.keyWidth, work.valueWidth, schedule.tileChannels,
                                schedule.tileColumns, schedule.warps, kStages, budget.describe());
  return schedule;
}

/// With a gate per channel the channels are the rows of the consuming groups, so that each element of a chunk is one
/// thread's, and the state is shared out as ever. Chunks of 64 tokens, because what is computed of queries and keys
/// goes through shared memory beside them; each group multiplies all their rows.
static std::optional<RecurSchedule> chooseChannelSchedule(tile::TargetAttr target, const RecurWork &work,
                                                          const RecurSchedule &given) {
  constexpr int64_t maxGroups = 2;
  if (!suitsWarpgroups(work, given, kChunk) || work.hasMass || !work.hasPlainKeys || !work.isGatedByChannel ||
      !work.gateBytes || work.keyWidth % kGroupRows || work.keyWidth > maxGroups * kGroupRows)
    return std::nullopt;
  int64_t groups = work.keyWidth / kGroupRows;
  RecurSchedule schedule = beginSchedule(work, given, kChunk, groups);
  schedule.hasChannelRows = true;
  schedule.checksGates = true;
  schedule.putsOperands = true;
  schedule.splitsSums = true;
  int64_t columns = schedule.valueColumns;
  WarpgroupBudget budget(target, groups);
  budget.hold("state", columns);
  budget.hold("result", columns);
  budget.hold("scores", kChunk);
  budget.hold("channels", kChunk); // a tile of channels and tokens
  // Queries, keys and gates are read at once, and have a second slot where there is room; values have two. Queries and
  // keys lie beside them as products read them, and once more where they are split.
  budget.place("queries and keys", kChunk * 2 * work.keyWidth);
  budget.place("gates", kChunk * work.keyWidth, work.gateBytes);
  budget.place("values", kStages * kChunk * columns);
  budget.place("operands", 4 * work.keyWidth * kChunk);
  budget.place("state", work.keyWidth * columns);
  budget.placeBeside(work, schedule.chunk, schedule.valueColumns);
  budget.place("triangles", 2 * kChunk * kChunk);
  if (!budget.fits())
    return std::nullopt;
  schedule.note =
      llvm::formatv("chunks of {0} tokens with {1} channels as rows, {2} columns of a state of {1}x{3}, "
                    "{4} consuming and 4 copying warps, 1 to {5} stages: at least {6}",
                    kChunk, work.keyWidth, columns, work.valueWidth, schedule.warps, kStages, budget.describe());
  return schedule;
}

/// What products of warpgroups suit, if they do.
static std::optional<RecurSchedule> chooseForGroups(tile::TargetAttr target, const RecurWork &work,
                                                    const RecurSchedule &given) {
  if (target && target.getHasWarpgroupMma() && target.getHasBulkCopy())
    for (auto choose : {chooseWarpgroupSchedule, chooseTurnedSchedule, chooseWideSchedule, chooseChannelSchedule})
      if (std::optional<RecurSchedule> schedule = choose(target, work, given))
        return schedule;
  return std::nullopt;
}

int64_t heddle::chooseRecurChannels(tile::TargetAttr target, const RecurWork &work) {
  auto suits = [&](int64_t channels) {
    RecurWork part = work;
    part.keyWidth = channels;
    return channels == 0 || chooseForGroups(target, part, {}).has_value();
  };
  if (work.keyWidth <= kTileChannels || suits(work.keyWidth))
    return 0;
  return suits(kTileChannels) && suits(work.keyWidth % kTileChannels) ? kTileChannels : 0;
}

RecurSchedule heddle::chooseRecurSchedule(tile::TargetAttr target, const RecurWork &work, const RecurSchedule &given) {
  if (std::optional<RecurSchedule> schedule = chooseForGroups(target, work, given))
    return *schedule;
  RecurSchedule schedule = given;
  bool isGpu = target && target.getIsGpu();
  // Narrow elements with gates per channel are looked at chunk by chunk (ChannelChunk.h).
  bool isOfVectors =
      target && !isGpu &&
      (work.elementBytes == 4 || (!target.getHasTileMma() && !target.getHasBf16Dot() && !work.isGatedByChannel));
  if (!schedule.chunk)
    schedule.chunk = isOfVectors ? kNarrowChunk : kChunk;
  if (isGpu) {
    schedule.warps = schedule.chunk == 1 ? kStepWarps : kWarps;
    schedule.splitsSums = true;
    schedule.fillsMachine = true;
  }
  schedule.pullsMaps = work.mapDepth && (!isGpu || work.mapDepth <= kCheapDepth);
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
