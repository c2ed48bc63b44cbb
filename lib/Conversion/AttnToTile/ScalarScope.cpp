//===- ScalarScope.cpp ------------------------------------------------------===//
#include "ScalarScope.h"
#include "AttnShape.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace heddle;

/// The top of the function, from where every later user is dominated; a plan may be in one of its branches.
static Block *entryOf(Block *block) {
  while (!isa<func::FuncOp>(block->getParentOp()))
    block = block->getParentOp()->getBlock();
  return &block->getParent()->front();
}

Value ScalarScope::constant(int64_t value) {
  Value &constant = constants[value];
  if (!constant) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(entryOf(builder.getInsertionBlock()));
    constant = arith::ConstantIndexOp::create(builder, value);
  }
  return constant;
}

Value ScalarScope::scalar(Value value) {
  if (Value known = scalars.lookup(value))
    return known;
  if (auto argument = dyn_cast<BlockArgument>(value))
    return scalars[value] = this->argument(argument);

  Operation *op = value.getDefiningOp();
  if (auto dimension = dyn_cast<tensor::DimOp>(op))
    if (std::optional<int64_t> index = dimension.getConstantIndex())
      return scalars[value] = dim(dimension.getSource(), *index);
  bool isScalar =
      isPure(op) && op->getNumRegions() == 0 && llvm::none_of(op->getOperandTypes(), llvm::IsaPred<ShapedType>);
  if (!isScalar) {
    op->emitOpError("expected a number known before the kernels run, got one that depends on array contents");
    return {};
  }
  IRMapping mapping;
  for (Value operand : op->getOperands()) {
    Value mapped = scalar(operand);
    if (!mapped)
      return {};
    mapping.map(operand, mapped);
  }
  OpBuilder::InsertionGuard guard(builder);
  if (op->getNumOperands() == 0)
    builder.setInsertionPointToStart(entryOf(builder.getInsertionBlock()));
  return scalars[value] = builder.clone(*op, mapping)->getResult(cast<OpResult>(value).getResultNumber());
}

Value ScalarScope::dim(Value tensor, int64_t dimension) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dimension))
    return constant(type.getDimSize(dimension));
  std::pair<Value, int64_t> key(tensor, dimension);
  if (Value known = dims.lookup(key))
    return known;
  Value result;
  if (Value stored = memory(tensor))
    result = memref::DimOp::create(builder, stored, dimension);
  else
    result = deriveDim(tensor, dimension);
  return dims[key] = result;
}

/// The dimension of an operand that a linalg operation ties to dimension `dimension` of `result`.
static std::optional<std::pair<Value, int64_t>> findTiedDim(linalg::LinalgOp op, OpResult result, int64_t dimension) {
  AffineExpr loop = op.getIndexingMapMatchingResult(result).getResult(dimension);
  for (OpOperand &operand : op->getOpOperands())
    for (auto [index, expr] : llvm::enumerate(op.getMatchingIndexingMap(&operand).getResults()))
      if (expr == loop && op.isDpsInput(&operand))
        return std::pair(operand.get(), static_cast<int64_t>(index));
  return std::nullopt;
}

Value ScalarScope::deriveDim(Value tensor, int64_t dimension) {
  Operation *op = tensor.getDefiningOp();
  auto result = cast<OpResult>(tensor);
  SmallVector<std::pair<Value, int64_t>> tied = getTiedDims(result, dimension);
  if (!tied.empty()) {
    Value extent;
    for (auto [value, index] : tied) {
      Value size = index < 0 ? scalar(value) : dim(value, index);
      extent = extent ? arith::MaxUIOp::create(builder, extent, size) : size;
    }
    return extent;
  }
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op)) {
    if (auto tied = findTiedDim(linalgOp, result, dimension))
      return dim(tied->first, tied->second);
    return dim(linalgOp.getDpsInitOperand(result.getResultNumber())->get(), dimension);
  }
  if (auto empty = dyn_cast<tensor::EmptyOp>(op))
    return scalar(empty.getDynamicSize(dimension));
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op);
      slice && slice.getSourceType().getRank() == slice.getType().getRank())
    return scalar(slice.getDynamicSize(dimension));
  if (auto concat = dyn_cast<tensor::ConcatOp>(op); concat && static_cast<int64_t>(concat.getDim()) != dimension)
    return dim(concat.getInputs().front(), dimension);
  if (OpTrait::hasElementwiseMappableTraits(op) || isa<tensor::CastOp>(op))
    return dim(op->getOperand(op->getNumOperands() - 1), dimension);
  op->emitOpError("expected an operation whose sizes follow from its operands' sizes");
  return {};
}
