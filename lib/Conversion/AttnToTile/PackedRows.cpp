//===- PackedRows.cpp -------------------------------------------------------===//
#include "PackedRows.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

/// Whether `value`, inside a view's block, is computed from any of `arguments`.
static bool dependsOn(Value value, ArrayRef<Value> arguments) {
  if (llvm::is_contained(arguments, value))
    return true;
  Operation *op = value.getDefiningOp();
  return op && op->getBlock() == Value(arguments.front()).getParentBlock() &&
         llvm::any_of(op->getOperands(), [&](Value operand) { return dependsOn(operand, arguments); });
}

/// The dimension of the view's source that runs along t as `start(b) + t`, or none.
static std::optional<int64_t> findPackedDimension(attn::ViewOp view) {
  Block &block = view.getCoordinates().front();
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
      if (std::optional<int64_t> dimension = findPackedDimension(view)) {
        PackedRows found;
        found.view = view;
        found.coordinate = *dimension;
        return found;
      }
    if (OpTrait::hasElementwiseMappableTraits(definition))
      for (Value operand : definition->getOperands())
        if (isa<RankedTensorType>(operand.getType()))
          pending.push_back(operand);
  }
  return std::nullopt;
}

Value PackedRows::countBlocks(KernelBuilder &kernel, Value batchCount, int64_t rows) {
  Value total = kernel.dim(view.getSource(), coordinate);
  Value whole = arith::DivUIOp::create(kernel.head(), total, kernel.constant(rows));
  return arith::AddIOp::create(kernel.head(), whole, batchCount);
}

Value PackedRows::start(TileEmitter &emitter, Value batch, KernelBuilder &kernel) {
  Lifted zero{kernel.constant(0)};
  FailureOr<SmallVector<Lifted>> coordinates =
      emitter.apply(view.getCoordinates().front(), {{batch}, zero, zero, zero});
  return failed(coordinates) ? Value() : (*coordinates)[coordinate].value;
}

std::pair<Value, Value> PackedRows::locate(TileEmitter &emitter, Value position, Value batchCount, int64_t rows,
                                           KernelBuilder &kernel) {
  ImplicitLocOpBuilder &b = emitter.builder();
  Value one = kernel.constant(1), size = kernel.constant(rows);
  auto firstPosition = [&](Value batch) -> Value {
    Value row = start(emitter, batch, kernel);
    return arith::AddIOp::create(b, arith::DivUIOp::create(b, row, size), batch);
  };
  // The last sequence that begins at or before the position: low always does (or is 0), high does not.
  Type index = b.getIndexType();
  auto search = scf::WhileOp::create(b, TypeRange{index, index}, ValueRange{kernel.constant(0), batchCount});
  {
    OpBuilder::InsertionGuard guard(b);
    Block *before = b.createBlock(&search.getBefore(), {}, {index, index}, {b.getLoc(), b.getLoc()});
    Value low = before->getArgument(0), high = before->getArgument(1);
    Value distance = arith::SubIOp::create(b, high, low);
    Value open = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, distance, one);
    scf::ConditionOp::create(b, open, before->getArguments());

    Block *after = b.createBlock(&search.getAfter(), {}, {index, index}, {b.getLoc(), b.getLoc()});
    low = after->getArgument(0), high = after->getArgument(1);
    Value middle = arith::DivUIOp::create(b, arith::AddIOp::create(b, low, high), kernel.constant(2));
    Value begins = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, firstPosition(middle), position);
    Value nextLow = arith::SelectOp::create(b, begins, middle, low);
    Value nextHigh = arith::SelectOp::create(b, begins, high, middle);
    scf::YieldOp::create(b, ValueRange{nextLow, nextHigh});
  }
  Value batch = search.getResult(0), first = firstPosition(batch);
  Value block = arith::SubIOp::create(b, position, first);
  // Before the first sequence there is nothing: a block past every length.
  Value isBefore = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, block, kernel.constant(0));
  Value past = arith::DivUIOp::create(b, kernel.dim(view.getSource(), coordinate), size);
  past = arith::AddIOp::create(b, past, one);
  return {batch, arith::SelectOp::create(b, isBefore, past, block)};
}
