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
#include "AttendRows.h"
#include "GridBlocks.h"
#include "MaskKernels.h"
#include "OutputStore.h"
#include "PackedRows.h"
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
      : op(op), schedule(schedule), mask(mask), role(role), workspace(workspace), kernel(KernelBuilder::create(plan)),
        emitter(kernel), rows(kernel, emitter, op, definition, schedule, mask, staged) {}

  LogicalResult emit(ArrayRef<KernelOutput> outputs);

private:
  ImplicitLocOpBuilder &b() { return kernel.body(); }
  Value constant(int64_t value) { return kernel.constant(value); }

  WorkOrder chooseOrder(bool isPacked);
  Value headsPerGroup();
  Value countRowBlocks();
  void startBlock();

  FailureOr<RowState> visitKeys();
  RowState initialState();
  SplitState splitState();
  LogicalResult storeResults(const RowState &state, ArrayRef<KernelOutput> outputs);

  attn::AttendOp op;
  const AttendSchedule &schedule;
  const PreparedMask &mask;
  AttendRole role;
  const SplitWorkspace *workspace;
  KernelBuilder kernel;
  TileEmitter emitter;
  AttendRows rows;

  Value batchCount, headCount, rowCount, keyCount, splits; // of the head
  Value outerRows;                                         // extent of a grid's outermost axis
  Value split;                                             // of the block
  RowsPlace place;
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
    place.outerKeys = countOutermost(*mask.grid, keyCount, kernel);
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
  Value batch = item.batch;
  if (packedRows)
    std::tie(batch, rowBlock) = packedRows->locate(emitter, rowBlock, batchCount, schedule.rows, kernel);
  int64_t classes = mask.getModulus();
  if (classes != 1) {
    place.residue = arith::RemUIOp::create(b(), rowBlock, constant(classes));
    rowBlock = arith::DivUIOp::create(b(), rowBlock, constant(classes));
  }
  place.batch = batch;
  place.head = item.head;
  place.firstRow = arith::MulIOp::create(b(), rowBlock, constant(schedule.rows));
  place.firstColumn = constant(0);
  split = rest;
  if (slices > 1) {
    Value slice = arith::RemUIOp::create(b(), rest, constant(slices));
    place.firstColumn = arith::MulIOp::create(b(), slice, constant(schedule.valueColumns));
    split = arith::DivUIOp::create(b(), rest, constant(slices));
  }
  Lengths lengths = emitLengths(op, batch, rowCount, keyCount, kernel, emitter);
  place.rowLength = lengths.rows;
  place.keyLength = lengths.keys;
  if (role != AttendRole::Merge)
    reportClamped(kernel, lengths.isClamped);
  if (classes != 1) {
    RowBlock block{batch, place.head, place.firstRow, {}, {}, {}, place.residue};
    place.keyResidue = emitKeyResidue(mask, op, block, kernel, emitter);
    place.rowLength = emitter.countOfClass(place.rowLength, place.residue, classes);
    place.keyLength = emitter.countOfClass(place.keyLength, place.keyResidue, classes);
  }
  place.row =
      mask.grid ? Lifted::ofBox(0, locateRows(*mask.grid, rowBlock, outerRows, kernel))
                : Lifted::positions(0, schedule.rows, place.firstRow, place.rowLength).ofClass(classes, place.residue);
  place.batchCount = batchCount;
  place.headCount = headCount;
  rows.setPlace(place);
}

RowState AttendKernel::initialState() {
  RowState none = rows.nothing();
  return role == AttendRole::Finish ? splitState().load(constant(0), none) : none;
}

FailureOr<RowState> AttendKernel::visitKeys() {
  KeyShare share;
  if (role == AttendRole::Partial)
    share = {split, splits};
  return rows.visitKeys([&] { return initialState(); }, share);
}

SplitState AttendKernel::splitState() {
  return SplitState(
      kernel, workspace->arrays,
      {place.batch, place.head, place.firstRow, place.firstColumn, place.rowLength, mask.getModulus(), place.residue});
}

LogicalResult AttendKernel::storeResults(const RowState &state, ArrayRef<KernelOutput> outputs) {
  if (failed(rows.provide(state)))
    return failure();
  SmallVector<Lifted> rowIndices{{place.batch}, {place.head}, place.row};
  for (const KernelOutput &output : outputs) {
    SmallVector<Lifted> indices(rowIndices);
    int64_t columns = 1;
    if (cast<RankedTensorType>(getLogicalSource(output.tensor).getType()).getRank() == 4) {
      columns = std::min(schedule.valueColumns,
                         padded(cast<RankedTensorType>(getLogicalSource(output.tensor).getType()).getDimSize(3)));
      indices.push_back(Lifted::positions(1, columns, place.firstColumn));
    }
    if (failed(storeOutput(kernel, emitter, output, indices, {schedule.rows, columns})))
      return failure();
  }
  return success();
}

LogicalResult AttendKernel::emit(ArrayRef<KernelOutput> outputs) {
  startBlock();
  FailureOr<RowState> state = role == AttendRole::Merge ? splitState().merge(rows.getNormalizer(), initialState(),
                                                                             splits, schedule.mergedTogether)
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
