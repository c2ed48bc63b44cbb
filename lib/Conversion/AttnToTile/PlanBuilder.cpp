//===- PlanBuilder.cpp ------------------------------------------------------===//
#include "PlanBuilder.h"
#include "dialects/Tile/TileOps.h"
#include "dialects/Tile/TileTarget.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace heddle;

MemRefType heddle::getStridedMemory(RankedTensorType tensor) {
  SmallVector<int64_t> strides(tensor.getRank(), ShapedType::kDynamic);
  if (!strides.empty())
    strides.back() = 1;
  auto layout = StridedLayoutAttr::get(tensor.getContext(), ShapedType::kDynamic, strides);
  return MemRefType::get(tensor.getShape(), tensor.getElementType(), layout);
}

PlanBuilder::PlanBuilder(func::FuncOp source, func::FuncOp plan)
    : ScalarScope(ImplicitLocOpBuilder::atBlockEnd(source.getLoc(), &plan.front())), source(source), plan(plan) {
  for (auto [from, to] : llvm::zip(source.getArguments(), plan.getArguments()))
    if (isa<RankedTensorType>(from.getType()))
      stored[from] = to;
}

PlanBuilder PlanBuilder::create(func::FuncOp source) {
  OpBuilder builder(source);
  SmallVector<Type> inputs;
  for (Type type : llvm::concat<const Type>(source.getArgumentTypes(), source.getResultTypes())) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    inputs.push_back(tensor ? Type(getStridedMemory(tensor)) : type);
  }
  auto plan = func::FuncOp::create(builder, source.getLoc(), source.getName(), builder.getFunctionType(inputs, {}));
  plan->setAttr(tile::kPlanAttr, builder.getUnitAttr());
  plan.addEntryBlock();
  return PlanBuilder(source, plan);
}

PlanBuilder PlanBuilder::of(func::FuncOp other) {
  PlanBuilder result(other, plan);
  result.builder.restoreInsertionPoint(builder.saveInsertionPoint());
  result.status = status;
  return result;
}

Value PlanBuilder::output(unsigned index) { return plan.getArgument(source.getNumArguments() + index); }

Value PlanBuilder::allocateFor(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<Value> sizes;
  for (int64_t d = 0; d < type.getRank(); ++d)
    if (type.isDynamicDim(d))
      sizes.push_back(dim(tensor, d));
  return allocate(MemRefType::get(type.getShape(), type.getElementType()), sizes);
}

Value PlanBuilder::allocate(MemRefType type, ValueRange sizes) {
  // A constant size is part of the type, where canonicalization would put it behind a cast.
  SmallVector<int64_t> shape(type.getShape());
  SmallVector<Value> dynamic;
  for (int64_t &extent : shape) {
    if (!ShapedType::isDynamic(extent))
      continue;
    Value size = sizes.front();
    sizes = sizes.drop_front();
    if (std::optional<int64_t> known = getConstantIntValue(size))
      extent = *known;
    else
      dynamic.push_back(size);
  }
  return memref::AllocOp::create(builder, MemRefType::get(shape, type.getElementType()), dynamic);
}

Value PlanBuilder::allocateZeroed(int64_t words) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&plan.front());
  Value memory = allocate(MemRefType::get({words}, builder.getI32Type()), {});
  memory.getDefiningOp()->setAttr(tile::kZeroedAttr, builder.getUnitAttr());
  return memory;
}

Value PlanBuilder::getStatus() {
  if (!status) {
    status = allocateZeroed(1);
    status.getDefiningOp()->setAttr(tile::kStatusAttr, builder.getUnitAttr());
  }
  return status;
}

std::string PlanBuilder::nextKernelName() { return (source.getName() + "_" + Twine(kernels++)).str(); }

void PlanBuilder::finish() { func::ReturnOp::create(builder); }

KernelBuilder::KernelBuilder(PlanBuilder &plan, func::FuncOp kernel)
    : ScalarScope(ImplicitLocOpBuilder::atBlockEnd(kernel.getLoc(), &kernel.front())), plan(plan), kernel(kernel),
      bodyBuilder(builder) {}

KernelBuilder KernelBuilder::create(PlanBuilder &plan) {
  OpBuilder builder(plan.getSource());
  auto kernel =
      func::FuncOp::create(builder, plan.getSource().getLoc(), plan.nextKernelName(), builder.getFunctionType({}, {}));
  kernel->setAttr(tile::kKernelAttr, builder.getUnitAttr());
  kernel.setPrivate();
  kernel.getBody().emplaceBlock();
  return KernelBuilder(plan, kernel);
}

Value KernelBuilder::import(Value planValue) {
  Value &argument = arguments[planValue];
  if (!argument) {
    Type type = planValue.getType();
    // A kernel sees workspace like any other array: with run-time strides.
    if (auto memory = dyn_cast<MemRefType>(type))
      type = getStridedMemory(RankedTensorType::get(memory.getShape(), memory.getElementType()));
    argument = kernel.front().addArgument(type, planValue.getLoc());
  }
  return argument;
}

Value KernelBuilder::importContiguous(Value planValue) {
  Value argument = import(planValue);
  auto type = cast<MemRefType>(planValue.getType());
  SmallVector<int64_t> strides(type.getRank(), ShapedType::kDynamic);
  int64_t stride = 1;
  for (int64_t dim = type.getRank() - 1; dim >= 0; --dim) {
    strides[dim] = stride;
    if (type.isDynamicDim(dim))
      break;
    stride *= type.getDimSize(dim);
  }
  auto layout = StridedLayoutAttr::get(type.getContext(), ShapedType::kDynamic, strides);
  argument.setType(MemRefType::get(type.getShape(), type.getElementType(), layout));
  return argument;
}

Value KernelBuilder::importByResidue(Value planValue, int64_t dimension, int64_t modulus) {
  Value &view = views[{planValue, dimension, modulus}];
  if (!view)
    view = tile::ResiduesOp::create(plan.getBuilder(), planValue, dimension, modulus);
  return import(view);
}

Value KernelBuilder::byResidue(Value argument, int64_t dimension, int64_t modulus) {
  auto found = llvm::find_if(arguments, [&](const auto &entry) { return entry.second == argument; });
  assert(found != arguments.end() && "memory that is no argument");
  return importByResidue(found->first, dimension, modulus);
}

Value KernelBuilder::memory(Value tensor) {
  Value stored = plan.memory(tensor);
  return stored ? import(stored) : Value();
}

Value KernelBuilder::argument(BlockArgument value) { return import(plan.getPlan().getArgument(value.getArgNumber())); }

SmallVector<Value> KernelBuilder::startBody(ArrayRef<Value> grid) {
  SmallVector<Attribute> mapping;
  for (size_t dim = 0; dim < grid.size(); ++dim)
    mapping.push_back(tile::BlockAttr::get(builder.getContext(), dim));
  auto forall = scf::ForallOp::create(builder, getAsOpFoldResult(grid), ValueRange(), builder.getArrayAttr(mapping));
  func::ReturnOp::create(builder);
  // Later sizes go before the forall, the block's code before its terminator.
  builder.setInsertionPoint(forall);
  bodyBuilder.setInsertionPoint(forall.getBody()->getTerminator());
  return forall.getInductionVars();
}

void KernelBuilder::launch() {
  kernel.setFunctionType(builder.getFunctionType(kernel.front().getArgumentTypes(), {}));
  SmallVector<Value> operands;
  for (auto [planValue, argument] : arguments)
    operands.push_back(planValue);
  tile::LaunchOp::create(plan.getBuilder(), kernel.getName(), operands);
}

FailureOr<SmallVector<Value>> heddle::loopOver(ImplicitLocOpBuilder &b, Value lower, Value upper, Value step,
                                               ArrayRef<Value> initial, LoopBody body) {
  auto loop = scf::ForOp::create(b, lower, upper, step, initial);
  OpBuilder::InsertionGuard guard(b);
  if (loop.getBody()->mightHaveTerminator())
    loop.getBody()->back().erase();
  b.setInsertionPointToEnd(loop.getBody());
  FailureOr<SmallVector<Value>> next =
      body(loop.getInductionVar(), SmallVector<Value>(ValueRange(loop.getRegionIterArgs())));
  if (failed(next))
    return failure();
  scf::YieldOp::create(b, *next);
  return SmallVector<Value>(loop.getResults());
}
