//===- AttendKernels.h - the kernels of one attend --------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_ATTENDKERNELS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_ATTENDKERNELS_H

#include "PlanBuilder.h"
#include "dialects/Attn/AttnOps.h"
#include <optional>

namespace heddle {

/// Which block computes which pieces of work; see WorkOrder.h.
enum class WorkOrder { Blocks, Rounds, BackAndForth, Counter };

/// Sizes that a schedule fixes (chosen by lib/Analysis/Schedule or by hand).
struct AttendSchedule {
  int64_t rows = 64;              ///< rows of a block
  int64_t keys = 64;              ///< keys of a step
  int64_t fewerKeys = 0;          ///< keys that a step of boxes may have instead; 0: none
  int64_t rowsApart = 0;          ///< rows that warps have to themselves, so that they may leave out steps; 0: none
  bool hasOwnRanges = false;      ///< those rows go through the keys of their own range, where these are consecutive
  int64_t warps = 0;              ///< of a GPU's block, that the sizes were chosen for; 0: not said
  bool isPersistent = false;      ///< a block computes several pieces of work where that helps
  bool isPartialApart = false;    ///< steps that need the mask, but for the last one, are a loop of their own
  std::optional<WorkOrder> order; ///< what was asked for; none: what suits the mask and the rows
  bool batchesFastest = false;    ///< pieces of one head of all batches run together, because they read the same tiles
  int64_t cachedKeys = 0;         ///< keys, with their values, of one head that the machine's cache holds
  int64_t valueColumns = 256;     ///< columns of values per block; wider values take several blocks
  bool splitKeys = true;          ///< also make the kernels that divide the keys of few rows among blocks
  int64_t minSplitKeys = 512;     ///< keys that a split has at least
  int64_t splits = 0;             ///< shares that the keys are always divided into; 0: by the machine
  int64_t mergedTogether = 1;     ///< shares that a merge loads before it combines them
  int64_t stagedStrip = 0; ///< columns of a strip in which keys and values are staged (StagedKeys.h); 0: they are not
};

/// A tensor that the kernel leaves in memory.
struct KernelOutput {
  mlir::Value tensor; ///< of the attn function: a result of the attend or what is computed from it element by element
  mlir::Value memory; ///< of the plan
  int64_t dim = 0, first = 0; ///< along `dim` it begins there in `memory`
};

/// The definition of an attend's normalizer, null if it has none; an error where the module lacks it.
mlir::FailureOr<attn::NormalizerOp> findNormalizer(attn::AttendOp op);

/// Emits kernels and launches for `op`. `normalizer` is its definition, null if it has none. Says in `note` what else
/// than the schedule was chosen, in words.
mlir::LogicalResult emitAttend(PlanBuilder &plan, attn::AttendOp op, attn::NormalizerOp normalizer,
                               const AttendSchedule &schedule, llvm::ArrayRef<KernelOutput> outputs, std::string &note);

} // namespace heddle

#endif
