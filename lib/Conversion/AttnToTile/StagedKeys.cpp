//===- StagedKeys.cpp -------------------------------------------------------===//
#include "StagedKeys.h"
#include "MaskKernels.h"
#include "Partition.h"
#include "TileEmitter.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace heddle;

/// Blocks of rows that have to read a tile before preparing it in front of them all is cheaper: it is written to
/// memory and read from there.
static constexpr int64_t kMinReaders = 4;

static int64_t paddedColumns(Value tensor) {
  return llvm::alignTo(cast<RankedTensorType>(tensor.getType()).getDimSize(3), 16);
}

/// Whether the positions of `tensor` are those of the arrays it is computed from.
static bool comesWithoutViews(PlanBuilder &plan, Value tensor) {
  if (plan.memory(tensor))
    return true;
  Operation *op = tensor.getDefiningOp();
  return op && !isa<attn::ViewOp>(op) &&
         llvm::all_of(getTensorsRead(op), [&](Value read) { return comesWithoutViews(plan, read); });
}

/// Call `visit` with every tensor of keys (true) and values (false).
static void forOperands(attn::AttendOp op, function_ref<void(Value, bool)> visit) {
  for (ValueRange dot : op.getDots())
    visit(dot[1], true);
  for (unsigned value = 0; value < op.getNumValues(); ++value)
    visit(op.getValueGroups()[value][0], false);
}

bool StagedKeys::isPossible(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule) {
  int64_t strip = schedule.stagedStrip;
  if (!strip || schedule.keys % (2 * strip))
    return false;
  bool possible = true;
  forOperands(op, [&](Value tensor, bool isKey) {
    int64_t columns = paddedColumns(tensor);
    possible &= getElementTypeOrSelf(tensor.getType()).isBF16() && comesWithoutViews(plan, tensor);
    possible &= isKey ? columns % (2 * strip) == 0 : columns % strip == 0 && columns <= schedule.valueColumns;
  });
  return possible;
}

Value StagedKeys::isWorthIt(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule) {
  ImplicitLocOpBuilder &b = plan.getBuilder();
  Value blocks = arith::CeilDivSIOp::create(b, getAttendSize(plan, b, op, 2), plan.constant(schedule.rows));
  Value readers = arith::MulIOp::create(b, blocks, getAttendSize(plan, b, op, 1));
  // Heads of rows that share a head of keys read the same tiles.
  Value heads = arith::MaxSIOp::create(b, plan.dim(op.getKeyOperands().front(), 1), plan.constant(1));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::sge, readers,
                               arith::MulIOp::create(b, heads, plan.constant(kMinReaders)));
}

StagedKeys::StagedKeys(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule, Value isUsed)
    : keys(schedule.keys) {
  ImplicitLocOpBuilder &b = plan.getBuilder();
  int64_t strip = schedule.stagedStrip;
  forOperands(op, [&](Value tensor, bool isKey) {
    Operand &operand = operands[{tensor, isKey}];
    if (operand.memory)
      return;
    Type element = getElementTypeOrSelf(tensor.getType());
    int64_t columns = paddedColumns(tensor);
    operand.tile =
        isKey ? RankedTensorType::get({columns, keys}, element) : RankedTensorType::get({keys, columns}, element);
    int64_t rows = operand.tile.getDimSize(0) / 2 * (operand.tile.getDimSize(1) / strip);
    operand.pairs = RankedTensorType::get({rows, 2 * strip}, element);
    Value blocks = arith::CeilDivSIOp::create(b, plan.dim(tensor, 2), plan.constant(keys));
    blocks = arith::SelectOp::create(b, isUsed, blocks, plan.constant(0));
    constexpr int64_t kDynamic = ShapedType::kDynamic;
    operand.memory = plan.allocate(MemRefType::get({kDynamic, kDynamic, kDynamic, rows, 2 * strip}, element),
                                   {plan.dim(tensor, 0), plan.dim(tensor, 1), blocks});
  });
}

LogicalResult StagedKeys::emitKernel(PlanBuilder &plan, Value tensor, bool isKey, const Operand &operand) const {
  KernelBuilder kernel = KernelBuilder::create(plan);
  TileEmitter emitter(kernel);
  Value count = kernel.dim(tensor, 2);
  Value blocks = arith::CeilDivSIOp::create(kernel.head(), count, kernel.constant(keys));
  SmallVector<Value> ids = kernel.startBody({blocks, kernel.dim(tensor, 1), kernel.dim(tensor, 0)});
  ImplicitLocOpBuilder &b = kernel.body();
  Value first = arith::MulIOp::create(b, ids[0], kernel.constant(keys));
  int64_t columns = operand.tile.getDimSize(isKey ? 0 : 1);
  Lifted indices[] = {
      {ids[2]}, {ids[1]}, Lifted::positions(0, keys, first, count), Lifted::positions(1, columns, kernel.constant(0))};
  Value tile = emitter.tile(tensor, indices, {keys, columns});
  if (!tile)
    return failure();
  if (isKey)
    tile = tile::TransposeOp::create(b, operand.tile, tile);
  Value pairs = tile::PairOp::create(b, operand.pairs, tile), zero = kernel.constant(0);
  SmallVector<Value> place{ids[2], ids[1], ids[0], zero, zero};
  tile::StoreOp::create(b, pairs, kernel.importContiguous(operand.memory), place, Value(), IntegerAttr(), UnitAttr());
  kernel.launch();
  return success();
}

LogicalResult StagedKeys::emitKernels(PlanBuilder &plan) const {
  for (const auto &[key, operand] : operands)
    if (failed(emitKernel(plan, key.first, key.second, operand)))
      return failure();
  return success();
}

Value StagedKeys::load(KernelBuilder &kernel, Value tensor, bool isKey, Value batch, Value head, Value keyBlock) const {
  const Operand &operand = operands.find({tensor, isKey})->second;
  ImplicitLocOpBuilder &b = kernel.body();
  Value zero = kernel.constant(0);
  SmallVector<Value> place{batch, head, keyBlock, zero, zero};
  Value pairs = tile::LoadOp::create(b, operand.pairs, kernel.importContiguous(operand.memory), place, Value(),
                                     IntegerAttr(), UnitAttr());
  return tile::UnpairOp::create(b, operand.tile, pairs);
}
