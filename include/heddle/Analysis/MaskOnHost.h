//===- MaskOnHost.h - a mask with its run-time values -----------*- C++ -*-===//
//
// The ranges of MaskAnalysis.h evaluated on the host: for tests, counting work,
// pictures and dividing rows between devices. The expressions are the ones that
// `MaskAnalysis::emit` writes into kernels.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_ANALYSIS_MASKONHOST_H
#define HEDDLE_ANALYSIS_MASKONHOST_H

#include "heddle/Analysis/IndexExprEvaluator.h"
#include "heddle/Analysis/MaskAnalysis.h"

namespace heddle {

struct HostRange {
  int64_t begin, end;
};

/// As KeyRanges.
struct HostRanges {
  llvm::SmallVector<HostRange, 4> may, full;
};

/// What a block of rows and keys sees: nothing, something, everything.
enum class BlockState : uint8_t { Empty = 0, Partial = 1, Full = 2 };

/// The states of all blocks of one batch and head, row-major.
struct MaskPicture {
  int64_t rowBlocks, keyBlocks;
  std::vector<BlockState> states;
};

class MaskOnHost {
public:
  /// `analysis` must outlive this. Table facts are checked here, on first use.
  MaskOnHost(const MaskAnalysis &analysis, const HostCaptures &captures, int64_t keyCount);

  /// Of a part in residue classes: rows and keys are counted within that of `residue` from here on. Returns the residue
  /// of its keys.
  int64_t enterClass(int64_t batch, int64_t head, int64_t residue);

  /// The keys of the rows [rowBegin, rowEnd), which are not empty.
  HostRanges ranges(int64_t batch, int64_t head, int64_t rowBegin, int64_t rowEnd);

  /// Whether single pairs can be looked at: the mask has nothing opaque.
  bool canLookAtPairs() const { return !analysis.getMask()->hasOpaque; }
  bool isVisible(int64_t batch, int64_t head, int64_t row, int64_t key);

  /// The visible pairs of one batch and head; pairs that cannot be looked at count as visible.
  int64_t countVisible(int64_t batch, int64_t head, int64_t rowCount);

  /// The state of every block, exact where pairs can be looked at, else Partial where the ranges leave it open.
  MaskPicture picture(int64_t batch, int64_t head, int64_t rowCount, int64_t rowBlock, int64_t keyBlock);

private:
  BlockState lookAtBlock(int64_t batch, int64_t head, HostRange rows, HostRange keys);

  const MaskAnalysis &analysis;
  IndexExprEvaluator evaluator;
  const int64_t allKeys;
  int64_t keyCount;
};

} // namespace heddle

#endif
