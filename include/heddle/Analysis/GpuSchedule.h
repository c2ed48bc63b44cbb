//===- GpuSchedule.h - tile sizes of an attention kernel on a GPU -----------===//
//
// A block of `rows` rows walks over its keys in steps of `keys`. What it takes from
// the machine follows from these two numbers: registers for scores and accumulators,
// shared memory for the rows and for two steps' keys and values, and so how many
// blocks a multiprocessor holds. The chooser enumerates sizes, drops what does not fit
// and takes the cheapest by a small model, saying why it dropped the others.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_ANALYSIS_GPUSCHEDULE_H
#define HEDDLE_ANALYSIS_GPUSCHEDULE_H

#include "dialects/Tile/TileTarget.h"
#include <string>

namespace heddle {

/// What the inner loop of an attention kernel works on.
struct AttendWork {
  llvm::SmallVector<int64_t> depths;       ///< contracted size of each dot
  llvm::SmallVector<int64_t> valueColumns; ///< columns of each value's accumulator in a block
  int64_t accumulatorsPerValue = 1;        ///< weights of the normalizer
  int64_t elementBytes = 2;
  int64_t tableReads = 0; ///< reads of arrays by the score and the mask
  int64_t apartReads = 0; ///< those of them in steps that products of warpgroups have in loops of their own
  int64_t pairReads = 0;  ///< those of the score that take an element for every row and key
  int64_t tileReads = 0;  ///< those of them whose last coordinates are the row and the key, of 16-bit elements
  /// Functions and quotients computed for each score, which take the machine's special unit.
  int64_t specialFunctions = 0;
  int64_t ranks = 0;    ///< of references that statistics ask for: two row vectors each, and scores as integers
  int64_t scalars = 0;  ///< run-time numbers that score and mask read
  int64_t rows = 0;     ///< rows of the whole attend; 0 if only known at run time
  bool isPlain = false; ///< right operands are arrays as they lie in memory, not computed in the kernel
};

struct GpuSchedule {
  int64_t rows = 0, keys = 0;
  int64_t warps = 0;
  int64_t stages = 2;
  bool isPersistent = false;              ///< one block per multiprocessor, which loops over its work
  int64_t cachedKeys = 0;                 ///< keys, with their values, of one head that the second-level cache holds
  int64_t registers = 0, sharedBytes = 0; ///< estimates
  int64_t blocksPerUnit = 0;
  std::string note; ///< for people: the choice, its budget, what was dropped and why
};

/// Registers of a thread of each role.
struct RoleRegisters {
  int64_t consumer = 0, producer = 0;
};

/// Registers that a copying thread gets by with at least, those that it does not spill with even if it searches, and if
/// it finds the place of every row.
inline constexpr int64_t fewestProducerRegisters = 24, ampleProducerRegisters = 40, gatheringProducerRegisters = 80;

/// How groups of four warps divide what their block is launched with: `fewest` or a little more for those that copy,
/// the rest for those that consume. Zeros when every thread can keep what it is launched with.
RoleRegisters divideRegisters(tile::TargetAttr target, int64_t consumerGroups, int64_t producerGroups,
                              int64_t fewest = fewestProducerRegisters);

/// The best schedule. Where registers never suffice, the one that needs fewest (the kernel is then correct and spills);
/// where shared memory does not, none: its rows are 0 and its note holds the budgets and the nearest change that fits.
GpuSchedule chooseGpuSchedule(tile::TargetAttr target, const AttendWork &work);

} // namespace heddle

#endif
