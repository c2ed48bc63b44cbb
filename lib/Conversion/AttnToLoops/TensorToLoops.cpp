//===- TensorToLoops.cpp - reference semantics of operations that move data -===//
#include "lib/Conversion/AttnToLoops/KernelBuilder.h"
#include "lib/Conversion/AttnToLoops/LoopLowerings.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::loops;
using Values = KernelBuilder::Values;

/// A constant larger than this would be a program of stores; it should be an argument.
static constexpr int64_t kMaxConstantElements = 1024;

void heddle::loops::copyMemory(PlanBuilder &plan, Value from, Value to) {
  KernelBuilder kernel(plan);
  Value source = kernel.buffer(from), target = kernel.buffer(to);
  Values position = kernel.openElements(kernel.sizes(target));
  kernel.store(kernel.load(source, position), target, position);
  kernel.launch();
}

/// Sizes or offsets of an operation on the host; nothing after an error.
static std::optional<SmallVector<Value>> onHost(PlanBuilder &plan, ArrayRef<OpFoldResult> scalars) {
  SmallVector<Value> values;
  for (OpFoldResult scalar : scalars) {
    values.push_back(plan.hostScalar(scalar));
    if (!values.back())
      return std::nullopt;
  }
  return values;
}

static LogicalResult lowerEmpty(tensor::EmptyOp op, PlanBuilder &plan) {
  std::optional<SmallVector<Value>> sizes = onHost(plan, op.getMixedSizes());
  if (!sizes)
    return failure();
  plan.declare(op.getResult(), *sizes);
  return success();
}

static LogicalResult lowerCast(tensor::CastOp op, PlanBuilder &plan) {
  plan.alias(op.getResult(), op.getSource());
  return success();
}

static LogicalResult lowerConstant(arith::ConstantOp op, PlanBuilder &plan) {
  auto value = cast<DenseElementsAttr>(op.getValue());
  auto type = cast<RankedTensorType>(op.getType());
  if (!value.isSplat() && type.getNumElements() > kMaxConstantElements)
    return op.emitOpError("expected a constant of at most ") << kMaxConstantElements << " elements, got " << type;
  plan.allocate(op.getResult(), plan.sizes(op.getResult()));
  KernelBuilder kernel(plan);
  Value memory = kernel.memory(op.getResult());
  auto element = [&](Attribute attribute) -> Value {
    if (auto real = dyn_cast<FloatAttr>(attribute))
      return kernel.real(real.getValueAsDouble());
    return arith::ConstantOp::create(kernel.body(), cast<TypedAttr>(attribute));
  };
  if (value.isSplat()) {
    Values position = kernel.openElements(kernel.sizes(memory));
    kernel.store(element(value.getSplatValue<Attribute>()), memory, position);
  } else {
    kernel.openGrid(kernel.constant(1));
    for (auto [linear, attribute] : llvm::enumerate(value.getValues<Attribute>())) {
      Values position(type.getRank());
      for (int64_t dim = type.getRank() - 1, rest = linear; dim >= 0; rest /= type.getDimSize(dim--))
        position[dim] = kernel.constant(rest % type.getDimSize(dim));
      kernel.store(element(attribute), memory, position);
    }
  }
  kernel.launch();
  return success();
}

static LogicalResult lowerSplat(tensor::SplatOp op, PlanBuilder &plan) {
  SmallVector<OpFoldResult> mixed = getMixedValues(op.getType().getShape(), op.getDynamicSizes(), op.getContext());
  std::optional<SmallVector<Value>> sizes = onHost(plan, mixed);
  if (!sizes)
    return failure();
  plan.allocate(op.getResult(), *sizes);
  KernelBuilder kernel(plan);
  Value memory = kernel.memory(op.getResult());
  Values position = kernel.openElements(kernel.sizes(memory));
  kernel.store(kernel.scalar(op.getInput()), memory, position);
  kernel.launch();
  return success();
}

/// `offset + stride * position`, with the numbers computed in the kernel.
static Value strided(KernelBuilder &kernel, OpFoldResult offset, OpFoldResult stride, Value position) {
  auto value = [&](OpFoldResult scalar) {
    std::optional<int64_t> known = getConstantIntValue(scalar);
    return known ? kernel.constant(*known) : kernel.scalar(cast<Value>(scalar));
  };
  ImplicitLocOpBuilder &body = kernel.body();
  Value scaled =
      getConstantIntValue(stride) == 1 ? position : Value(arith::MulIOp::create(body, position, value(stride)));
  return getConstantIntValue(offset) == 0 ? scaled : Value(arith::AddIOp::create(body, value(offset), scaled));
}

/// Positions of the larger tensor, from those of the slice; a dropped dimension is at position 0 of the slice.
template <typename OpT>
static Values slicePositions(OpT op, KernelBuilder &kernel, const llvm::SmallBitVector &dropped, ValueRange position) {
  Values result;
  auto next = position.begin();
  for (auto [dim, offset, stride] : llvm::enumerate(op.getMixedOffsets(), op.getMixedStrides()))
    result.push_back(strided(kernel, offset, stride, dropped.test(dim) ? kernel.constant(0) : *next++));
  return result;
}

static LogicalResult lowerExtractSlice(tensor::ExtractSliceOp op, PlanBuilder &plan) {
  llvm::SmallBitVector dropped = op.getDroppedDims();
  SmallVector<OpFoldResult> kept;
  for (auto [dim, size] : llvm::enumerate(op.getMixedSizes()))
    if (!dropped.test(dim))
      kept.push_back(size);
  std::optional<SmallVector<Value>> sizes = onHost(plan, kept);
  if (!sizes)
    return failure();
  plan.allocate(op.getResult(), *sizes);
  KernelBuilder kernel(plan);
  Value source = kernel.memory(op.getSource()), result = kernel.memory(op.getResult());
  Values position = kernel.openElements(kernel.sizes(result));
  kernel.store(kernel.load(source, slicePositions(op, kernel, dropped, position)), result, position);
  kernel.launch();
  return success();
}

static LogicalResult lowerInsertSlice(tensor::InsertSliceOp op, PlanBuilder &plan) {
  plan.allocate(op.getResult(), plan.sizes(op.getDest()));
  if (plan.hasContents(op.getDest()))
    copyMemory(plan, plan.memory(op.getDest()), plan.memory(op.getResult()));
  KernelBuilder kernel(plan);
  Value source = kernel.memory(op.getSource()), result = kernel.memory(op.getResult());
  Values position = kernel.openElements(kernel.sizes(source));
  kernel.store(kernel.load(source, position), result, slicePositions(op, kernel, op.getDroppedDims(), position));
  kernel.launch();
  return success();
}

static LogicalResult lowerConcat(tensor::ConcatOp op, PlanBuilder &plan) {
  unsigned dim = op.getDim();
  SmallVector<Value> sizes = plan.sizes(op.getInputs().front());
  for (Value input : op.getInputs().drop_front())
    sizes[dim] = plan.host().createOrFold<arith::AddIOp>(sizes[dim], plan.size(input, dim));
  plan.allocate(op.getResult(), sizes);
  for (unsigned index = 0; index < op.getInputs().size(); ++index) {
    KernelBuilder kernel(plan);
    Value source = kernel.memory(op.getInputs()[index]), result = kernel.memory(op.getResult());
    Value offset = kernel.constant(0);
    for (Value before : op.getInputs().take_front(index))
      offset = kernel.combine<arith::AddIOp>(offset, kernel.sizeOf(before, dim));
    Values position = kernel.openElements(kernel.sizes(source)), target = position;
    target[dim] = arith::AddIOp::create(kernel.body(), position[dim], offset);
    kernel.store(kernel.load(source, position), result, target);
    kernel.launch();
  }
  return success();
}

/// One position of a group of dimensions as a single number, the last dimension fastest.
static Value linearize(KernelBuilder &kernel, Value memory, ArrayRef<int64_t> group, ValueRange position) {
  ImplicitLocOpBuilder &body = kernel.body();
  Value linear = kernel.constant(0);
  for (int64_t dim : group)
    linear = arith::AddIOp::create(body, arith::MulIOp::create(body, linear, kernel.size(memory, dim)), position[dim]);
  return linear;
}

static LogicalResult lowerExpand(tensor::ExpandShapeOp op, PlanBuilder &plan) {
  std::optional<SmallVector<Value>> sizes = onHost(plan, op.getMixedOutputShape());
  if (!sizes)
    return failure();
  plan.allocate(op.getResult(), *sizes);
  KernelBuilder kernel(plan);
  Value source = kernel.memory(op.getSrc()), result = kernel.memory(op.getResult());
  Values position = kernel.openElements(kernel.sizes(result)), from;
  for (const ReassociationIndices &group : op.getReassociationIndices())
    from.push_back(linearize(kernel, result, group, position));
  kernel.store(kernel.load(source, from), result, position);
  kernel.launch();
  return success();
}

static LogicalResult lowerCollapse(tensor::CollapseShapeOp op, PlanBuilder &plan) {
  SmallVector<Value> sizes;
  for (const ReassociationIndices &group : op.getReassociationIndices()) {
    Value product = plan.constant(1);
    for (int64_t dim : group)
      product = plan.host().createOrFold<arith::MulIOp>(product, plan.size(op.getSrc(), dim));
    sizes.push_back(product);
  }
  plan.allocate(op.getResult(), sizes);
  // Over the source: writing needs no division.
  KernelBuilder kernel(plan);
  Value source = kernel.memory(op.getSrc()), result = kernel.memory(op.getResult());
  Values position = kernel.openElements(kernel.sizes(source)), to;
  for (const ReassociationIndices &group : op.getReassociationIndices())
    to.push_back(linearize(kernel, source, group, position));
  kernel.store(kernel.load(source, position), result, to);
  kernel.launch();
  return success();
}

void heddle::loops::addTensorLowerings(LoopLowerings &lowerings) {
  lowerings.add<tensor::EmptyOp>(lowerEmpty);
  lowerings.add<tensor::CastOp>(lowerCast);
  lowerings.add<arith::ConstantOp>(lowerConstant);
  lowerings.add<tensor::SplatOp>(lowerSplat);
  lowerings.add<tensor::ExtractSliceOp>(lowerExtractSlice);
  lowerings.add<tensor::InsertSliceOp>(lowerInsertSlice);
  lowerings.add<tensor::ConcatOp>(lowerConcat);
  lowerings.add<tensor::ExpandShapeOp>(lowerExpand);
  lowerings.add<tensor::CollapseShapeOp>(lowerCollapse);
}
