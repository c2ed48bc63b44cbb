//===- InlineScalars.cpp - regions on scalars as straight code --------------===//
//
// A region is copied operation by operation with every float in the kernel's `real`
// type, so that the same text has reference semantics in f64. What it reads from
// outside becomes a load, an argument of the kernel, or is computed again here.
//
//===----------------------------------------------------------------------===//
#include "lib/Conversion/AttnToLoops/KernelBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace heddle::loops;
using Values = KernelBuilder::Values;

Value KernelBuilder::scalar(Value sourceScalar) {
  auto known = scalars.find(sourceScalar);
  if (known != scalars.end())
    return known->second;
  OpBuilder::InsertionGuard guard(builder);
  if (prologue)
    builder.setInsertionPointAfter(prologue);
  else
    builder.setInsertionPointToStart(top);
  Value result;
  if (auto outer = dyn_cast<BlockArgument>(sourceScalar)) {
    result = toReal(argument(plan.argument(outer)));
  } else {
    // The operands are put at the top first, so that this one comes behind them.
    Operation *op = sourceScalar.getDefiningOp();
    for (Value operand : op->getOperands())
      if (!isa<TensorType>(operand.getType()))
        scalar(operand);
    if (prologue)
      builder.setInsertionPointAfter(prologue);
    IRMapping mapping;
    emit(*op, mapping, {});
    result = mapping.lookup(sourceScalar);
  }
  Operation *producer = result.getDefiningOp();
  if (producer && producer->getBlock() == top && (!prologue || prologue->isBeforeInBlock(producer)))
    prologue = producer;
  return scalars[sourceScalar] = result;
}

Value KernelBuilder::resolve(Value operand, IRMapping &mapping) {
  if (Value mapped = mapping.lookupOrNull(operand))
    return mapped;
  return isa<TensorType>(operand.getType()) ? operand : scalar(operand);
}

Value KernelBuilder::apply(Operation *op, ValueRange operands) {
  Type type = plan.convert(getElementTypeOrSelf(op->getResult(0).getType()));
  // All floats are one type here, so conversions between them vanish.
  if (isa<arith::ExtFOp, arith::TruncFOp>(op))
    return operands.front();
  if (isa<arith::BitcastOp>(op)) {
    // Bits are those of the type in the text.
    Type from = getElementTypeOrSelf(op->getOperand(0).getType()),
         to = getElementTypeOrSelf(op->getResult(0).getType());
    return toReal(arith::BitcastOp::create(builder, to, fromReal(operands.front(), from)));
  }
  IRMapping mapping;
  Operation *copy = op->clone(mapping, Operation::CloneOptions().cloneRegions(false).cloneOperands(false));
  copy->setOperands(operands);
  copy->getResult(0).setType(type);
  return builder.insert(copy)->getResult(0);
}

void KernelBuilder::emit(Operation &op, IRMapping &mapping, ValueRange positions) {
  if (auto constantOp = dyn_cast<arith::ConstantOp>(op)) {
    auto value = dyn_cast<FloatAttr>(constantOp.getValue());
    mapping.map(op.getResult(0), value ? real(value.getValueAsDouble()) : builder.clone(op)->getResult(0));
    return;
  }
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    Values indices;
    for (Value index : extract.getIndices())
      indices.push_back(resolve(index, mapping));
    mapping.map(extract.getResult(), load(memory(resolve(extract.getTensor(), mapping)), indices));
    return;
  }
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    Value tensor = resolve(dim.getSource(), mapping);
    mapping.map(dim.getResult(), sizeOf(tensor, dim.getConstantIndex().value_or(0)));
    return;
  }
  if (auto position = dyn_cast<linalg::IndexOp>(op)) {
    mapping.map(position.getResult(), positions[position.getDim()]);
    return;
  }
  Values operands;
  for (Value operand : op.getOperands())
    operands.push_back(resolve(operand, mapping));
  if (op.getNumRegions() == 0 && op.getNumResults() == 1) {
    mapping.map(op.getResult(0), apply(&op, operands));
    return;
  }
  // Control flow and terminators: the same operation around copied blocks.
  IRMapping none;
  Operation *copy = builder.insert(op.clone(none, Operation::CloneOptions().cloneRegions(false).cloneOperands(false)));
  copy->setOperands(operands);
  for (auto [result, original] : llvm::zip_equal(copy->getResults(), op.getResults())) {
    result.setType(plan.convert(original.getType()));
    mapping.map(original, result);
  }
  for (auto [to, from] : llvm::zip_equal(copy->getRegions(), op.getRegions())) {
    for (Block &block : from) {
      OpBuilder::InsertionGuard guard(builder);
      Block *copied = builder.createBlock(&to);
      for (BlockArgument argument : block.getArguments())
        mapping.map(argument, copied->addArgument(plan.convert(argument.getType()), argument.getLoc()));
      emitBlock(block, mapping, positions);
      emit(*block.getTerminator(), mapping, positions);
    }
  }
}

void KernelBuilder::emitBlock(Block &from, IRMapping &mapping, ValueRange positions) {
  for (Operation &op : from.without_terminator())
    emit(op, mapping, positions);
}

Values KernelBuilder::inlined(Region &region, ValueRange arguments, ValueRange positions) {
  Block &block = region.front();
  IRMapping mapping;
  mapping.map(block.getArguments(), arguments);
  emitBlock(block, mapping, positions);
  return llvm::map_to_vector(block.getTerminator()->getOperands(),
                             [&](Value operand) { return resolve(operand, mapping); });
}
