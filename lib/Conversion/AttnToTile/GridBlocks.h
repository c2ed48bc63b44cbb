//===- GridBlocks.h - blocks of rows and keys that are boxes of a grid ------===//
//
// Where positions are points of a grid (MaskGrid.h) a block of rows is a box of it, and
// what it sees is one, too: the product of a range of coordinates along each axis. It is
// visited in steps that are boxes of keys, which begin where the ranges do, so they may lie
// anywhere. A step that lies in the fully seen range of every axis needs no mask.
//
// Nothing is moved in memory. Lines have to be whole there: the plan compares lengths.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_GRIDBLOCKS_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_GRIDBLOCKS_H

#include "MaskKernels.h"
#include "heddle/Analysis/MaskGrid.h"

namespace heddle {

struct GridChoice {
  MaskGrid grid;
  MaskGrid::Tiles tiles;
};

/// What a kernel over boxes needs of its mask.
struct PreparedGrid : GridChoice {
  std::vector<PreparedMask> axes;
};

/// The grid of an attend's positions and what a block takes of it, if blocks are better off that way.
std::optional<GridChoice> findGrid(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule,
                                   llvm::ArrayRef<KernelOutput> outputs);
/// The choice in words.
std::string describeGrid(const GridChoice &choice);
/// Whether rows and keys are whole lines, slices, .. of the grid: i1 of the plan.
mlir::Value areWholeLines(PlanBuilder &plan, attn::AttendOp op, const MaskGrid &grid);
/// A mask by axes, for a kernel over boxes.
mlir::FailureOr<PreparedMask> prepareGrid(PlanBuilder &plan, const GridChoice &choice);

/// The extent of the outermost axis for so many positions, in the kernel's head.
mlir::Value countOutermost(const PreparedGrid &grid, mlir::Value positions, KernelBuilder &kernel);
/// How many boxes the rows are.
mlir::Value countBoxes(const PreparedGrid &grid, mlir::Value outerExtent, KernelBuilder &kernel);
/// The box of rows that is number `block`.
std::shared_ptr<const GridBox> locateRows(const PreparedGrid &grid, mlir::Value block, mlir::Value outerExtent,
                                          KernelBuilder &kernel);

/// The boxes of keys that a box of rows visits.
class GridKeys {
public:
  GridKeys(const PreparedGrid &grid, attn::AttendOp op, const RowBlock &block, const GridBox &rows,
           mlir::Value outerExtent, KernelBuilder &kernel, TileEmitter &emitter);

  mlir::Value getCount() const { return count; }

  struct Visit {
    std::shared_ptr<const GridBox> box;
    mlir::Value isPartial; ///< i1: whether it needs the mask
  };
  Visit visit(mlir::Value position) const;

private:
  const PreparedGrid &grid;
  KernelBuilder &kernel;
  mlir::Value outerExtent, count;
  struct Axis {
    KeyRange may, full;
    mlir::Value steps;
  };
  llvm::SmallVector<Axis> axes;
};

/// Whether rows see keys, both boxes: a tile of this shape.
mlir::FailureOr<mlir::Value> emitVisibleInBoxes(const PreparedGrid &grid, attn::AttendOp op, const RowBlock &block,
                                                const Lifted &row, const Lifted &key, llvm::ArrayRef<int64_t> shape,
                                                TileEmitter &emitter);

} // namespace heddle

#endif
