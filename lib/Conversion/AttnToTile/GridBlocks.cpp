//===- GridBlocks.cpp -------------------------------------------------------===//
#include "GridBlocks.h"
#include "PackedRows.h"
#include "dialects/Attn/SequenceLengths.h"
#include "dialects/Tile/RowParts.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace heddle;

AttendSchedule heddle::withSmallBoxes(AttendSchedule schedule) {
  constexpr int64_t groupRows = 64, groupWarps = 4, leastHalved = 128;
  schedule.fewerKeys = schedule.keys >= leastHalved ? schedule.keys / 2 : 0;
  schedule.rowsApart = schedule.warps / groupWarps * groupRows == schedule.rows ? groupRows : 0;
  return schedule;
}

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
  SmallVector<int64_t> keys{schedule.keys};
  if (schedule.fewerKeys)
    keys.push_back(schedule.fewerKeys);
  std::optional<MaskGrid::Tiles> tiles =
      grid->chooseTiles(schedule.rows, keys, schedule.rowsApart ? schedule.rows / schedule.rowsApart : 1,
                        MaskAnalysis::compute(op.getMask()));
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
  if (choice.tiles.parts != 1)
    os << " in " << choice.tiles.parts << " parts";
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
  auto rangesOf = [&](unsigned number, Value first, int64_t extent) {
    RowBlock line = block;
    line.firstRow = first;
    line.rowLength = number ? kernel.constant(rows.extents[number]) : rows.outerExtent;
    line.keyLength = number ? line.rowLength : outerExtent;
    Value last = arith::AddIOp::create(b, first, kernel.constant(extent));
    line.rowEnd = arith::MinSIOp::create(b, last, line.rowLength);
    return emitKeyRanges(grid.axes[number], op, line, kernel, emitter);
  };
  Value inner; // steps for each of the outermost axis
  for (unsigned number = 0; number < grid.axes.size(); ++number) {
    KeyRanges ranges = rangesOf(number, rows.origin[number], rows.tile[number]);
    Axis axis{ranges.may.front(), ranges.full.front(), {}};
    Value span = arith::MaxSIOp::create(b, arith::SubIOp::create(b, axis.may.end, axis.may.begin), zero);
    axis.steps = arith::CeilDivSIOp::create(b, span, kernel.constant(grid.tiles.keys[number]));
    if (number)
      inner = inner ? arith::MulIOp::create(b, inner, axis.steps).getResult() : axis.steps;
    axes.push_back(axis);
  }
  begin = zero;
  end = arith::MulIOp::create(b, axes.front().steps, inner);
  if (grid.tiles.parts == 1)
    return;
  // Steps are those of the whole block, so that its parts read the same keys.
  Value size = kernel.constant(grid.tiles.keys[0]);
  SmallVector<Value> begins, ends;
  for (int64_t part = 0, extent = rows.tile[0] / grid.tiles.parts; part < grid.tiles.parts; ++part) {
    Value first = arith::AddIOp::create(b, rows.origin[0], kernel.constant(part * extent));
    KeyRange may = rangesOf(0, first, extent).may.front();
    auto distance = [&](Value coordinate) {
      return arith::MaxSIOp::create(b, arith::SubIOp::create(b, coordinate, axes.front().may.begin), zero);
    };
    Value from = arith::DivUIOp::create(b, distance(may.begin), size);
    from = arith::MinSIOp::create(b, from, axes.front().steps);
    Value to = arith::CeilDivSIOp::create(b, distance(may.end), size);
    to = arith::MaxSIOp::create(b, arith::MinSIOp::create(b, to, axes.front().steps), from);
    begins.push_back(arith::MulIOp::create(b, from, inner));
    ends.push_back(arith::MulIOp::create(b, to, inner));
  }
  begin = tile::boundOfParts<arith::MinSIOp>(b, begins);
  end = tile::boundOfParts<arith::MaxSIOp>(b, ends);
}

SmallVector<Value> GridKeys::first() const {
  ImplicitLocOpBuilder &b = kernel.body();
  SmallVector<Value> at(axes.size());
  Value position = begin;
  for (unsigned number = axes.size(); number-- > 0;) {
    const Axis &axis = axes[number];
    Value step = position;
    if (number > 0) {
      step = arith::RemUIOp::create(b, position, axis.steps);
      position = arith::DivUIOp::create(b, position, axis.steps);
    }
    at[number] = arith::AddIOp::create(b, axis.may.begin,
                                       arith::MulIOp::create(b, step, kernel.constant(grid.tiles.keys[number])));
  }
  return at;
}

SmallVector<Value> GridKeys::next(ArrayRef<Value> at) const {
  ImplicitLocOpBuilder &b = kernel.body();
  SmallVector<Value> after(at);
  Value wraps;
  for (unsigned number = axes.size(); number-- > 0;) {
    const Axis &axis = axes[number];
    Value moved = arith::AddIOp::create(b, at[number], kernel.constant(grid.tiles.keys[number]));
    after[number] = wraps ? arith::SelectOp::create(b, wraps, moved, at[number]).getResult() : moved;
    if (number == 0)
      break;
    wraps = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, after[number], axis.may.end);
    after[number] = arith::SelectOp::create(b, wraps, axis.may.begin, after[number]);
  }
  return after;
}

GridKeys::Visit GridKeys::visit(ArrayRef<Value> at) const {
  ImplicitLocOpBuilder &b = kernel.body();
  std::shared_ptr<GridBox> box = makeBox(grid, grid.tiles.keys, outerExtent);
  box->origin.assign(at.begin(), at.end());
  Value isFull;
  for (auto [axis, here, size] : llvm::zip_equal(axes, at, grid.tiles.keys)) {
    Value end = arith::AddIOp::create(b, here, kernel.constant(size));
    for (Value inside : {arith::CmpIOp::create(b, arith::CmpIPredicate::sge, here, axis.full.begin).getResult(),
                         arith::CmpIOp::create(b, arith::CmpIPredicate::sle, end, axis.full.end).getResult()})
      isFull = isFull ? arith::AndIOp::create(b, isFull, inside).getResult() : inside;
  }
  return {box, arith::XOrIOp::create(b, isFull, arith::ConstantIntOp::create(b, 1, 1))};
}

FailureOr<RowState> GridKeys::visitAll(const RowState &initial,
                                       function_ref<FailureOr<RowState>(const Visit &, RowState)> step) const {
  SmallVector<Value> carried = initial.flatten();
  size_t stateSize = carried.size();
  llvm::append_range(carried, first());
  auto body = [&](Value, ArrayRef<Value> values) -> FailureOr<SmallVector<Value>> {
    ArrayRef<Value> at = values.drop_front(stateSize);
    FailureOr<RowState> state = step(visit(at), initial.with(values.take_front(stateSize)));
    if (failed(state))
      return failure();
    SmallVector<Value> yielded = state->flatten();
    llvm::append_range(yielded, next(at));
    return yielded;
  };
  FailureOr<SmallVector<Value>> last = loopOver(kernel.body(), begin, end, kernel.constant(1), carried, body);
  if (failed(last))
    return failure();
  return initial.with(ArrayRef(*last).take_front(stateSize));
}

/// Whether rows see keys, both boxes: a tile of this shape, or null if the mask says nothing.
static FailureOr<Value> emitVisibleInBoxes(const PreparedGrid &grid, attn::AttendOp op, const RowBlock &block,
                                           const Lifted &row, const Lifted &key, ArrayRef<int64_t> shape, bool allExist,
                                           TileEmitter &emitter) {
  // What is said of an axis is the same for all keys on one of its coordinates, so it comes together first.
  ImplicitLocOpBuilder &b = emitter.builder();
  auto both = [&](Value one, Value other) {
    return one && other ? arith::AndIOp::create(b, one, other).getResult() : (one ? one : other);
  };
  Value visible;
  for (auto [axis, mask] : llvm::enumerate(grid.axes)) {
    Value here = allExist ? Value() : emitter.materialize({emitter.existsAlong(key, axis)}, shape);
    if (!mask.analysis->isAlwaysTrue()) {
      FailureOr<Value> seen = emitVisible(mask, op, block, {emitter.coordinate(row, axis)},
                                          {emitter.coordinate(key, axis)}, shape, emitter);
      if (failed(seen))
        return failure();
      here = both(here, *seen);
    }
    visible = both(visible, here);
  }
  return visible;
}

SmallVector<Value> heddle::selectEach(ImplicitLocOpBuilder &b, Value visible, ValueRange tiles, Value otherwise) {
  return llvm::map_to_vector(tiles,
                             [&](Value tile) -> Value { return arith::SelectOp::create(b, visible, tile, otherwise); });
}

FailureOr<SmallVector<Value>> heddle::emitMaskedInBoxes(const PreparedGrid &grid, attn::AttendOp op,
                                                        const RowBlock &block, const Lifted &row, const Lifted &key,
                                                        ValueRange tiles, Value otherwise, TileEmitter &emitter) {
  // Few boxes lie across the end of an axis; whether a key exists is asked in those alone.
  ImplicitLocOpBuilder &b = emitter.builder();
  const GridBox &box = *key.box;
  Value allExist;
  for (auto [axis, size] : llvm::enumerate(box.tile)) {
    Value end = arith::AddIOp::create(b, box.origin[axis], arith::ConstantIndexOp::create(b, size));
    Value extent = axis ? arith::ConstantIndexOp::create(b, box.extents[axis]).getResult() : box.outerExtent;
    Value exist = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, end, extent);
    allExist = allExist ? arith::AndIOp::create(b, allExist, exist).getResult() : exist;
  }
  auto branch = scf::IfOp::create(b, tiles.getTypes(), allExist, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  for (Block *where : {branch.thenBlock(), branch.elseBlock()}) {
    b.setInsertionPointToStart(where);
    ArrayRef<int64_t> shape = cast<RankedTensorType>(otherwise.getType()).getShape();
    FailureOr<Value> visible =
        emitVisibleInBoxes(grid, op, block, row, key, shape, where == branch.thenBlock(), emitter);
    if (failed(visible))
      return failure();
    scf::YieldOp::create(b, *visible ? selectEach(b, *visible, tiles, otherwise) : SmallVector<Value>(tiles));
  }
  return SmallVector<Value>(branch.getResults());
}
