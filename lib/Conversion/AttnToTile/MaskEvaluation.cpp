//===- MaskEvaluation.cpp - lists of visited blocks of a mask by evaluation -===//
#include "MaskEvaluation.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include <numeric>

using namespace mlir;
using namespace heddle;

/// Positions among which a mask cannot tell: what every use of `position` divides it by has this in common.
static int64_t granularityOf(BlockArgument position) {
  int64_t common = 0;
  for (OpOperand &use : position.getUses()) {
    APInt divisor;
    bool divides = isa<arith::FloorDivSIOp, arith::DivSIOp, arith::DivUIOp>(use.getOwner()) &&
                   use.getOperandNumber() == 0 &&
                   matchPattern(use.getOwner()->getOperand(1), m_ConstantInt(&divisor)) && divisor.isStrictlyPositive();
    common = std::gcd(common, divides ? divisor.getSExtValue() : 1);
  }
  return common;
}

namespace {
/// The positions of a block at which a mask is evaluated: one of each `step` that it cannot tell apart.
struct Samples {
  int64_t count, step;
  Lifted positions;

  Samples(int64_t dim, int64_t size, int64_t granularity, Value first, TileEmitter &emitter) {
    step = std::gcd(granularity, size);
    count = size / step;
    if (step == 1) {
      positions = Lifted::positions(dim, count, first);
      return;
    }
    ImplicitLocOpBuilder &b = emitter.builder();
    Value zero = arith::ConstantIndexOp::create(b, 0);
    Value tile = emitter.materialize(Lifted::positions(dim, count, zero), {});
    auto type = cast<RankedTensorType>(tile.getType());
    Value factor = arith::ConstantOp::create(b, DenseElementsAttr::get(type, APInt(32, step)));
    Value start = emitter.materialize({first}, type.getShape());
    positions = {arith::AddIOp::create(b, arith::MulIOp::create(b, tile, factor), start)};
  }
};
} // namespace

namespace {
/// What a kernel that evaluates a mask knows of a block of it.
class Evaluator {
public:
  Evaluator(PlanBuilder &plan, attn::AttendOp op, Value states)
      : op(op), kernel(KernelBuilder::create(plan)), emitter(kernel), states(kernel.import(states)) {}

  LogicalResult emitBlocks(const AttendSchedule &schedule);
  LogicalResult emitTiles(const AttendSchedule &schedule);

private:
  ImplicitLocOpBuilder &b() { return kernel.body(); }
  Value extent(int64_t dim) { return memref::DimOp::create(kernel.head(), states, dim).getResult(); }
  /// The place of a block that is `index` in a row-major order of rows of `across`; starts the kernel's body.
  std::pair<Value, Value> start(Value down, Value across);
  LogicalResult evaluate(const Samples &rows, const Samples &keys);
  Value stateOf(Value someSeen, Value someMissing);

  attn::AttendOp op;
  KernelBuilder kernel;
  TileEmitter emitter;
  Value states, batch, head;
  Value seen, missing; ///< tiles of i1: by sample, whether it is visible, and whether it exists and is not
};
} // namespace

std::pair<Value, Value> Evaluator::start(Value down, Value across) {
  SmallVector<Value> ids =
      kernel.startBody({arith::MulIOp::create(kernel.head(), down, across).getResult(), extent(1), extent(0)});
  batch = ids[2];
  head = ids[1];
  return {arith::DivUIOp::create(b(), ids[0], across), arith::RemUIOp::create(b(), ids[0], across)};
}

LogicalResult Evaluator::evaluate(const Samples &rows, const Samples &keys) {
  TileShape shape{rows.count, keys.count};
  Lengths lengths = emitLengths(op, batch, getAttendSize(kernel, kernel.head(), op, 2),
                                getAttendSize(kernel, kernel.head(), op, 3), kernel, emitter);
  FailureOr<SmallVector<Lifted>> lifted =
      emitter.apply(op.getMask().front(), {{batch}, {head}, rows.positions, keys.positions});
  if (failed(lifted))
    return failure();
  Value visible = emitter.materialize(lifted->front(), shape);
  auto within = [&](const Samples &samples, Value length, int64_t distance) {
    Value tile = emitter.materialize(samples.positions, {});
    Value bound = arith::SubIOp::create(b(), length, kernel.constant(distance));
    bound = emitter.materialize({bound}, cast<RankedTensorType>(tile.getType()).getShape());
    return emitter.materialize({arith::CmpIOp::create(b(), arith::CmpIPredicate::slt, tile, bound)}, shape);
  };
  // Rows past the end neither see nor hinder; keys past the end are invisible. A sample stands for `step` positions:
  // its first one exists if any does, its last one if all do.
  Value rowExists = within(rows, lengths.rows, 0), keyExists = within(keys, lengths.keys, 0);
  seen = arith::AndIOp::create(b(), arith::AndIOp::create(b(), visible, keyExists), rowExists);
  Value whole = arith::AndIOp::create(b(), visible, within(keys, lengths.keys, keys.step - 1));
  missing =
      arith::AndIOp::create(b(), arith::CmpIOp::create(b(), arith::CmpIPredicate::ult, whole, rowExists), rowExists);
  return success();
}

/// some ? 2 - hole : 0, of words that are 0 or 1.
Value Evaluator::stateOf(Value some, Value hole) {
  Value two = arith::ConstantIntOp::create(b(), 2, 32);
  if (auto tile = dyn_cast<RankedTensorType>(some.getType()))
    two = arith::ConstantOp::create(b(), DenseElementsAttr::get(tile, APInt(32, 2)));
  return arith::MulIOp::create(b(), some, arith::SubIOp::create(b(), two, hole));
}

/// A block of the kernel for each block of the mask.
LogicalResult Evaluator::emitBlocks(const AttendSchedule &schedule) {
  auto [rowBlock, keyBlock] = start(extent(2), extent(3));
  attn::AttendOp::Positions arguments = op.getPositions(op.getMask());
  Value firstRow = arith::MulIOp::create(b(), rowBlock, kernel.constant(schedule.rows));
  Value firstKey = arith::MulIOp::create(b(), keyBlock, kernel.constant(schedule.keys));
  Samples rows(0, schedule.rows, granularityOf(arguments.i), firstRow, emitter);
  Samples keys(1, schedule.keys, granularityOf(arguments.j), firstKey, emitter);
  if (failed(evaluate(rows, keys)))
    return failure();
  auto any = [&](Value tile) -> Value {
    Type i32 = b().getI32Type();
    Value words = arith::ExtUIOp::create(b(), RankedTensorType::get({rows.count, keys.count}, i32), tile);
    Value perRow =
        tile::ReduceOp::create(b(), RankedTensorType::get({rows.count, 1}, i32), tile::ReduceKind::Max, words, 1);
    Value one = tile::ReduceOp::create(b(), RankedTensorType::get({1, 1}, i32), tile::ReduceKind::Max, perRow, 0);
    return tile::ScalarOp::create(b(), i32, one);
  };
  Value some = any(seen), hole = any(missing);
  memref::StoreOp::create(b(), stateOf(some, hole), states, ValueRange{batch, head, rowBlock, keyBlock});
  kernel.launch();
  return success();
}

/// A block of the kernel for a tile of blocks of the mask, each of which is one sample.
LogicalResult Evaluator::emitTiles(const AttendSchedule &schedule) {
  constexpr int64_t tileRows = 16, tileKeys = 64;
  auto count = [&](int64_t dim, int64_t size) -> Value {
    return arith::CeilDivSIOp::create(kernel.head(), extent(dim), kernel.constant(size));
  };
  Value down = count(2, tileRows), across = count(3, tileKeys);
  auto [tileRow, tileKey] = start(down, across);
  Value rowBlock = arith::MulIOp::create(b(), tileRow, kernel.constant(tileRows));
  Value keyBlock = arith::MulIOp::create(b(), tileKey, kernel.constant(tileKeys));
  Value firstRow = arith::MulIOp::create(b(), rowBlock, kernel.constant(schedule.rows));
  Value firstKey = arith::MulIOp::create(b(), keyBlock, kernel.constant(schedule.keys));
  if (failed(evaluate(Samples(0, tileRows * schedule.rows, schedule.rows, firstRow, emitter),
                      Samples(1, tileKeys * schedule.keys, schedule.keys, firstKey, emitter))))
    return failure();
  auto toWords = [&](Value tile) -> Value {
    return arith::ExtUIOp::create(b(), RankedTensorType::get({tileRows, tileKeys}, b().getI32Type()), tile);
  };
  Value some = toWords(seen), hole = toWords(missing);
  tile::StoreOp::create(b(), stateOf(some, hole), states, ValueRange{batch, head, rowBlock, keyBlock}, Value(),
                        IntegerAttr(), UnitAttr());
  kernel.launch();
  return success();
}

LogicalResult heddle::emitEvaluation(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule,
                                     Value states) {
  attn::AttendOp::Positions arguments = op.getPositions(op.getMask());
  bool hasOneSample =
      granularityOf(arguments.i) % schedule.rows == 0 && granularityOf(arguments.j) % schedule.keys == 0;
  Evaluator evaluator(plan, op, states);
  return hasOneSample ? evaluator.emitTiles(schedule) : evaluator.emitBlocks(schedule);
}

void heddle::emitListing(PlanBuilder &plan, Value states, Value list, Value count) {
  KernelBuilder kernel = KernelBuilder::create(plan);
  ImplicitLocOpBuilder &head = kernel.head(), &b = kernel.body();
  Value source = kernel.import(states), target = kernel.import(list), counts = kernel.import(count);
  auto extent = [&](int64_t dim) { return memref::DimOp::create(head, source, dim).getResult(); };
  Value keyBlocks = extent(3);
  SmallVector<Value> ids = kernel.startBody({extent(2), extent(1), extent(0)});
  Value zero = kernel.constant(0), one = kernel.constant(1);
  // Several at a time, so that their reads do not wait for each other.
  constexpr int64_t kAtATime = 8;
  auto loop = scf::ForOp::create(b, zero, keyBlocks, kernel.constant(kAtATime), ValueRange{zero});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value last = arith::SubIOp::create(b, keyBlocks, one), none = arith::ConstantIntOp::create(b, 0, 32);
    Value filled = loop.getRegionIterArg(0);
    SmallVector<std::pair<Value, Value>> read; // block and its state, 0 past the end
    for (int64_t index = 0; index < kAtATime; ++index) {
      Value block = arith::AddIOp::create(b, loop.getInductionVar(), kernel.constant(index));
      Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, block, keyBlocks);
      Value place = arith::MinSIOp::create(b, block, last);
      Value state = memref::LoadOp::create(b, source, ValueRange{ids[2], ids[1], ids[0], place});
      read.push_back({block, arith::SelectOp::create(b, exists, state, none)});
    }
    for (auto [block, state] : read) {
      Value visited = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, state, none);
      Value isFull = arith::ShRUIOp::create(b, state, arith::ConstantIntOp::create(b, 1, 32));
      Value number = arith::IndexCastOp::create(b, b.getI32Type(), block);
      Value entry =
          arith::AddIOp::create(b, arith::ShLIOp::create(b, number, arith::ConstantIntOp::create(b, 1, 32)), isFull);
      auto store = scf::IfOp::create(b, visited, /*withElseRegion=*/false);
      OpBuilder inner = store.getThenBodyBuilder();
      memref::StoreOp::create(inner, b.getLoc(), entry, target, ValueRange{ids[2], ids[1], ids[0], filled});
      filled = arith::AddIOp::create(b, filled, arith::SelectOp::create(b, visited, one, zero));
    }
    scf::YieldOp::create(b, filled);
  }
  Value total = arith::IndexCastOp::create(b, b.getI32Type(), loop.getResult(0));
  memref::StoreOp::create(b, total, counts, ValueRange{ids[2], ids[1], ids[0]});
  kernel.launch();
}
