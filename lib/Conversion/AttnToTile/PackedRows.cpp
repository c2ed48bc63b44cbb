//===- PackedRows.cpp -------------------------------------------------------===//
#include "PackedRows.h"
#include "dialects/Attn/SequenceLengths.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

/// Whether `value`, inside a block of coordinates, is computed from any of `arguments`.
static bool dependsOn(Value value, ArrayRef<Value> arguments) {
  if (llvm::is_contained(arguments, value))
    return true;
  Operation *op = value.getDefiningOp();
  return op && op->getBlock() == Value(arguments.front()).getParentBlock() &&
         llvm::any_of(op->getOperands(), [&](Value operand) { return dependsOn(operand, arguments); });
}

/// The coordinate that runs along t as `start(b) + t`, or none.
static std::optional<int64_t> findPackedDimension(Block &block) {
  if (block.getNumArguments() != 4)
    return std::nullopt;
  Value head = block.getArgument(1), time = block.getArgument(2), column = block.getArgument(3);
  for (auto [dim, coordinate] : llvm::enumerate(block.getTerminator()->getOperands())) {
    auto sum = coordinate.getDefiningOp<arith::AddIOp>();
    if (!sum)
      continue;
    for (auto [own, start] : {std::pair(sum.getLhs(), sum.getRhs()), std::pair(sum.getRhs(), sum.getLhs())})
      if (own == time && !dependsOn(start, {time, head, column}))
        return dim;
  }
  return std::nullopt;
}

std::optional<PackedRows> PackedRows::find(attn::AttendOp op, PlanBuilder &plan) {
  SmallVector<Value> pending = op.getRowOperands();
  while (!pending.empty()) {
    Value tensor = pending.pop_back_val();
    Operation *definition = tensor.getDefiningOp();
    if (!definition || plan.memory(tensor))
      continue;
    if (auto view = dyn_cast<attn::ViewOp>(definition); view && view.getLengths())
      if (std::optional<int64_t> dimension = findPackedDimension(view.getCoordinates().front()))
        return PackedRows(view.getSource(), view.getCoordinates(), *dimension);
    if (OpTrait::hasElementwiseMappableTraits(definition))
      for (Value operand : definition->getOperands())
        if (isa<RankedTensorType>(operand.getType()))
          pending.push_back(operand);
  }
  return std::nullopt;
}

std::optional<PackedRows> PackedRows::ofResult(attn::AccumulateOp op) {
  auto attend = op.getSource().getDefiningOp<attn::AttendOp>();
  if (!attend || !op.getLengths())
    return std::nullopt;
  SetVector<Value> lengths = attn::findSequenceLengths(attend.getRowOperands());
  std::optional<int64_t> dimension = findPackedDimension(op.getCoordinates().front());
  if (!dimension || lengths.size() != 1 || lengths.front() != op.getLengths())
    return std::nullopt;
  return PackedRows(op.getResult(), op.getCoordinates(), *dimension);
}

Value PackedRows::countBlocks(KernelBuilder &kernel, Value batchCount, int64_t rows) {
  Value total = kernel.dim(array, dimension);
  Value whole = arith::DivUIOp::create(kernel.head(), total, kernel.constant(rows));
  Value blocks = arith::AddIOp::create(kernel.head(), whole, batchCount), none = kernel.constant(0);
  Value isEmpty = arith::CmpIOp::create(kernel.head(), arith::CmpIPredicate::eq, batchCount, none);
  return arith::SelectOp::create(kernel.head(), isEmpty, none, blocks);
}

Value PackedRows::start(TileEmitter &emitter, Value batch, KernelBuilder &kernel) {
  Lifted zero{kernel.constant(0)};
  FailureOr<SmallVector<Lifted>> places = emitter.apply(coordinates->front(), {{batch}, zero, zero, zero});
  return failed(places) ? Value() : (*places)[dimension].value;
}

/// The last sequence whose place is at or before `position`, by a binary search: the first one, or some before it.
static Value search(ImplicitLocOpBuilder &b, Value first, Value count, Value position,
                    function_ref<Value(Value)> placeOf) {
  Type index = b.getIndexType();
  auto search = scf::WhileOp::create(b, TypeRange{index, index}, ValueRange{first, count});
  OpBuilder::InsertionGuard guard(b);
  Block *before = b.createBlock(&search.getBefore(), {}, {index, index}, {b.getLoc(), b.getLoc()});
  Value low = before->getArgument(0), high = before->getArgument(1);
  Value distance = arith::SubIOp::create(b, high, low);
  Value open = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, distance, arith::ConstantIndexOp::create(b, 1));
  scf::ConditionOp::create(b, open, before->getArguments());

  Block *after = b.createBlock(&search.getAfter(), {}, {index, index}, {b.getLoc(), b.getLoc()});
  low = after->getArgument(0), high = after->getArgument(1);
  Value middle = arith::DivUIOp::create(b, arith::AddIOp::create(b, low, high), arith::ConstantIndexOp::create(b, 2));
  Value begins = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, placeOf(middle), position);
  Value nextLow = arith::SelectOp::create(b, begins, middle, low);
  Value nextHigh = arith::SelectOp::create(b, begins, high, middle);
  scf::YieldOp::create(b, ValueRange{nextLow, nextHigh});
  return search.getResult(0);
}

Value PackedRows::findSequence(TileEmitter &emitter, Value row, Value batchCount, KernelBuilder &kernel) {
  return search(emitter.builder(), kernel.constant(0), batchCount, row,
                [&](Value batch) { return start(emitter, batch, kernel); });
}

std::pair<Value, Value> PackedRows::locate(TileEmitter &emitter, Value position, Value batchCount, int64_t rows,
                                           KernelBuilder &kernel) {
  ImplicitLocOpBuilder &b = emitter.builder();
  Value one = kernel.constant(1), size = kernel.constant(rows);
  auto firstPosition = [&](Value batch) -> Value {
    Value row = start(emitter, batch, kernel);
    return arith::AddIOp::create(b, arith::DivUIOp::create(b, row, size), batch);
  };
  Value batch = search(b, kernel.constant(0), batchCount, position, firstPosition);
  Value block = arith::SubIOp::create(b, position, firstPosition(batch));
  // Before the first sequence there is nothing: a block past every length.
  Value isBefore = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, block, kernel.constant(0));
  Value past = arith::DivUIOp::create(b, kernel.dim(array, dimension), size);
  past = arith::AddIOp::create(b, past, one);
  return {batch, arith::SelectOp::create(b, isBefore, past, block)};
}
