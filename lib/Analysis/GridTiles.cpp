//===- GridTiles.cpp - the shape of a block of rows and keys on a grid ------===//
//
// A block of rows that is a box sees a box of keys: along each axis the range of all its
// rows, in steps of the keys' box. The product of the numbers of steps is what a block
// visits, and it is the product of their means over all blocks, since axes are independent. All
// shapes of the given sizes are tried.
//
//===----------------------------------------------------------------------===//
#include "heddle/Analysis/MaskGrid.h"
#include "heddle/Analysis/MaskOnHost.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace heddle;
using Kind = IndexExpr::Kind;

// A step that needs the mask costs so much more; and where its extents are no powers of two, so that what an element's
// coordinates are is not seen from its place in the machine.
static constexpr double maskCost = 0.25, oddMaskCost = 1;
// What a step takes beside its keys, in keys, and groups of warps that do not take turns.
static constexpr double stepCost = 24, partsCost = 1.03;
// Boxes have to save a quarter: their keys are found step by step, and read from more places.
static constexpr double leastGain = 1.25;
// Positions of a grid whose outermost extent is not known yet.
static constexpr int64_t usualPositions = 4096;

namespace {
/// What blocks of some rows along an axis see, and what parts of their rows do.
struct Spans {
  llvm::SmallVector<HostRange> may, full;
  llvm::SmallVector<HostRange> parts; ///< as many for each block

  /// The mean number of steps of `size` that a part goes through, and of those that need no mask.
  std::pair<double, double> steps(int64_t size) const {
    int64_t all = 0, whole = 0, partsOfBlock = parts.size() / may.size();
    for (auto [block, seen] : llvm::enumerate(may))
      for (int64_t at = seen.begin; at < seen.end; at += size)
        for (const HostRange &part : llvm::ArrayRef(parts).slice(block * partsOfBlock, partsOfBlock)) {
          if (at >= part.end || at + size <= part.begin)
            continue;
          ++all;
          whole += at >= full[block].begin && at + size <= full[block].end;
        }
    return {double(all) / parts.size(), double(whole) / parts.size()};
  }
};

/// Every way to write a number as a product of as many factors as there are axes.
void forFactors(int64_t size, unsigned axes, llvm::SmallVectorImpl<int64_t> &factors,
                llvm::function_ref<void()> visit) {
  if (axes == 1) {
    factors.push_back(size);
    visit();
    factors.pop_back();
    return;
  }
  for (int64_t factor = 1; factor <= size; ++factor) {
    if (size % factor)
      continue;
    factors.push_back(factor);
    forFactors(size / factor, axes - 1, factors, visit);
    factors.pop_back();
  }
}
} // namespace

int64_t MaskGrid::Tiles::countKeys() const {
  return std::accumulate(keys.begin(), keys.end(), int64_t(1), std::multiplies<>());
}

/// Whether all that an expression depends on are positions and sizes of the block.
static bool isKnown(ExprRef e) {
  if (e->kind == Kind::Scalar || e->kind == Kind::Dim || e->kind == Kind::Load || e->kind == Kind::Fact ||
      e->isSymbol(IndexSymbol::Batch) || e->isSymbol(IndexSymbol::Head))
    return false;
  return llvm::all_of(e->operands, isKnown);
}

/// Keys that a row visits in blocks of consecutive rows and keys.
static double visitedFlat(const MaskAnalysis &flat, int64_t rows, int64_t keys, int64_t positions) {
  MaskOnHost host(flat, {}, positions);
  int64_t visited = 0;
  for (int64_t first = 0; first < positions; first += rows) {
    HostRanges ranges = host.ranges(0, 0, first, std::min(first + rows, positions));
    for (const HostRange &may : ranges.may)
      if (may.begin < may.end)
        visited += keys * (llvm::divideCeil(may.end, keys) - may.begin / keys);
  }
  return double(visited) / llvm::divideCeil(positions, rows);
}

std::optional<MaskGrid::Tiles> MaskGrid::chooseTiles(int64_t rows, llvm::ArrayRef<int64_t> keySizes, int64_t parts,
                                                     const MaskAnalysis &flat) const {
  unsigned rank = getRank();
  llvm::SmallVector<int64_t, 4> all(extents);
  bool areKnown = llvm::all_of(axes, [](const MaskAnalysis &axis) {
    return llvm::all_of(axis.getRanges(), [](const MaskAnalysis::Ends &ends) {
      return isKnown(ends.mayBegin) && isKnown(ends.mayEnd) && isKnown(ends.fullBegin) && isKnown(ends.fullEnd);
    });
  });
  int64_t outer = std::max<int64_t>(*llvm::max_element(extents), llvm::divideCeil(usualPositions, getInner()));
  if (areKnown) {
    // A mask that keeps inside of a grid says where that ends.
    constexpr int64_t endless = 1 << 16;
    int64_t seen = MaskOnHost(axes.front(), {}, endless).ranges(0, 0, 0, endless).may.front().end;
    outer = seen > 0 && seen < endless ? seen : outer;
  }
  all.insert(all.begin(), outer);
  std::optional<Tiles> best;
  double least = 0;
  llvm::SmallVector<int64_t, 4> rowTile, keyTile;
  auto tryKeys = [&](llvm::ArrayRef<Spans> spans, int64_t keys, int64_t partsHere) {
    bool isEven = true;
    for (unsigned axis = 0; axis < rank; ++axis) {
      if (keyTile[axis] > all[axis])
        return;
      isEven &= axis == 0 || llvm::isPowerOf2_64(keyTile[axis]);
    }
    double visited = keys, full = keys, cost = 0;
    for (unsigned axis = 0; axis < rank && areKnown; ++axis) {
      auto [steps, whole] = spans[axis].steps(keyTile[axis]);
      visited *= steps;
      full *= whole;
    }
    if (areKnown) {
      double ofKeys = visited + (isEven ? maskCost : oddMaskCost) * (visited - full);
      cost = (partsHere == 1 ? 1 : partsCost) * (1 + stepCost / keys) * ofKeys;
    } else {
      // Where only the run knows what is seen, boxes are as close to cubes as they can be.
      cost = *llvm::max_element(keyTile) + *llvm::max_element(rowTile) - 1e-3 * keyTile.back() - 1e-4 * partsHere;
    }
    if (best && cost >= least)
      return;
    least = cost;
    best = Tiles{rowTile, keyTile, partsHere, areKnown ? visited : -1, areKnown ? full : -1};
  };
  auto tryParts = [&](int64_t partsHere) {
    llvm::SmallVector<Spans> spans(rank);
    for (unsigned axis = 0; axis < rank && areKnown; ++axis) {
      MaskOnHost host(axes[axis], {}, all[axis]);
      for (int64_t first = 0; first < all[axis]; first += rowTile[axis]) {
        HostRanges ranges = host.ranges(0, 0, first, std::min(first + rowTile[axis], all[axis]));
        spans[axis].may.push_back(ranges.may.front());
        spans[axis].full.push_back(ranges.full.front());
        int64_t rowsOfPart = axis ? rowTile[axis] : rowTile[axis] / partsHere;
        for (int64_t part = first; part < first + rowTile[axis]; part += rowsOfPart) {
          HostRange none{0, 0};
          int64_t end = std::min(part + rowsOfPart, all[axis]);
          spans[axis].parts.push_back(part < end ? host.ranges(0, 0, part, end).may.front() : none);
        }
      }
    }
    for (int64_t keys : areKnown ? keySizes : keySizes.take_front())
      forFactors(keys, rank, keyTile, [&] { tryKeys(spans, keys, partsHere); });
  };
  auto tryRows = [&] {
    // Blocks do not lie across the end of an axis; along the outermost one they may.
    for (unsigned axis = 0; axis < rank; ++axis)
      if (axis ? all[axis] % rowTile[axis] != 0 : rowTile[axis] > all[axis])
        return;
    for (int64_t partsHere : {int64_t(1), parts})
      if (rowTile[0] % partsHere == 0)
        tryParts(partsHere);
  };
  forFactors(rows, rank, rowTile, tryRows);
  if (!best || !areKnown || flat.needsEvaluation())
    return best;
  if (visitedFlat(flat, rows, keySizes.front(), outer * getInner()) < leastGain * best->keysPerRow)
    return std::nullopt;
  return best;
}
