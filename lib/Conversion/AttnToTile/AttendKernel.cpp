//===- AttendKernel.cpp - attend as a tile program --------------------------===//
//
// One block computes `rows` rows of one head against the blocks of keys that they may
// see, and a slice of the value columns. The same emission gives five kernels:
//
//   direct:   for all key blocks: step;  finish, store
//   partial:  for a share of the key blocks: step;  store the unfinished state
//   merge:    for all shares: combine;  finish, store
//   begin:    for the key blocks of a part of the mask: step;  store the unfinished state
//   finish:   load that state;  for the key blocks of another part: step;  finish, store
//
// Partial and merge run when there are fewer blocks of rows than the machine runs at a
// time; the others take rows and keys by residue classes, direct by boxes of a grid, where
// their mask says so. Tests: test/Conversion/attn-to-tile{,-split,-residues,-grid}.mlir.
//
//===----------------------------------------------------------------------===//
#include "AttendKernel.h"
#include "ApartKeys.h"
#include "AttnShape.h"
#include "BlockPlace.h"
#include "GridBlocks.h"
#include "MaskKernels.h"
#include "OutputStore.h"
#include "PackedRows.h"
#include "RowNormalizer.h"
#include "SplitState.h"
#include "WorkOrder.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

static int64_t padded(int64_t size) { return llvm::alignTo(size, 16); }

namespace {

class AttendKernel {
public:
  AttendKernel(PlanBuilder &plan, attn::AttendOp op, attn::NormalizerOp definition, const AttendSchedule &schedule,
               const PreparedMask &mask, AttendRole role, const SplitWorkspace *workspace, const StagedKeys *staged)
      : op(op), schedule(schedule), mask(mask), role(role), workspace(workspace), staged(staged),
        kernel(KernelBuilder::create(plan)), emitter(kernel), normalizer(op, definition, emitter, schedule.rows) {}

  LogicalResult emit(ArrayRef<KernelOutput> outputs);

private:
  ImplicitLocOpBuilder &b() { return kernel.body(); }
  Value constant(int64_t value) { return kernel.constant(value); }

  WorkOrder chooseOrder(bool isPacked);
  Value headsPerGroup();
  Value countRowBlocks();
  void startBlock();
  BlockPlace place() { return {kernel, batchCount, headCount, batch, head}; }
  Lifted batchOf(Value tensor) { return place().batchOf(tensor); }
  Lifted headOf(Value tensor) { return place().headOf(tensor); }
  int64_t getDepth(Value operand) { return padded(cast<RankedTensorType>(operand.getType()).getDimSize(3)); }
  int64_t getColumns(unsigned value) {
    return std::min(schedule.valueColumns,
                    padded(cast<RankedTensorType>(op.getValueGroups()[value][0].getType()).getDimSize(3)));
  }
  Value loadTile(Value tensor, const Lifted &rows, Value firstColumn, int64_t columns);
  Value loadStaged(Value tensor, bool isKey, Value firstKey);

  FailureOr<RowState> visitKeys();
  FailureOr<RowState> stepOver(Value firstKey, Value isPartial, RowState state);
  FailureOr<RowState> stepOver(const Lifted &key, const Lifted &j, Value firstKey, Value isPartial, RowState state);
  RowState initialState();
  FailureOr<RowState> visitBoxes();
  FailureOr<SmallVector<Value>> scoreOf(ArrayRef<Value> dots, const Lifted &j, Value isPartial);
  SplitState splitState();
  LogicalResult storeResults(const RowState &state, ArrayRef<KernelOutput> outputs);

  attn::AttendOp op;
  const AttendSchedule &schedule;
  const PreparedMask &mask;
  AttendRole role;
  const SplitWorkspace *workspace;
  const StagedKeys *staged; ///< null: keys and values are read where they are
  KernelBuilder kernel;
  TileEmitter emitter;
  RowNormalizer normalizer;

  Value batchCount, headCount, rowCount, keyCount, splits; // of the head
  Value batch, head, firstRow, firstColumn, split;         // of the block
  Value residue, keyResidue;                               // of its rows and keys, where they are taken by classes
  Value outerRows, outerKeys;                              // extents of a grid's outermost axis
  Value rowLength, keyLength;                              // positions (of the class) that exist in this batch element
  Lifted row;
  SmallVector<Value> rowTiles;
};

} // namespace

/// Where only the device knows how long pieces are, blocks take them as they become free. (Of lists a block for each
/// piece is as fast, and 6 % faster where most of its steps need the mask.)
WorkOrder AttendKernel::chooseOrder(bool isPacked) {
  if (role == AttendRole::Partial || role == AttendRole::Merge)
    return WorkOrder::Blocks;
  if (schedule.order || !schedule.isPersistent || mask.list)
    return schedule.order.value_or(WorkOrder::Blocks);
  // Of boxes pieces are short, and what they begin with are long chains of divisions, which copying threads have early.
  if (isPacked || mask.violations || mask.grid)
    return WorkOrder::Counter;
  bool areUnequal = op.hasMask() && !op.getPositions(op.getMask()).i.use_empty();
  return areUnequal ? WorkOrder::BackAndForth : WorkOrder::Rounds;
}

/// How many heads' keys and values the cache holds.
Value AttendKernel::headsPerGroup() {
  ImplicitLocOpBuilder &h = kernel.head();
  if (!schedule.cachedKeys)
    return constant(1);
  Value keyHeads = kernel.dim(op.getDots().front()[1], 1);
  Value keys = arith::MaxSIOp::create(h, arith::MulIOp::create(h, keyCount, keyHeads), constant(1));
  Value group = arith::DivUIOp::create(h, arith::MulIOp::create(h, headCount, constant(schedule.cachedKeys)), keys);
  return arith::MaxSIOp::create(h, group, constant(1));
}

/// Of all classes, where rows are taken by them: as many of each as the largest has.
Value AttendKernel::countRowBlocks() {
  if (mask.grid)
    return countBoxes(*mask.grid, outerRows, kernel);
  ImplicitLocOpBuilder &h = kernel.head();
  int64_t classes = mask.getModulus();
  Value rows = rowCount;
  if (classes != 1)
    rows = arith::CeilDivSIOp::create(h, rows, constant(classes));
  Value blocks = arith::CeilDivSIOp::create(h, rows, constant(schedule.rows));
  return classes == 1 ? blocks : arith::MulIOp::create(h, blocks, constant(classes)).getResult();
}

void AttendKernel::startBlock() {
  ImplicitLocOpBuilder &h = kernel.head();
  batchCount = getAttendSize(kernel, h, op, 0);
  headCount = getAttendSize(kernel, h, op, 1);
  rowCount = getAttendSize(kernel, h, op, 2);
  keyCount = getAttendSize(kernel, h, op, 3);
  if (mask.grid) {
    outerRows = countOutermost(*mask.grid, rowCount, kernel);
    outerKeys = countOutermost(*mask.grid, keyCount, kernel);
  }
  int64_t widest = 1;
  for (unsigned value = 0; value < op.getNumValues(); ++value)
    widest = std::max(widest, padded(cast<RankedTensorType>(op.getValueGroups()[value][0].getType()).getDimSize(3)));
  int64_t slices = llvm::divideCeil(widest, schedule.valueColumns);
  bool isShare = role == AttendRole::Partial || role == AttendRole::Merge;
  splits = isShare ? kernel.import(workspace->splits) : constant(1);
  Value perRow =
      role == AttendRole::Partial ? arith::MulIOp::create(h, splits, constant(slices)).getResult() : constant(slices);
  std::optional<PackedRows> packedRows = PackedRows::find(op, kernel.getPlan());
  Value rowBlocks = packedRows ? packedRows->countBlocks(kernel, batchCount, schedule.rows) : countRowBlocks();
  Value blocks = arith::MulIOp::create(h, rowBlocks, perRow);
  WorkOrder order = chooseOrder(packedRows.has_value());
  WorkItem item = startWork(kernel, order,
                            {blocks, headCount, packedRows ? constant(1) : batchCount,
                             order == WorkOrder::BackAndForth ? headsPerGroup() : Value(), schedule.batchesFastest});

  // The last rows first: under a mask that looks back they have the most keys.
  Value rowBlock = arith::DivUIOp::create(b(), item.rows, perRow),
        rest = arith::RemUIOp::create(b(), item.rows, perRow);
  rowBlock = arith::SubIOp::create(b(), arith::SubIOp::create(b(), rowBlocks, constant(1)), rowBlock);
  head = item.head;
  batch = item.batch;
  if (packedRows)
    std::tie(batch, rowBlock) = packedRows->locate(emitter, rowBlock, batchCount, schedule.rows, kernel);
  int64_t classes = mask.getModulus();
  if (classes != 1) {
    residue = arith::RemUIOp::create(b(), rowBlock, constant(classes));
    rowBlock = arith::DivUIOp::create(b(), rowBlock, constant(classes));
  }
  firstRow = arith::MulIOp::create(b(), rowBlock, constant(schedule.rows));
  firstColumn = constant(0);
  split = rest;
  if (slices > 1) {
    Value slice = arith::RemUIOp::create(b(), rest, constant(slices));
    firstColumn = arith::MulIOp::create(b(), slice, constant(schedule.valueColumns));
    split = arith::DivUIOp::create(b(), rest, constant(slices));
  }
  Lengths lengths = emitLengths(op, batch, rowCount, keyCount, kernel, emitter);
  rowLength = lengths.rows;
  keyLength = lengths.keys;
  if (role != AttendRole::Merge)
    reportClamped(kernel, lengths.isClamped);
  if (classes != 1) {
    RowBlock block{batch, head, firstRow, {}, {}, {}, residue};
    keyResidue = emitKeyResidue(mask, op, block, kernel, emitter);
    rowLength = emitter.countOfClass(rowLength, residue, classes);
    keyLength = emitter.countOfClass(keyLength, keyResidue, classes);
  }
  row = mask.grid ? Lifted::ofBox(0, locateRows(*mask.grid, rowBlock, outerRows, kernel))
                  : Lifted::positions(0, schedule.rows, firstRow, rowLength).ofClass(classes, residue);
  normalizer.setRow({batch}, {head}, row);
}

Value AttendKernel::loadTile(Value tensor, const Lifted &rows, Value column, int64_t columns) {
  Lifted indices[] = {batchOf(tensor), headOf(tensor), rows, Lifted::positions(1, columns, column)};
  return emitter.tile(tensor, indices, {rows.extent, columns});
}

Value AttendKernel::loadStaged(Value tensor, bool isKey, Value firstKey) {
  Value block = arith::DivUIOp::create(b(), firstKey, constant(schedule.keys));
  return staged->load(kernel, tensor, isKey, batchOf(tensor).value, headOf(tensor).value, block);
}

FailureOr<SmallVector<Value>> AttendKernel::scoreOf(ArrayRef<Value> dots, const Lifted &j, Value isPartial) {
  TileShape shape{schedule.rows, schedule.keys};
  SmallVector<Value> scores(dots);
  if (op.hasScore()) {
    SmallVector<Lifted> arguments(llvm::map_range(dots, [](Value dot) { return Lifted{dot}; }));
    llvm::append_values(arguments, Lifted{batch}, Lifted{head}, row, j);
    FailureOr<SmallVector<Lifted>> yielded = emitter.apply(op.getScore().front(), arguments);
    if (failed(yielded))
      return failure();
    scores.clear();
    for (const Lifted &score : *yielded)
      scores.push_back(emitter.materialize(score, shape));
  }
  // An invisible score is -inf; an invisible weight (nothing is normalized) is 0.
  auto branch = scf::IfOp::create(b(), ValueRange(scores).getTypes(), isPartial, /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(branch.thenBlock());
    RowBlock block{batch, head, {}, {}, {}, {}, residue};
    double otherwise = op.isNormalized() ? -std::numeric_limits<double>::infinity() : 0.0;
    Value invisible = emitter.constantTile(shape, b().getF32Type(), otherwise);
    if (mask.grid) {
      auto masked = emitMaskedInBoxes(*mask.grid, op, block, row, j, scores, invisible, emitter);
      if (failed(masked))
        return failure();
      scf::YieldOp::create(b(), *masked);
    } else {
      Lifted limited = j;
      limited.limit = keyLength;
      Value visible = emitter.materialize({emitter.exists(limited)}, shape);
      FailureOr<Value> seen = emitVisible(mask, op, block, row, j, shape, emitter);
      if (failed(seen))
        return failure();
      Value both = *seen ? arith::AndIOp::create(b(), visible, *seen).getResult() : visible;
      scf::YieldOp::create(b(), selectEach(b(), both, scores, invisible));
    }
    b().setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b(), scores);
  }
  return SmallVector<Value>(branch.getResults());
}

FailureOr<RowState> AttendKernel::stepOver(Value firstKey, Value isPartial, RowState state) {
  Lifted key = Lifted::positions(0, schedule.keys, firstKey, keyLength).ofClass(mask.getModulus(), keyResidue);
  Lifted j = Lifted::positions(1, schedule.keys, firstKey).ofClass(mask.getModulus(), keyResidue);
  return stepOver(key, j, firstKey, isPartial, std::move(state));
}

/// Keys as rows of a loaded tile, and as columns of the scores.
FailureOr<RowState> AttendKernel::stepOver(const Lifted &key, const Lifted &j, Value firstKey, Value isPartial,
                                           RowState state) {
  TileShape shape{schedule.rows, schedule.keys};
  SmallVector<Value> dots;
  for (auto [index, dot] : llvm::enumerate(op.getDots())) {
    Value keys =
        staged ? loadStaged(dot[1], /*isKey=*/true, firstKey) : loadTile(dot[1], key, constant(0), getDepth(dot[1]));
    if (!keys)
      return failure();
    Value zero = emitter.constantTile(shape, b().getF32Type(), 0.0);
    UnitAttr transposed = staged ? UnitAttr() : b().getUnitAttr();
    dots.push_back(tile::DotOp::create(b(), zero.getType(), rowTiles[index], keys, zero, UnitAttr(), transposed));
  }
  FailureOr<SmallVector<Value>> scores = scoreOf(dots, j, isPartial);
  if (failed(scores))
    return failure();
  FailureOr<SmallVector<Value>> weights =
      op.isNormalized() ? normalizer.step(state, scores->front(), j, isPartial) : std::move(scores);
  if (failed(weights))
    return failure();

  unsigned perValue = normalizer.getNumWeights();
  for (unsigned value = 0; value < op.getNumValues(); ++value) {
    Value tensor = op.getValueGroups()[value][0];
    Value values =
        staged ? loadStaged(tensor, /*isKey=*/false, firstKey) : loadTile(tensor, key, firstColumn, getColumns(value));
    if (!values)
      return failure();
    Type element = getElementTypeOrSelf(values.getType());
    for (unsigned weight = 0; weight < perValue; ++weight) {
      Value factor = op.isNormalized() ? (*weights)[weight] : (*weights)[value];
      if (!element.isF32())
        factor = arith::TruncFOp::create(b(), RankedTensorType::get(shape, element), factor);
      Value &accumulator = state.accumulators[value * perValue + weight];
      accumulator =
          tile::DotOp::create(b(), accumulator.getType(), factor, values, accumulator, UnitAttr(), UnitAttr());
    }
  }
  return state;
}

RowState AttendKernel::initialState() {
  SmallVector<int64_t> columns;
  for (unsigned value = 0; value < op.getNumValues(); ++value)
    columns.push_back(getColumns(value));
  RowState none = normalizer.initial(columns);
  return role == AttendRole::Finish ? splitState().load(constant(0), none) : none;
}

FailureOr<RowState> AttendKernel::visitBoxes() {
  GridKeys boxes(*mask.grid, op, {batch, head, {}, {}, {}, {}, {}}, *row.box, outerKeys, kernel, emitter);
  return boxes.visitAll(initialState(), [&](const GridKeys::Visit &visit, RowState state) {
    return stepOver(Lifted::ofBox(0, visit.box), Lifted::ofBox(1, visit.box), {}, visit.isPartial, std::move(state));
  });
}

FailureOr<RowState> AttendKernel::visitKeys() {
  for (ValueRange dot : op.getDots()) {
    rowTiles.push_back(loadTile(dot[0], row, constant(0), getDepth(dot[0])));
    if (!rowTiles.back())
      return failure();
  }
  if (mask.grid)
    return visitBoxes();
  Value rowEnd = arith::MinSIOp::create(b(), arith::AddIOp::create(b(), firstRow, constant(schedule.rows)), rowLength);
  RowBlock rowBlock{batch, head, firstRow, rowEnd, rowLength, keyLength, residue};
  KeyBlocks blocks = emitKeyBlocks(mask, op, rowBlock, schedule, kernel, emitter);
  // A block of rows beyond its sequence sees nothing.
  Value exists = arith::CmpIOp::create(b(), arith::CmpIPredicate::slt, firstRow, rowLength);
  Value end = arith::SelectOp::create(b(), exists, blocks.getCount(), constant(0)), begin = constant(0);
  if (role == AttendRole::Partial) {
    Value share = arith::CeilDivSIOp::create(b(), end, splits);
    begin = arith::MinSIOp::create(b(), arith::MulIOp::create(b(), split, share), end);
    end = arith::MinSIOp::create(b(), arith::AddIOp::create(b(), begin, share), end);
  }
  RowState initial = initialState();
  if (blocks.getPartialCount())
    return visitApart(b(), blocks, begin, end, op.hasMask(), std::move(initial),
                      [&](Value firstKey, Value isPartial, RowState state) {
                        return stepOver(firstKey, isPartial, std::move(state));
                      });
  return loopOver(b(), begin, end, constant(1), initial, [&](Value position, RowState state) {
    KeyBlocks::Visit visit = blocks.visit(b(), position);
    return stepOver(visit.firstKey, visit.isPartial, std::move(state));
  });
}

SplitState AttendKernel::splitState() {
  return SplitState(kernel, workspace->arrays,
                    {batch, head, firstRow, firstColumn, rowLength, mask.getModulus(), residue});
}

LogicalResult AttendKernel::storeResults(const RowState &state, ArrayRef<KernelOutput> outputs) {
  FailureOr<RowNormalizer::Finished> finished = normalizer.finish(state);
  if (failed(finished))
    return failure();
  SmallVector<Lifted> rowIndices{{batch}, {head}, row};
  for (auto [index, result] : llvm::enumerate(op.getValueResults())) {
    SmallVector<Lifted> indices(rowIndices);
    indices.push_back(Lifted::positions(1, getColumns(index), firstColumn));
    Value tile = finished->results[index];
    Type element = getElementTypeOrSelf(result.getType());
    if (!element.isF32())
      tile = arith::TruncFOp::create(b(), cast<RankedTensorType>(tile.getType()).clone(element), tile);
    emitter.provide(result, indices, tile);
  }
  for (StringRef name : op.getStatNames())
    emitter.provide(op.getStatResult(name), rowIndices, finished->stats[name]);
  for (const KernelOutput &output : outputs) {
    SmallVector<Lifted> indices(rowIndices);
    int64_t columns = 1;
    if (cast<RankedTensorType>(getLogicalSource(output.tensor).getType()).getRank() == 4) {
      columns = std::min(schedule.valueColumns,
                         padded(cast<RankedTensorType>(getLogicalSource(output.tensor).getType()).getDimSize(3)));
      indices.push_back(Lifted::positions(1, columns, firstColumn));
    }
    if (failed(storeOutput(kernel, emitter, output, indices, {schedule.rows, columns})))
      return failure();
  }
  return success();
}

LogicalResult AttendKernel::emit(ArrayRef<KernelOutput> outputs) {
  startBlock();
  FailureOr<RowState> state = role == AttendRole::Merge
                                  ? splitState().merge(normalizer, initialState(), splits, schedule.mergedTogether)
                                  : visitKeys();
  if (failed(state))
    return failure();
  if (role == AttendRole::Partial || role == AttendRole::Begin)
    splitState().store(split, *state);
  else if (failed(storeResults(*state, outputs)))
    return failure();
  kernel.launch();
  return success();
}

LogicalResult heddle::emitAttendKernel(PlanBuilder &plan, attn::AttendOp op, attn::NormalizerOp normalizer,
                                       const AttendSchedule &schedule, const PreparedMask &mask, AttendRole role,
                                       const SplitWorkspace *workspace, ArrayRef<KernelOutput> outputs,
                                       const StagedKeys *staged) {
  return AttendKernel(plan, op, normalizer, schedule, mask, role, workspace, staged).emit(outputs);
}
