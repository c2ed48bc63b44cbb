//===- PlanBuilder.cpp - the host function of the reference semantics -------===//
#include "lib/Conversion/AttnToLoops/PlanBuilder.h"
#include "dialects/Tile/TileDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace heddle::loops;

/// Contract 2: a strided array with unit stride in the last dimension.
static Type memoryOfArgument(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return type;
  SmallVector<int64_t> strides(tensor.getRank(), ShapedType::kDynamic);
  if (!strides.empty())
    strides.back() = 1;
  auto layout = StridedLayoutAttr::get(type.getContext(), ShapedType::kDynamic, strides);
  return MemRefType::get(tensor.getShape(), tensor.getElementType(), layout);
}

PlanBuilder::PlanBuilder(func::FuncOp source, Type real)
    : source(source), real(cast<FloatType>(real)), builder(source.getLoc(), source.getContext()) {
  SmallVector<Type> types;
  for (Type type : llvm::concat<const Type>(source.getArgumentTypes(), source.getResultTypes()))
    types.push_back(memoryOfArgument(type));
  builder.setInsertionPoint(source);
  plan = func::FuncOp::create(builder, source.getName(), builder.getFunctionType(types, {}));
  plan->setAttr(tile::kPlanAttr, builder.getUnitAttr());
  builder.setInsertionPointToStart(plan.addEntryBlock());
  for (auto [argument, value] : llvm::zip(source.getArguments(), plan.getArguments()))
    (isa<TensorType>(argument.getType()) ? memories : arguments)[argument] = value;
}

Value PlanBuilder::constant(int64_t value) { return arith::ConstantIndexOp::create(builder, value); }

Type PlanBuilder::convert(Type type) { return isa<FloatType>(type) ? Type(real) : type; }

Value PlanBuilder::memory(Value tensor) {
  auto known = memories.find(tensor);
  if (known != memories.end())
    return known->second;
  auto shape = declared.find(tensor);
  assert(shape != declared.end() && "a tensor is used before it is made");
  return allocate(tensor, SmallVector<Value>(shape->second));
}

Value PlanBuilder::allocate(Value tensor, ArrayRef<Value> sizes) {
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<Value> dynamicSizes;
  for (auto [dim, size] : llvm::enumerate(sizes))
    if (type.isDynamicDim(dim))
      dynamicSizes.push_back(size);
  auto memory = MemRefType::get(type.getShape(), convert(type.getElementType()));
  Value buffer = memref::AllocOp::create(builder, memory, dynamicSizes);
  memorySizes[buffer] = llvm::to_vector(sizes);
  return memories[tensor] = buffer;
}

Value PlanBuilder::allocate(Type element, ArrayRef<Value> sizes) {
  SmallVector<int64_t> shape;
  SmallVector<Value> dynamicSizes;
  for (Value size : sizes) {
    std::optional<int64_t> known = getConstantIntValue(size);
    shape.push_back(known.value_or(ShapedType::kDynamic));
    if (!known)
      dynamicSizes.push_back(size);
  }
  Value buffer = memref::AllocOp::create(builder, MemRefType::get(shape, element), dynamicSizes);
  memorySizes[buffer] = llvm::to_vector(sizes);
  return buffer;
}

Value PlanBuilder::size(Value tensor, unsigned dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return constant(type.getDimSize(dim));
  auto shape = declared.find(tensor);
  if (shape != declared.end())
    return shape->second[dim];
  Value buffer = memory(tensor);
  auto known = memorySizes.find(buffer);
  if (known != memorySizes.end())
    return known->second[dim];
  // An argument: its sizes are read once, at the top.
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&plan.getBody().front());
  SmallVector<Value> sizes;
  for (unsigned index = 0; index < type.getRank(); ++index)
    sizes.push_back(builder.createOrFold<memref::DimOp>(buffer, static_cast<int64_t>(index)));
  memorySizes[buffer] = sizes;
  return sizes[dim];
}

SmallVector<Value> PlanBuilder::sizes(Value tensor) {
  return llvm::map_to_vector(llvm::seq<unsigned>(cast<RankedTensorType>(tensor.getType()).getRank()),
                             [&](unsigned dim) { return size(tensor, dim); });
}

Value PlanBuilder::hostScalar(OpFoldResult scalar) {
  if (std::optional<int64_t> known = getConstantIntValue(scalar))
    return constant(*known);
  auto value = cast<Value>(scalar);
  if (auto known = arguments.lookup(value))
    return known;
  Operation *op = value.getDefiningOp();
  if (auto dim = dyn_cast_or_null<tensor::DimOp>(op))
    if (std::optional<int64_t> index = dim.getConstantIndex())
      return arguments[value] = size(dim.getSource(), *index);
  bool integer =
      op && isa<arith::ArithDialect>(op->getDialect()) && op->getNumResults() == 1 && value.getType().isIntOrIndex();
  if (!integer) {
    emitError(value.getLoc(), "expected a size to be integer arithmetic on sizes and arguments, got ") << value;
    return {};
  }
  IRMapping mapping;
  for (Value operand : op->getOperands()) {
    Value mapped = hostScalar(operand);
    if (!mapped)
      return {};
    mapping.map(operand, mapped);
  }
  return arguments[value] = builder.clone(*op, mapping)->getResult(0);
}

Value PlanBuilder::getResultMemory(unsigned index) { return plan.getArgument(source.getNumArguments() + index); }

std::string PlanBuilder::nextKernelName() {
  auto module = source->getParentOfType<ModuleOp>();
  std::string name;
  do
    name = (source.getName() + "_" + Twine(numKernels++)).str();
  while (module.lookupSymbol(name));
  return name;
}

void PlanBuilder::finish() {
  func::ReturnOp::create(builder);
  source.erase();
}
