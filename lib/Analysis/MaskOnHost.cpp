//===- MaskOnHost.cpp - a mask with its run-time values -------------------===//
#include "heddle/Analysis/MaskOnHost.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace heddle;

MaskOnHost::MaskOnHost(const MaskAnalysis &analysis, const HostCaptures &captures, int64_t keyCount)
    : analysis(analysis), evaluator(analysis.getContext(), captures), allKeys(keyCount), keyCount(keyCount) {
  evaluator.set(IndexSymbol::KeyCount, keyCount);
}

int64_t MaskOnHost::enterClass(int64_t batch, int64_t head, int64_t residue) {
  evaluator.set(IndexSymbol::Batch, batch);
  evaluator.set(IndexSymbol::Head, head);
  evaluator.set(IndexSymbol::Residue, residue);
  int64_t first = evaluator.evaluate(analysis.getKeyResidue());
  keyCount = llvm::divideCeil(std::max<int64_t>(allKeys - first, 0), analysis.getModulus());
  evaluator.set(IndexSymbol::KeyCount, keyCount);
  return first;
}

HostRanges MaskOnHost::ranges(int64_t batch, int64_t head, int64_t rowBegin, int64_t rowEnd) {
  evaluator.set(IndexSymbol::Batch, batch);
  evaluator.set(IndexSymbol::Head, head);
  evaluator.set(IndexSymbol::RowBegin, rowBegin);
  evaluator.set(IndexSymbol::RowEnd, rowEnd);
  HostRanges result;
  for (const MaskAnalysis::Ends &ends : analysis.getRanges()) {
    result.may.push_back({evaluator.evaluate(ends.mayBegin), evaluator.evaluate(ends.mayEnd)});
    result.full.push_back({evaluator.evaluate(ends.fullBegin), evaluator.evaluate(ends.fullEnd)});
  }
  return result;
}

bool MaskOnHost::isVisible(int64_t batch, int64_t head, int64_t row, int64_t key) {
  evaluator.set(IndexSymbol::Batch, batch);
  evaluator.set(IndexSymbol::Head, head);
  evaluator.set(IndexSymbol::Row, row);
  evaluator.set(IndexSymbol::Key, key);
  return evaluator.evaluate(analysis.getMask());
}

int64_t MaskOnHost::countVisible(int64_t batch, int64_t head, int64_t rowCount) {
  int64_t count = 0;
  for (int64_t row = 0; row < rowCount; ++row) {
    // For one row may and full mostly agree, so that hardly a pair is looked at.
    HostRanges seen = ranges(batch, head, row, row + 1);
    for (auto [may, full] : llvm::zip(seen.may, seen.full)) {
      count += full.end - full.begin;
      for (HostRange open : {HostRange{may.begin, full.begin}, HostRange{full.end, may.end}}) {
        if (!canLookAtPairs())
          count += open.end - open.begin;
        else
          for (int64_t key = open.begin; key < open.end; ++key)
            count += isVisible(batch, head, row, key);
      }
    }
  }
  return count;
}

BlockState MaskOnHost::lookAtBlock(int64_t batch, int64_t head, HostRange rows, HostRange keys) {
  if (!canLookAtPairs())
    return BlockState::Partial;
  bool first = isVisible(batch, head, rows.begin, keys.begin);
  for (int64_t row = rows.begin; row < rows.end; ++row)
    for (int64_t key = keys.begin; key < keys.end; ++key)
      if (isVisible(batch, head, row, key) != first)
        return BlockState::Partial;
  return first ? BlockState::Full : BlockState::Empty;
}

MaskPicture MaskOnHost::picture(int64_t batch, int64_t head, int64_t rowCount, int64_t rowBlock, int64_t keyBlock) {
  MaskPicture result;
  result.rowBlocks = llvm::divideCeil(rowCount, rowBlock);
  result.keyBlocks = llvm::divideCeil(keyCount, keyBlock);
  result.states.assign(result.rowBlocks * result.keyBlocks, BlockState::Empty);
  for (int64_t m = 0; m < result.rowBlocks; ++m) {
    HostRange rows{m * rowBlock, std::min((m + 1) * rowBlock, rowCount)};
    HostRanges seen = ranges(batch, head, rows.begin, rows.end);
    for (auto [may, full] : llvm::zip(seen.may, seen.full)) {
      if (may.begin == may.end)
        continue;
      for (int64_t n = may.begin / keyBlock; n * keyBlock < may.end; ++n) {
        HostRange keys{n * keyBlock, std::min((n + 1) * keyBlock, keyCount)};
        bool isFull = full.begin <= keys.begin && keys.end <= full.end;
        BlockState &state = result.states[m * result.keyBlocks + n];
        if (state != BlockState::Full) // two ranges may share a block
          state = isFull ? BlockState::Full : lookAtBlock(batch, head, rows, keys);
      }
    }
  }
  return result;
}
