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
#include "RowNormalizer.h"
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

/// A schedule for products of warpgroups, but boxes of keys may be smaller than its steps and warps may leave out
/// steps.
AttendSchedule withSmallBoxes(AttendSchedule schedule);
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

  struct Visit {
    std::shared_ptr<const GridBox> box;
    mlir::Value isPartial; ///< i1: whether it needs the mask
  };
  /// Goes through the boxes in order. Where parts of the rows see some of them only, the loop says so (RowParts.h).
  mlir::FailureOr<RowState> visitAll(const RowState &initial,
                                     llvm::function_ref<mlir::FailureOr<RowState>(const Visit &, RowState)> step) const;

private:
  /// The first key of the first step's box, by axes, and of the step after one. Without quotients, in each step.
  llvm::SmallVector<mlir::Value> first() const;
  llvm::SmallVector<mlir::Value> next(llvm::ArrayRef<mlir::Value> at) const;
  Visit visit(llvm::ArrayRef<mlir::Value> at) const;

  const PreparedGrid &grid;
  KernelBuilder &kernel;
  mlir::Value outerExtent;
  mlir::Value begin, end; ///< of the steps
  struct Axis {
    KeyRange may, full;
    mlir::Value steps;
  };
  llvm::SmallVector<Axis> axes;
};

/// Tiles with `otherwise` in place of what `visible` is not true of.
llvm::SmallVector<mlir::Value> selectEach(mlir::ImplicitLocOpBuilder &builder, mlir::Value visible,
                                          mlir::ValueRange tiles, mlir::Value otherwise);
/// The same for what rows see of keys, both boxes.
mlir::FailureOr<llvm::SmallVector<mlir::Value>> emitMaskedInBoxes(const PreparedGrid &grid, attn::AttendOp op,
                                                                  const RowBlock &block, const Lifted &row,
                                                                  const Lifted &key, mlir::ValueRange tiles,
                                                                  mlir::Value otherwise, TileEmitter &emitter);

} // namespace heddle

#endif
