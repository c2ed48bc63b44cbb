//===- ResidueParts.h - kernels of a mask that keeps to residue classes ------===//
//
// A mask that implies j = i modulo m leaves a full T x T / m of its pairs to be seen, and
// hardly a block of consecutive rows and keys without any. Taken by classes (rows r, r + m,
// ..) the same pairs lie together, and what is left of the mask is solved there:
//
//   (i - j) mod 4 = 0 and j <= i       a causal mask of a quarter of the rows, for every r
//
// A mask that has such a part beside others becomes kernels that hand on the state of
// their rows, in whichever order each takes them:
//
//   i - j < 128 or (i - j) mod 128 = 0      begin: classes of 128, without the last 128 keys
//                                           finish: a window of 128
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_RESIDUEPARTS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_RESIDUEPARTS_H

#include "AttendKernel.h"

namespace heddle {

/// The parts of the mask of `op` (MaskAnalysis::computeParts); none where its rows cannot be taken by classes.
std::vector<MaskAnalysis> findResidueParts(PlanBuilder &plan, attn::AttendOp op);

/// Whether kernels of the parts have less to do than one of the whole (i1 of the plan): classes must be long enough to
/// fill blocks.
mlir::Value areResiduesWorthIt(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule,
                               llvm::ArrayRef<MaskAnalysis> parts);

/// What the first part leaves for the second, if there is one; of no bytes unless `isUsed` (i1 of the plan).
SplitWorkspace allocateResidueState(PlanBuilder &plan, attn::AttendOp op, attn::NormalizerOp normalizer,
                                    llvm::ArrayRef<MaskAnalysis> parts, mlir::Value isUsed);

mlir::LogicalResult emitResidueParts(PlanBuilder &plan, attn::AttendOp op, attn::NormalizerOp normalizer,
                                     const AttendSchedule &schedule, llvm::ArrayRef<MaskAnalysis> parts,
                                     const SplitWorkspace &state, llvm::ArrayRef<KernelOutput> outputs);

} // namespace heddle

#endif
