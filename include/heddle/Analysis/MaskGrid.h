//===- MaskGrid.h - positions as points of a grid ---------------*- C++ -*-===//
//
// Tokens of an image or a volume are numbered row by row, and a mask that is a window
// in each direction reads coordinates off the numbers, by quotients and remainders. A
// block of consecutive rows then sees a piece of every line. This analysis finds the grid
// in the mask: extents such that every truth of the mask is one of the coordinates of row
// and key along one axis,
//
//     t floordiv 64 >= s(i floordiv 64)  and  t - 64 * (t floordiv 64) >= ..      is a grid of ? x 64
//
// so that the mask is the conjunction of a mask for each axis, which MaskAnalysis solves
// for a range of coordinates. A block of rows that is a box of the grid then sees a box of
// keys. Test: test/Analysis/mask-grid.mlir
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_ANALYSIS_MASKGRID_H
#define HEDDLE_ANALYSIS_MASKGRID_H

#include "heddle/Analysis/MaskAnalysis.h"

namespace heddle {

class MaskGrid {
public:
  /// The grid of a mask, if its positions are points of one.
  static std::optional<MaskGrid> find(mlir::Region &mask);

  /// The masks of the axes, the outermost first. Rows and keys are coordinates along the axis; each has one range.
  llvm::ArrayRef<MaskAnalysis> getAxes() const { return axes; }
  unsigned getRank() const { return axes.size(); }

  /// The extent of an axis but the outermost, whose extent is the number of positions over `getInner`.
  int64_t getExtent(unsigned axis) const { return extents[axis - 1]; }
  int64_t getInner() const;

  /// Extents of a block of so many rows, and of the keys of a step: those which visit least.
  struct Tiles {
    llvm::SmallVector<int64_t, 4> rows, keys;
    int64_t parts = 1; ///< of the rows along the outermost axis, each of which leaves out steps that it does not see
    double keysPerRow = 0, fullKeysPerRow = 0; ///< what a row visits; negative where only the run knows
    int64_t countKeys() const;
  };
  /// No tiles where sizes do not go into the grid, or where blocks of consecutive rows do not visit more. `flat` is the
  /// analysis of the whole mask. A step has one of the numbers of `keys`. Rows may be in `parts`, if those go along an
  /// axis.
  std::optional<Tiles> chooseTiles(int64_t rows, llvm::ArrayRef<int64_t> keys, int64_t parts,
                                   const MaskAnalysis &flat) const;

  void print(llvm::raw_ostream &os) const;

private:
  friend class GridSearch;
  llvm::SmallVector<MaskAnalysis> axes;
  llvm::SmallVector<int64_t, 4> extents;
};

} // namespace heddle

#endif
