//===- GpuSchedule.cpp - tile sizes of an attention kernel on a GPU ---------===//
#include "heddle/Analysis/GpuSchedule.h"
#include "llvm/ADT/SmallVectorExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace heddle;

namespace {
constexpr int64_t kMaxWarps = 4, kPad = 16;
/// What ptxas needs beyond the tiles before it spills inside the loop, fitted to what it reports: addresses, loop
/// counters, fragments on their way to the matrix unit, row statistics;
constexpr int64_t kRegisterAllowance = 58;
/// both parts of split operands;
constexpr int64_t kSplitAllowance = 40;
/// and one address for each step of a copy whose steps are not whole rows.
constexpr int64_t kRaggedCopyAllowance = 34;
/// The driver keeps this much of each block's shared memory.
constexpr int64_t kReservedSharedBytes = 1024;

int64_t pitch(int64_t columns, int64_t elementBytes) { return llvm::alignTo(columns * elementBytes, 16) + kPad; }

int64_t sum(llvm::ArrayRef<int64_t> values) {
  int64_t total = 0;
  for (int64_t value : values)
    total += value;
  return total;
}

int64_t estimateRegisters(const GpuSchedule &schedule, const AttendWork &work) {
  int64_t rowsPerWarp = schedule.rows / schedule.warps;
  int64_t scores = work.depths.size() * schedule.keys;
  int64_t accumulators = sum(work.valueColumns) * work.accumulatorsPerValue;
  int64_t registers =
      rowsPerWarp * (scores + accumulators) / 32 + kRegisterAllowance + schedule.keys / 16 + work.scalars;
  // What tables hold, and the positions that it is read at, are vectors along the keys and the rows. Positions alone
  // are a constant away from the first.
  if (work.tableReads)
    registers += (1 + work.tableReads) * schedule.keys / 4 + work.tableReads * rowsPerWarp / 8;
  if (work.ranks)
    registers += rowsPerWarp * (schedule.keys + 4 * work.ranks) / 32;
  if (work.elementBytes == 4)
    registers += kSplitAllowance;
  auto isRagged = [&](int64_t columns) { return 32 * schedule.warps % (columns * work.elementBytes / 16) != 0; };
  if (llvm::any_of(work.depths, isRagged) || llvm::any_of(work.valueColumns, isRagged))
    registers += kRaggedCopyAllowance;
  return registers;
}

/// Two steps' keys and values lie there, or one's, where that makes room for another block: see warp-pipeline-copies.
void estimate(GpuSchedule &schedule, tile::TargetAttr target, const AttendWork &work) {
  schedule.registers = estimateRegisters(schedule, work);
  int64_t columns = 0, rowBytes = 0;
  for (int64_t depth : work.depths) {
    rowBytes += schedule.rows * pitch(depth, work.elementBytes);
    columns += pitch(depth, work.elementBytes);
  }
  for (int64_t value : work.valueColumns)
    columns += pitch(value, work.elementBytes);
  int64_t registers = llvm::alignTo(std::min(schedule.registers, target.getRegistersPerThread()), 8);
  int64_t byRegisters = target.getRegistersPerUnit() / (registers * 32 * schedule.warps);
  for (int64_t stages : {1, 2}) {
    int64_t bytes = rowBytes + stages * schedule.keys * columns;
    int64_t byShared =
        bytes > target.getSharedBytesPerBlock() ? 0 : target.getSharedBytesPerUnit() / (bytes + kReservedSharedBytes);
    int64_t blocks = std::min(byRegisters, byShared);
    if (stages == 2 && (blocks == 0 || blocks < schedule.blocksPerUnit))
      continue;
    schedule.stages = stages;
    schedule.sharedBytes = bytes;
    schedule.blocksPerUnit = blocks;
  }
}

/// Time per product, in units of the matrix unit's own: operands are read once per 16 rows of a warp, a step costs a
/// barrier and its row statistics, and below eight warps the pipelines of a multiprocessor are not kept busy.
double cost(const GpuSchedule &schedule) {
  double rowsPerWarp = static_cast<double>(schedule.rows) / schedule.warps;
  double busy = std::min<double>(8, schedule.blocksPerUnit * schedule.warps) / 8;
  return (1 + 0.6 * 16 / rowsPerWarp + 8.0 / schedule.keys) / (0.5 + 0.5 * busy);
}

//===----------------------------------------------------------------------===//
// products of warpgroups
//===----------------------------------------------------------------------===//

/// Beyond tiles, in a consumer: cursors, descriptors, row statistics (fitted to what ptxas reports); and, where few
/// enough groups divide the registers, left operands or what ptxas moves about to keep products apart.
constexpr int64_t kConsumerAllowance = 32, kRoomyAllowance = 16;
/// What a table holds for the rows, and its addresses.
constexpr int64_t kTableAllowance = 12;
/// Slots start at multiples of this; one more for barriers.
constexpr int64_t kSlotAlignment = 1024;

/// Both scores and the weights made of the ones before are alive, beside the accumulators.
int64_t estimateConsumerRegisters(const GpuSchedule &schedule, const AttendWork &work) {
  int64_t scores = work.depths.size() * schedule.keys / 2, weights = work.accumulatorsPerValue * schedule.keys / 4;
  int64_t accumulators = sum(work.valueColumns) * work.accumulatorsPerValue / 2;
  // What tables hold lives in the masked branch only, where most of it takes turns with the weights. Tiles that are
  // copied to slots have no addresses.
  int64_t vectors = work.tableReads - work.tileReads - work.apartReads;
  int64_t tables = vectors * (schedule.keys / 16 + kTableAllowance) + work.pairReads * schedule.keys / 4;
  int64_t allowance = kConsumerAllowance + (schedule.warps <= 8 ? kRoomyAllowance : 0);
  int64_t ranks = work.ranks ? schedule.keys / 2 + 6 * work.ranks : 0;
  return scores + weights + accumulators + tables + ranks + allowance;
}

int64_t estimateSlots(const GpuSchedule &schedule, const AttendWork &work) {
  int64_t perKey = (sum(work.depths) + sum(work.valueColumns)) * work.elementBytes;
  int64_t perRow = sum(work.depths) * work.elementBytes;
  int64_t perPair = work.tileReads * work.elementBytes;
  return schedule.rows * perRow + schedule.stages * schedule.keys * (perKey + schedule.rows * perPair) + kSlotAlignment;
}

/// Relative time per product: operands are read again for every block of rows, a step has a fixed part, and what a
/// group does to its scores runs beside the products of the others, as far as those take as long. In cycles a key: the
/// products of 64 rows take (d + e) / 32, the special unit 8 for each function, the rest 5. (Fitted to runs on an H100
/// with d = 64 to 256, one and two functions a score.)
double warpgroupCost(const GpuSchedule &schedule, const AttendWork &work) {
  double products = (sum(work.depths) + sum(work.valueColumns)) / 32.0, elementwise = 8.0 * work.specialFunctions + 5;
  double uncovered = std::max(1.0, (1 + elementwise / products) / (schedule.warps / 4.0));
  return (1 + 20.0 / schedule.rows + 45.0 / schedule.keys) * std::pow(uncovered, 0.35);
}

std::optional<GpuSchedule> chooseWarpgroupSchedule(tile::TargetAttr target, const AttendWork &work,
                                                   std::string &dropped) {
  std::optional<GpuSchedule> best;
  int64_t perKey = (sum(work.depths) + sum(work.valueColumns)) * work.elementBytes;
  for (int64_t groups : {2, 3, 1}) {
    if (work.rows && groups > 1 && work.rows <= 64 * (groups - 1))
      continue;
    for (int64_t keys : {256, 192, 128, 96, 80, 64, 48, 32}) {
      GpuSchedule schedule;
      schedule.rows = 64 * groups;
      schedule.keys = keys;
      schedule.warps = 4 * groups;
      schedule.blocksPerUnit = 1;
      schedule.isPersistent = true;
      // Two thirds: queries, outputs and what has not been replaced yet lie there, too.
      schedule.cachedKeys = target.getLevel2Bytes() * 2 / 3 / perKey;
      schedule.registers = estimateConsumerRegisters(schedule, work);
      schedule.sharedBytes = estimateSlots(schedule, work);
      int64_t consumer = divideRegisters(target, groups, 1).consumer;
      int64_t registers = consumer ? consumer : target.getRegistersPerThread();
      if (schedule.registers > registers)
        dropped += llvm::formatv("{0}x{1}: {2} registers, a consumer has {3}\n", schedule.rows, keys,
                                 schedule.registers, registers);
      else if (schedule.sharedBytes > target.getSharedBytesPerBlock())
        dropped += llvm::formatv("{0}x{1}: {2} bytes of shared memory, {3} has {4}\n", schedule.rows, keys,
                                 schedule.sharedBytes, target.getName(), target.getSharedBytesPerBlock());
      else if (!best || warpgroupCost(schedule, work) < warpgroupCost(*best, work))
        best = schedule;
    }
  }
  return best;
}

std::string describe(const GpuSchedule &schedule, llvm::StringRef kind, llvm::StringRef dropped) {
  return llvm::formatv("rows {0}, keys {1}, {2} {3}, {4} stages: {5} registers, {6} bytes of shared memory, {7} "
                       "blocks per multiprocessor\n{8}",
                       schedule.rows, schedule.keys, schedule.warps, kind, schedule.stages, schedule.registers,
                       schedule.sharedBytes, schedule.blocksPerUnit, dropped);
}

/// What fits, by registers and shared memory; else what spills least of that which fits shared memory. No rows: nothing
/// does.
GpuSchedule choosePortableSchedule(tile::TargetAttr target, const AttendWork &work, std::string &dropped) {
  GpuSchedule best, spilling;
  for (int64_t rows : {128, 64, 32, 16}) {
    for (int64_t keys : {128, 96, 64, 32, 16}) {
      GpuSchedule schedule;
      schedule.rows = rows;
      schedule.keys = keys;
      schedule.warps = std::min(kMaxWarps, rows / 16);
      estimate(schedule, target, work);
      if (schedule.sharedBytes > target.getSharedBytesPerBlock()) {
        dropped += llvm::formatv("{0}x{1} in one stage: {2} bytes of shared memory, {3} has {4}\n", rows, keys,
                                 schedule.sharedBytes, target.getName(), target.getSharedBytesPerBlock());
      } else if (schedule.registers > target.getRegistersPerThread()) {
        dropped += llvm::formatv("{0}x{1}: {2} registers, {3} has {4}\n", rows, keys, schedule.registers,
                                 target.getName(), target.getRegistersPerThread());
        if (spilling.rows == 0 || schedule.registers < spilling.registers)
          spilling = schedule;
      } else if (best.rows == 0 || cost(schedule) < cost(best)) {
        best = schedule;
      }
    }
  }
  return best.rows ? best : spilling;
}

/// The least change of a spec that nothing fits, so that something does.
std::string describeNearest(tile::TargetAttr target, const AttendWork &work) {
  auto fits = [&](const AttendWork &changed) {
    std::string ignored;
    return choosePortableSchedule(target, changed, ignored).rows != 0;
  };
  std::string nearest;
  AttendWork half = work;
  half.elementBytes = 2;
  if (work.elementBytes > 2 && fits(half))
    nearest += "elements of 16 bits, or ";
  AttendWork narrow = work;
  for (int64_t most = *llvm::max_element(work.depths) - 16; most >= 16; most -= 16) {
    narrow.depths = llvm::map_to_vector(work.depths, [&](int64_t depth) { return std::min(most, depth); });
    if (fits(narrow))
      return nearest + llvm::formatv("contracted sizes of at most {0}", most).str();
  }
  return nearest + "fewer dots and values";
}
} // namespace

RoleRegisters heddle::divideRegisters(tile::TargetAttr target, int64_t consumerGroups, int64_t producerGroups,
                                      int64_t fewest) {
  constexpr int64_t most = 240, step = 8, groupThreads = 128;
  int64_t groups = consumerGroups + producerGroups;
  // Registers are given out in eights; what the block has is what it is launched with, not what the unit has.
  auto down = [](int64_t value) { return value / step * step; };
  int64_t launched = down(target.getRegistersPerUnit() / (groups * groupThreads));
  if (!target.getHasRegisterReallocation() || launched >= most)
    return {};
  int64_t all = launched * groups;
  int64_t consumer = std::min(most, down((all - fewest * producerGroups) / consumerGroups));
  return {consumer, down((all - consumer * consumerGroups) / producerGroups)};
}

GpuSchedule heddle::chooseGpuSchedule(tile::TargetAttr target, const AttendWork &work) {
  std::string dropped;
  if (target.getHasWarpgroupMma() && target.getHasBulkCopy() && work.elementBytes == 2 && work.isPlain)
    if (std::optional<GpuSchedule> schedule = chooseWarpgroupSchedule(target, work, dropped)) {
      schedule->note = describe(*schedule, "consuming and 4 copying warps", dropped);
      return *schedule;
    }
  GpuSchedule best = choosePortableSchedule(target, work, dropped);
  best.note = best.rows ? describe(best, "warps", dropped) : dropped + describeNearest(target, work);
  return best;
}
