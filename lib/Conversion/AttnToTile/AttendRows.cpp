//===- AttendRows.cpp - an attend of a block of rows, in any kernel ---------===//
//
//   for each block of keys that some row sees:
//     s = score(q k^T), -inf where the mask hides a pair    the mask's code only where a block is not seen as a whole
//     m, R, A = step                                        (RowNormalizer.h)
//   results = finish(m, R, A)
//
// The kernels of an attend go through it (AttendKernel.cpp), and those of a recurrence whose rows are merged with such
// results (InnerAttends.h). Tests: test/Conversion/attn-to-tile{,-split,-residues,-grid,-together}.mlir.
//
//===----------------------------------------------------------------------===//
#include "AttendRows.h"
#include "ApartKeys.h"
#include "GridBlocks.h"
#include "dialects/Tile/RowParts.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

static int64_t padded(int64_t size) { return llvm::alignTo(size, 16); }
static int64_t paddedWidth(Value tensor) { return padded(cast<RankedTensorType>(tensor.getType()).getDimSize(3)); }

void AttendRows::setPlace(const RowsPlace &rows) {
  place = rows;
  normalizer.setRow({place.batch}, {place.head}, place.row);
}

int64_t AttendRows::getColumns(unsigned value) {
  return std::min(schedule.valueColumns, paddedWidth(op.getValueGroups()[value][0]));
}

Value AttendRows::loadTile(Value tensor, const Lifted &rows, Value column, int64_t columns) {
  Lifted indices[] = {blockPlace().batchOf(tensor), blockPlace().headOf(tensor), rows,
                      Lifted::positions(1, columns, column)};
  return emitter.tile(tensor, indices, {rows.extent, columns});
}

Value AttendRows::loadStaged(Value tensor, bool isKey, Value firstKey) {
  Value block = arith::DivUIOp::create(b(), firstKey, constant(schedule.keys));
  return staged->load(kernel, tensor, isKey, blockPlace().batchOf(tensor).value, blockPlace().headOf(tensor).value,
                      block);
}

FailureOr<SmallVector<Value>> AttendRows::scoreOf(ArrayRef<Value> dots, const Lifted &j, Value isPartial) {
  TileShape shape{schedule.rows, schedule.keys};
  SmallVector<Value> scores(dots);
  if (op.hasScore()) {
    SmallVector<Lifted> arguments(llvm::map_range(dots, [](Value dot) { return Lifted{dot}; }));
    llvm::append_values(arguments, Lifted{place.batch}, Lifted{place.head}, place.row, j);
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
    RowBlock block{place.batch, place.head, {}, {}, {}, {}, place.residue};
    double otherwise = op.isNormalized() ? -std::numeric_limits<double>::infinity() : 0.0;
    Value invisible = emitter.constantTile(shape, b().getF32Type(), otherwise);
    if (mask.grid) {
      auto masked = emitMaskedInBoxes(*mask.grid, op, block, place.row, j, scores, invisible, emitter);
      if (failed(masked))
        return failure();
      scf::YieldOp::create(b(), *masked);
    } else {
      Lifted limited = j;
      limited.limit = place.keyLength;
      Value visible = emitter.materialize({emitter.exists(limited)}, shape);
      FailureOr<Value> seen = emitVisible(mask, op, block, place.row, j, shape, emitter);
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

FailureOr<RowState> AttendRows::stepOver(Value firstKey, Value isPartial, RowState state) {
  Lifted key =
      Lifted::positions(0, schedule.keys, firstKey, place.keyLength).ofClass(mask.getModulus(), place.keyResidue);
  Lifted j = Lifted::positions(1, schedule.keys, firstKey).ofClass(mask.getModulus(), place.keyResidue);
  return stepOver(key, j, firstKey, isPartial, std::move(state));
}

/// Keys as rows of a loaded tile, and as columns of the scores.
FailureOr<RowState> AttendRows::stepOver(const Lifted &key, const Lifted &j, Value firstKey, Value isPartial,
                                         RowState state) {
  TileShape shape{schedule.rows, schedule.keys};
  SmallVector<Value> dots;
  for (auto [index, dot] : llvm::enumerate(op.getDots())) {
    Value keys =
        staged ? loadStaged(dot[1], /*isKey=*/true, firstKey) : loadTile(dot[1], key, constant(0), paddedWidth(dot[1]));
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
    Value values = staged ? loadStaged(tensor, /*isKey=*/false, firstKey)
                          : loadTile(tensor, key, place.firstColumn, getColumns(value));
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

RowState AttendRows::nothing() {
  SmallVector<int64_t> columns;
  for (unsigned value = 0; value < op.getNumValues(); ++value)
    columns.push_back(getColumns(value));
  return normalizer.initial(columns);
}

FailureOr<RowState> AttendRows::visitBoxes(llvm::function_ref<RowState()> initial) {
  GridKeys boxes(*mask.grid, op, {place.batch, place.head, {}, {}, {}, {}, {}}, *place.row.box, place.outerKeys, kernel,
                 emitter);
  return boxes.visitAll(initial(), [&](const GridKeys::Visit &visit, RowState state) {
    return stepOver(Lifted::ofBox(0, visit.box), Lifted::ofBox(1, visit.box), {}, visit.isPartial, std::move(state));
  });
}

/// Whether groups of warps have rows to themselves, and what each of them sees are consecutive keys.
bool AttendRows::areRowsApart() const {
  return schedule.hasOwnRanges && schedule.rowsApart && schedule.rowsApart < schedule.rows && mask.analysis &&
         !mask.list && !mask.table && mask.getModulus() == 1 && mask.analysis->getRanges().size() == 1;
}

/// From the least of the parts' first blocks of keys to the greatest of their last; each part goes through its own
/// (dialects/Tile/RowParts.h).
FailureOr<RowState> AttendRows::visitByParts(llvm::function_ref<RowState()> initial) {
  auto blocksOf = [&](Value first, int64_t rows) {
    Value end = arith::MinSIOp::create(b(), arith::AddIOp::create(b(), first, constant(rows)), place.rowLength);
    RowBlock block{place.batch, place.head, first, end, place.rowLength, place.keyLength, place.residue};
    return roundToBlocks(b(), op.getLoc(), emitKeyRanges(mask, op, block, kernel, emitter), schedule.keys);
  };
  KeyRange full = blocksOf(place.firstRow, schedule.rows).full.front();
  SmallVector<Value> begins, ends;
  for (int64_t part = 0; part < schedule.rows; part += schedule.rowsApart) {
    Value first = b().createOrFold<arith::AddIOp>(place.firstRow, constant(part));
    KeyRange may = blocksOf(first, schedule.rowsApart).may.front();
    // Rows beyond their sequence see nothing, and do not move where the others begin.
    Value exist = arith::CmpIOp::create(b(), arith::CmpIPredicate::slt, first, place.rowLength);
    Value begin = part ? arith::SelectOp::create(b(), exist, may.begin, begins.front()).getResult() : may.begin;
    begins.push_back(begin);
    ends.push_back(arith::SelectOp::create(b(), exist, may.end, begin));
  }
  RowState start = initial();
  Value begin = tile::boundOfParts<arith::MinSIOp>(b(), begins), end = tile::boundOfParts<arith::MaxSIOp>(b(), ends);
  return loopOver(b(), begin, end, constant(1), start, [&](Value block, RowState state) {
    Value isFull = arith::AndIOp::create(b(), arith::CmpIOp::create(b(), arith::CmpIPredicate::sge, block, full.begin),
                                         arith::CmpIOp::create(b(), arith::CmpIPredicate::slt, block, full.end));
    Value isPartial = arith::XOrIOp::create(b(), isFull, arith::ConstantIntOp::create(b(), 1, 1));
    return stepOver(arith::MulIOp::create(b(), block, constant(schedule.keys)), isPartial, std::move(state));
  });
}

FailureOr<RowState> AttendRows::visitKeys(llvm::function_ref<RowState()> initial, const KeyShare &share) {
  rowTiles.clear();
  for (ValueRange dot : op.getDots()) {
    rowTiles.push_back(loadTile(dot[0], place.row, constant(0), paddedWidth(dot[0])));
    if (!rowTiles.back())
      return failure();
  }
  if (mask.grid)
    return visitBoxes(initial);
  if (areRowsApart())
    return visitByParts(initial);
  Value rowEnd =
      arith::MinSIOp::create(b(), arith::AddIOp::create(b(), place.firstRow, constant(schedule.rows)), place.rowLength);
  RowBlock rowBlock{place.batch, place.head, place.firstRow, rowEnd, place.rowLength, place.keyLength, place.residue};
  KeyBlocks blocks = emitKeyBlocks(mask, op, rowBlock, schedule, kernel, emitter);
  // A block of rows beyond its sequence sees nothing.
  Value exists = arith::CmpIOp::create(b(), arith::CmpIPredicate::slt, place.firstRow, place.rowLength);
  Value end = arith::SelectOp::create(b(), exists, blocks.getCount(), constant(0)), begin = constant(0);
  if (share.count) {
    Value blocksOfShare = arith::CeilDivSIOp::create(b(), end, share.count);
    begin = arith::MinSIOp::create(b(), arith::MulIOp::create(b(), share.number, blocksOfShare), end);
    end = arith::MinSIOp::create(b(), arith::AddIOp::create(b(), begin, blocksOfShare), end);
  }
  RowState start = initial();
  if (blocks.getPartialCount())
    return visitApart(b(), blocks, begin, end, op.hasMask(), std::move(start),
                      [&](Value firstKey, Value isPartial, RowState state) {
                        return stepOver(firstKey, isPartial, std::move(state));
                      });
  return loopOver(b(), begin, end, constant(1), start, [&](Value position, RowState state) {
    KeyBlocks::Visit visit = blocks.visit(b(), position);
    return stepOver(visit.firstKey, visit.isPartial, std::move(state));
  });
}

LogicalResult AttendRows::provide(const RowState &state) {
  FailureOr<RowNormalizer::Finished> finished = normalizer.finish(state);
  if (failed(finished))
    return failure();
  SmallVector<Lifted> rowIndices{{place.batch}, {place.head}, place.row};
  for (auto [index, result] : llvm::enumerate(op.getValueResults())) {
    SmallVector<Lifted> indices(rowIndices);
    indices.push_back(Lifted::positions(1, getColumns(index), place.firstColumn));
    Value tile = finished->results[index];
    Type element = getElementTypeOrSelf(result.getType());
    if (!element.isF32())
      tile = arith::TruncFOp::create(b(), cast<RankedTensorType>(tile.getType()).clone(element), tile);
    emitter.provide(result, indices, tile);
  }
  for (StringRef name : op.getStatNames())
    emitter.provide(op.getStatResult(name), rowIndices, finished->stats[name]);
  return success();
}
