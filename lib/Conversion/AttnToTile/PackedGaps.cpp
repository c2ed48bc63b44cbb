//===- PackedGaps.cpp -------------------------------------------------------===//
#include "PackedGaps.h"
#include "ElementwiseKernel.h"
#include "PackedRows.h"
#include "TileEmitter.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

static constexpr int64_t tileRows = 64, tileColumns = 64;

/// Whether one of `count` sequences, at least one, has all rows of `range`.
static Value isCovered(TileEmitter &emitter, attn::AccumulateOp op, PackedRows packing, std::pair<Value, Value> range,
                       Value count, KernelBuilder &kernel) {
  ImplicitLocOpBuilder &b = kernel.body();
  Value sequence = packing.findSequence(emitter, range.first, count, kernel);
  Value begin = packing.start(emitter, sequence, kernel), length = emitter.lengthOf(op.getLengths(), {sequence});
  Value end = arith::AddIOp::create(b, begin, length);
  return arith::AndIOp::create(b, arith::CmpIOp::create(b, arith::CmpIPredicate::sle, begin, range.first),
                               arith::CmpIOp::create(b, arith::CmpIPredicate::sle, range.second, end));
}

/// Of packed rows of several heads each: (rows, heads, columns) or (heads, rows, columns).
static void emitGaps(PlanBuilder &plan, attn::AccumulateOp op, PackedRows packing, Value memory) {
  KernelBuilder kernel = KernelBuilder::create(plan);
  TileEmitter emitter(kernel);
  ImplicitLocOpBuilder &head = kernel.head(), &b = kernel.body();
  auto type = cast<MemRefType>(memory.getType());
  Value target = kernel.import(memory), size = kernel.constant(tileRows), one = kernel.constant(1);
  int64_t rowDim = packing.getDimension(), headDim = 1 - rowDim;
  Value rows = memref::DimOp::create(head, target, rowDim), heads = memref::DimOp::create(head, target, headDim);
  Value block = kernel.startBody({arith::CeilDivSIOp::create(head, rows, size).getResult()})[0];
  Value first = arith::MulIOp::create(b, block, size);
  Value last = arith::MinSIOp::create(b, arith::AddIOp::create(b, first, size), rows);
  Value count = kernel.dim(op.getSource(), 0);
  Value isAny = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, count, kernel.constant(0));
  auto inside = scf::IfOp::create(b, b.getI1Type(), isAny, /*withElseRegion=*/true);
  b.setInsertionPointToStart(inside.elseBlock());
  scf::YieldOp::create(b, Value(arith::ConstantIntOp::create(b, 0, 1)));
  b.setInsertionPointToStart(inside.thenBlock());
  scf::YieldOp::create(b, isCovered(emitter, op, packing, {first, last}, count, kernel));
  b.setInsertionPointAfter(inside);
  auto skip = scf::IfOp::create(b, inside.getResult(0), /*withElseRegion=*/true);
  b.setInsertionPointToStart(skip.elseBlock());
  auto loop = scf::ForOp::create(b, kernel.constant(0), heads, one);
  b.setInsertionPointToStart(loop.getBody());
  Value zero = emitter.constantTile({tileRows, tileColumns}, type.getElementType(), 0.0);
  for (int64_t column = 0; column < type.getDimSize(2); column += tileColumns) {
    SmallVector<Value> coordinates{first, loop.getInductionVar(), kernel.constant(column)};
    if (rowDim == 1)
      std::swap(coordinates[0], coordinates[1]);
    tile::StoreOp::create(b, zero, target, coordinates, Value(),
                          rowDim == 0 ? b.getI64IntegerAttr(rowDim) : IntegerAttr(), UnitAttr());
  }
  b.setInsertionPointAfter(skip);
  kernel.launch();
}

/// The dimension of the source that each coordinate is, if all are different dimensions of it.
static std::optional<SmallVector<int64_t>> findPermutation(attn::AccumulateOp op) {
  SmallVector<int64_t> order;
  for (Value coordinate : op.getCoordinates().front().getTerminator()->getOperands()) {
    auto argument = dyn_cast<BlockArgument>(coordinate);
    if (!argument || llvm::is_contained(order, argument.getArgNumber()))
      return std::nullopt;
    order.push_back(argument.getArgNumber());
  }
  return static_cast<int64_t>(order.size()) == op.getSource().getType().getRank() ? std::optional(order) : std::nullopt;
}

/// Of a source in another order, which reaches everything unless the result is larger.
static void emitZerosAround(PlanBuilder &plan, attn::AccumulateOp op, ArrayRef<int64_t> order, Value memory) {
  ImplicitLocOpBuilder &b = plan.getBuilder();
  Value isLarger = arith::ConstantIntOp::create(b, 0, 1);
  for (auto [dimension, source] : llvm::enumerate(order)) {
    Value reached = plan.dim(op.getSource(), source), size = memref::DimOp::create(b, memory, dimension);
    Value isBeyond = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, reached, size);
    isLarger = arith::OrIOp::create(b, isLarger, isBeyond);
  }
  auto branch = scf::IfOp::create(b, isLarger, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  emitZeros(plan, memory);
}

void heddle::emitZerosBetween(PlanBuilder &plan, Value tensor, Value memory) {
  auto op = tensor.getDefiningOp<attn::AccumulateOp>();
  if (!op)
    return;
  auto type = cast<MemRefType>(memory.getType());
  std::optional<PackedRows> packing = PackedRows::ofResult(op);
  if (packing && type.getRank() == 3 && packing->getDimension() < 2 && !type.isDynamicDim(2))
    return emitGaps(plan, op, *packing, memory);
  if (std::optional<SmallVector<int64_t>> order = findPermutation(op); order && !op.getLengths())
    return emitZerosAround(plan, op, *order, memory);
  emitZeros(plan, memory);
}
