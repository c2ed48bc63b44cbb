//===- GridBlocks.cpp -------------------------------------------------------===//
#include "GridBlocks.h"
#include "PackedRows.h"
#include "dialects/Attn/SequenceLengths.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace heddle;

std::optional<GridChoice> heddle::findGrid(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule,
                                           ArrayRef<KernelOutput> outputs) {
  if (!op.hasMask() || readsPairs(op) || PackedRows::find(op, plan))
    return std::nullopt;
  // Boxes are read from arrays as they lie in memory, all of whose positions exist.
  auto isStored = [&](Value operand) { return bool(plan.memory(operand)); };
  auto isPlain = [](const KernelOutput &output) { return !output.tensor.getDefiningOp<attn::AccumulateOp>(); };
  if (!llvm::all_of(op.getRowOperands(), isStored) || !llvm::all_of(op.getKeyOperands(), isStored) ||
      !llvm::all_of(outputs, isPlain))
    return std::nullopt;
  std::optional<MaskGrid> grid = MaskGrid::find(op.getMask());
  if (!grid)
    return std::nullopt;
  std::optional<MaskGrid::Tiles> tiles =
      grid->chooseTiles(schedule.rows, schedule.keys, MaskAnalysis::compute(op.getMask()));
  if (!tiles)
    return std::nullopt;
  return GridChoice{std::move(*grid), std::move(*tiles)};
}

std::string heddle::describeGrid(const GridChoice &choice) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "lines of a grid ?";
  for (unsigned axis = 1; axis < choice.grid.getRank(); ++axis)
    os << " x " << choice.grid.getExtent(axis);
  os << ": rows ";
  llvm::interleave(choice.tiles.rows, os, " x ");
  os << ", keys ";
  llvm::interleave(choice.tiles.keys, os, " x ");
  if (choice.tiles.keysPerRow >= 0)
    os << llvm::formatv(", a row visits {0:F0} keys, {1:F0} of them without the mask", choice.tiles.keysPerRow,
                        choice.tiles.fullKeysPerRow);
  os << '\n';
  return text;
}

Value heddle::areWholeLines(PlanBuilder &plan, attn::AttendOp op, const MaskGrid &grid) {
  ImplicitLocOpBuilder &b = plan.getBuilder();
  Value inner = plan.constant(grid.getInner()), zero = plan.constant(0), all;
  for (int64_t which : {2, 3}) {
    Value rest = arith::RemSIOp::create(b, getAttendSize(plan, b, op, which), inner);
    Value isWhole = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, rest, zero);
    all = all ? arith::AndIOp::create(b, all, isWhole).getResult() : isWhole;
  }
  return all;
}

FailureOr<PreparedMask> heddle::prepareGrid(PlanBuilder &plan, const GridChoice &choice) {
  auto grid = std::make_shared<PreparedGrid>();
  static_cast<GridChoice &>(*grid) = choice;
  for (const MaskAnalysis &axis : choice.grid.getAxes()) {
    FailureOr<PreparedMask> mask = preparePart(plan, axis);
    if (failed(mask))
      return failure();
    grid->axes.push_back(std::move(*mask));
  }
  PreparedMask mask;
  mask.grid = std::move(grid);
  return mask;
}

Value heddle::countOutermost(const PreparedGrid &grid, Value positions, KernelBuilder &kernel) {
  return arith::DivUIOp::create(kernel.head(), positions, kernel.constant(grid.grid.getInner()));
}

Value heddle::countBoxes(const PreparedGrid &grid, Value outerExtent, KernelBuilder &kernel) {
  Value count = arith::CeilDivSIOp::create(kernel.head(), outerExtent, kernel.constant(grid.tiles.rows[0]));
  for (unsigned axis = 1; axis < grid.grid.getRank(); ++axis)
    count =
        arith::MulIOp::create(kernel.head(), count, kernel.constant(grid.grid.getExtent(axis) / grid.tiles.rows[axis]));
  return count;
}

/// A box of the grid with nothing said of where it lies.
static std::shared_ptr<GridBox> makeBox(const PreparedGrid &grid, ArrayRef<int64_t> tile, Value outerExtent) {
  auto box = std::make_shared<GridBox>();
  box->tile.assign(tile.begin(), tile.end());
  box->extents.push_back(ShapedType::kDynamic);
  for (unsigned axis = 1; axis < grid.grid.getRank(); ++axis)
    box->extents.push_back(grid.grid.getExtent(axis));
  box->origin.resize(tile.size());
  box->outerExtent = outerExtent;
  return box;
}

std::shared_ptr<const GridBox> heddle::locateRows(const PreparedGrid &grid, Value block, Value outerExtent,
                                                  KernelBuilder &kernel) {
  ImplicitLocOpBuilder &b = kernel.body();
  std::shared_ptr<GridBox> box = makeBox(grid, grid.tiles.rows, outerExtent);
  for (unsigned axis = grid.grid.getRank(); axis-- > 0;) {
    Value place = block;
    if (axis > 0) {
      Value blocks = kernel.constant(grid.grid.getExtent(axis) / grid.tiles.rows[axis]);
      place = arith::RemUIOp::create(b, block, blocks);
      block = arith::DivUIOp::create(b, block, blocks);
    }
    box->origin[axis] = arith::MulIOp::create(b, place, kernel.constant(grid.tiles.rows[axis]));
  }
  return box;
}

GridKeys::GridKeys(const PreparedGrid &grid, attn::AttendOp op, const RowBlock &block, const GridBox &rows,
                   Value outerExtent, KernelBuilder &kernel, TileEmitter &emitter)
    : grid(grid), kernel(kernel), outerExtent(outerExtent) {
  ImplicitLocOpBuilder &b = kernel.body();
  Value zero = kernel.constant(0);
  for (auto [number, mask] : llvm::enumerate(grid.axes)) {
    RowBlock line = block;
    line.firstRow = rows.origin[number];
    line.rowLength = number ? kernel.constant(rows.extents[number]) : rows.outerExtent;
    line.keyLength = number ? line.rowLength : outerExtent;
    Value end = arith::AddIOp::create(b, line.firstRow, kernel.constant(rows.tile[number]));
    line.rowEnd = arith::MinSIOp::create(b, end, line.rowLength);
    KeyRanges ranges = emitKeyRanges(mask, op, line, kernel, emitter);
    Axis axis{ranges.may.front(), ranges.full.front(), {}};
    Value span = arith::MaxSIOp::create(b, arith::SubIOp::create(b, axis.may.end, axis.may.begin), zero);
    axis.steps = arith::CeilDivSIOp::create(b, span, kernel.constant(grid.tiles.keys[number]));
    count = count ? arith::MulIOp::create(b, count, axis.steps).getResult() : axis.steps;
    axes.push_back(axis);
  }
}

GridKeys::Visit GridKeys::visit(Value position) const {
  ImplicitLocOpBuilder &b = kernel.body();
  std::shared_ptr<GridBox> box = makeBox(grid, grid.tiles.keys, outerExtent);
  Value isFull;
  for (unsigned number = axes.size(); number-- > 0;) {
    const Axis &axis = axes[number];
    Value step = position, size = kernel.constant(grid.tiles.keys[number]);
    if (number > 0) {
      step = arith::RemUIOp::create(b, position, axis.steps);
      position = arith::DivUIOp::create(b, position, axis.steps);
    }
    Value begin = arith::AddIOp::create(b, axis.may.begin, arith::MulIOp::create(b, step, size));
    Value end = arith::AddIOp::create(b, begin, size);
    for (Value inside : {arith::CmpIOp::create(b, arith::CmpIPredicate::sge, begin, axis.full.begin).getResult(),
                         arith::CmpIOp::create(b, arith::CmpIPredicate::sle, end, axis.full.end).getResult()})
      isFull = isFull ? arith::AndIOp::create(b, isFull, inside).getResult() : inside;
    box->origin[number] = begin;
  }
  return {box, arith::XOrIOp::create(b, isFull, arith::ConstantIntOp::create(b, 1, 1))};
}

FailureOr<Value> heddle::emitVisibleInBoxes(const PreparedGrid &grid, attn::AttendOp op, const RowBlock &block,
                                            const Lifted &row, const Lifted &key, ArrayRef<int64_t> shape,
                                            TileEmitter &emitter) {
  // What is said of an axis is the same for all keys on one of its coordinates, so it comes together first.
  ImplicitLocOpBuilder &b = emitter.builder();
  Value visible;
  for (auto [axis, mask] : llvm::enumerate(grid.axes)) {
    Value here = emitter.materialize({emitter.existsAlong(key, axis)}, shape);
    if (!mask.analysis->isAlwaysTrue()) {
      FailureOr<Value> seen = emitVisible(mask, op, block, {emitter.coordinate(row, axis)},
                                          {emitter.coordinate(key, axis)}, shape, emitter);
      if (failed(seen))
        return failure();
      here = arith::AndIOp::create(b, here, *seen);
    }
    visible = visible ? arith::AndIOp::create(b, visible, here).getResult() : here;
  }
  return visible;
}
