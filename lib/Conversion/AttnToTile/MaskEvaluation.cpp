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

LogicalResult heddle::emitEvaluation(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule,
                                     const PreparedMask &mask, Value states) {
  KernelBuilder kernel = KernelBuilder::create(plan);
  TileEmitter emitter(kernel);
  ImplicitLocOpBuilder &head = kernel.head(), &b = kernel.body();
  Value target = kernel.import(states);
  auto extent = [&](int64_t dim) { return memref::DimOp::create(head, target, dim).getResult(); };
  Value keyBlocks = extent(3);
  SmallVector<Value> ids =
      kernel.startBody({arith::MulIOp::create(head, extent(2), keyBlocks).getResult(), extent(1), extent(0)});
  Value rowBlock = arith::DivUIOp::create(b, ids[0], keyBlocks),
        keyBlock = arith::RemUIOp::create(b, ids[0], keyBlocks);
  Value firstRow = arith::MulIOp::create(b, rowBlock, kernel.constant(schedule.rows));
  Value firstKey = arith::MulIOp::create(b, keyBlock, kernel.constant(schedule.keys));
  Lengths lengths =
      emitLengths(op, ids[2], getAttendSize(kernel, head, op, 2), getAttendSize(kernel, head, op, 3), kernel, emitter);

  attn::AttendOp::Positions arguments = op.getPositions(op.getMask());
  Samples rows(0, schedule.rows, granularityOf(arguments.i), firstRow, emitter);
  Samples keys(1, schedule.keys, granularityOf(arguments.j), firstKey, emitter);
  TileShape shape{rows.count, keys.count};
  FailureOr<SmallVector<Lifted>> lifted =
      emitter.apply(op.getMask().front(), {{ids[2]}, {ids[1]}, rows.positions, keys.positions});
  if (failed(lifted))
    return failure();
  Value visible = emitter.materialize(lifted->front(), shape);
  auto within = [&](const Samples &samples, Value length, int64_t distance) {
    Value tile = emitter.materialize(samples.positions, {});
    Value bound = arith::SubIOp::create(b, length, kernel.constant(distance));
    bound = emitter.materialize({bound}, cast<RankedTensorType>(tile.getType()).getShape());
    return emitter.materialize({arith::CmpIOp::create(b, arith::CmpIPredicate::slt, tile, bound)}, shape);
  };
  // Rows past the end neither see nor hinder; keys past the end are invisible. A sample stands for `step` positions:
  // its first one exists if any does, its last one if all do.
  Value rowExists = within(rows, lengths.rows, 0), keyExists = within(keys, lengths.keys, 0);
  Value seen = arith::AndIOp::create(b, arith::AndIOp::create(b, visible, keyExists), rowExists);
  Value whole = arith::AndIOp::create(b, visible, within(keys, lengths.keys, keys.step - 1));
  Value missing =
      arith::AndIOp::create(b, arith::CmpIOp::create(b, arith::CmpIPredicate::ult, whole, rowExists), rowExists);
  auto any = [&](Value tile) -> Value {
    Type i32 = b.getI32Type();
    Value words = arith::ExtUIOp::create(b, RankedTensorType::get(shape, i32), tile);
    Value perRow =
        tile::ReduceOp::create(b, RankedTensorType::get({rows.count, 1}, i32), tile::ReduceKind::Max, words, 1);
    Value one = tile::ReduceOp::create(b, RankedTensorType::get({1, 1}, i32), tile::ReduceKind::Max, perRow, 0);
    return tile::ScalarOp::create(b, i32, one);
  };
  Value some = any(seen), hole = any(missing);
  // some ? 2 - hole : 0
  Value two = arith::ConstantIntOp::create(b, 2, 32);
  Value state = arith::MulIOp::create(b, some, arith::SubIOp::create(b, two, hole));
  memref::StoreOp::create(b, state, target, ValueRange{ids[2], ids[1], rowBlock, keyBlock});
  kernel.launch();
  return success();
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
