//===- KernelBuilder.cpp - one kernel of plain scalar loops -----------------===//
#include "lib/Conversion/AttnToLoops/KernelBuilder.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace heddle::loops;
using Values = KernelBuilder::Values;

KernelBuilder::KernelBuilder(PlanBuilder &plan)
    : plan(plan), builder(plan.host().getLoc(), plan.getSource().getContext()) {
  // Kernels stand in the order of their launches, in front of the source and hence behind the plan.
  builder.setInsertionPoint(plan.getSource());
  kernel = func::FuncOp::create(builder, plan.nextKernelName(), builder.getFunctionType({}, {}));
  kernel->setAttr(tile::kKernelAttr, builder.getUnitAttr());
  builder.setInsertionPointToStart(kernel.addEntryBlock());
  header = func::ReturnOp::create(builder);
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

Value KernelBuilder::argument(Value planValue) {
  Value &known = arguments[planValue];
  if (!known) {
    known = kernel.getBody().front().addArgument(planValue.getType(), planValue.getLoc());
    passed.push_back(planValue);
  }
  return known;
}

Value KernelBuilder::buffer(Value planMemory) { return argument(planMemory); }

Value KernelBuilder::constant(int64_t value) {
  Value &known = constants[value];
  if (!known) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&kernel.getBody().front());
    known = arith::ConstantIndexOp::create(builder, value);
  }
  return known;
}

Value KernelBuilder::size(Value kernelMemory, unsigned dim) {
  int64_t extent = cast<MemRefType>(kernelMemory.getType()).getDimSize(dim);
  if (!ShapedType::isDynamic(extent))
    return constant(extent);
  Value &known = knownSizes[{kernelMemory, dim}];
  if (!known) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointAfterValue(constant(dim));
    known = memref::DimOp::create(builder, kernelMemory, constant(dim));
  }
  return known;
}

Value KernelBuilder::sizeOf(Value tensor, unsigned dim) { return size(memory(tensor), dim); }

Values KernelBuilder::sizes(Value kernelMemory) {
  return llvm::map_to_vector(llvm::seq<unsigned>(cast<MemRefType>(kernelMemory.getType()).getRank()),
                             [&](unsigned dim) { return size(kernelMemory, dim); });
}

//===----------------------------------------------------------------------===//
// Grid and loops
//===----------------------------------------------------------------------===//

Values KernelBuilder::openGrid(ArrayRef<Value> extents) {
  builder.setInsertionPoint(header);
  auto forall = scf::ForallOp::create(builder, getAsOpFoldResult(extents), ValueRange(), std::nullopt);
  header = forall;
  top = forall.getBody();
  builder.setInsertionPoint(top->getTerminator());
  return forall.getInductionVars();
}

Values KernelBuilder::openElements(ArrayRef<Value> shape) {
  // The last dimension is a loop, so that a block has work; a grid has at most three dimensions.
  unsigned inGrid = shape.size() <= 1 ? shape.size() : std::min<unsigned>(3, shape.size() - 1);
  Values grid(llvm::reverse(shape.take_front(inGrid)));
  if (grid.empty())
    grid.push_back(constant(1));
  Values positions(llvm::reverse(openGrid(grid)));
  positions.resize(inGrid);
  for (Value extent : shape.drop_front(inGrid)) {
    auto loop = scf::ForOp::create(builder, constant(0), extent, constant(1));
    positions.push_back(loop.getInductionVar());
    builder.setInsertionPointToStart(loop.getBody());
  }
  return positions;
}

void KernelBuilder::loop(Value extent, llvm::function_ref<void(Value)> emit) {
  auto loop = scf::ForOp::create(builder, constant(0), extent, constant(1));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  emit(loop.getInductionVar());
}

Values KernelBuilder::loop(Value extent, ValueRange initial, llvm::function_ref<Values(Value, ValueRange)> emit) {
  auto loop = scf::ForOp::create(builder, constant(0), extent, constant(1), initial);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(loop.getBody());
  scf::YieldOp::create(builder, emit(loop.getInductionVar(), loop.getRegionIterArgs()));
  return loop.getResults();
}

void KernelBuilder::nest(ArrayRef<Value> extents, llvm::function_ref<void(Values)> emit) {
  OpBuilder::InsertionGuard guard(builder);
  Values positions;
  for (Value extent : extents) {
    auto loop = scf::ForOp::create(builder, constant(0), extent, constant(1));
    positions.push_back(loop.getInductionVar());
    builder.setInsertionPointToStart(loop.getBody());
  }
  emit(positions);
}

void KernelBuilder::when(Value condition, llvm::function_ref<void()> emit) {
  if (!condition)
    return emit();
  auto branch = scf::IfOp::create(builder, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(branch.thenBlock());
  emit();
}

Values KernelBuilder::when(Value condition, ValueRange otherwise, llvm::function_ref<Values()> emit) {
  if (!condition)
    return emit();
  if (otherwise.empty()) {
    when(condition, [&] { emit(); });
    return {};
  }
  auto branch = scf::IfOp::create(builder, otherwise.getTypes(), condition, /*addThenBlock=*/true,
                                  /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(builder, emit());
  builder.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(builder, otherwise);
  return branch.getResults();
}

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

Value KernelBuilder::real(double value) {
  return arith::ConstantOp::create(builder, builder.getFloatAttr(plan.getReal(), value));
}

Value KernelBuilder::toReal(Value value) {
  auto type = dyn_cast<FloatType>(value.getType());
  if (!type || type == plan.getReal())
    return value;
  // Through f32, as in `fromReal`.
  if (type.getWidth() < 32 && plan.getReal().isF64())
    value = arith::ExtFOp::create(builder, builder.getF32Type(), value);
  if (type.getWidth() < plan.getReal().getWidth())
    return arith::ExtFOp::create(builder, plan.getReal(), value);
  return arith::TruncFOp::create(builder, plan.getReal(), value);
}

Value KernelBuilder::fromReal(Value value, Type type) {
  auto to = dyn_cast<FloatType>(type);
  if (!to || value.getType() == type)
    return value;
  if (to.getWidth() > plan.getReal().getWidth())
    return arith::ExtFOp::create(builder, type, value);
  // Through f32: few targets round f64 to a half type in one step.
  if (to.getWidth() < 32 && plan.getReal().isF64())
    value = arith::TruncFOp::create(builder, builder.getF32Type(), value);
  return arith::TruncFOp::create(builder, type, value);
}

Value KernelBuilder::load(Value kernelMemory, ValueRange indices) {
  return toReal(memref::LoadOp::create(builder, kernelMemory, indices));
}

void KernelBuilder::store(Value value, Value kernelMemory, ValueRange indices) {
  Type element = cast<MemRefType>(kernelMemory.getType()).getElementType();
  memref::StoreOp::create(builder, fromReal(value, element), kernelMemory, indices);
}

void KernelBuilder::launch() {
  Block &entry = kernel.getBody().front();
  kernel.setFunctionType(builder.getFunctionType(entry.getArgumentTypes(), {}));
  tile::LaunchOp::create(plan.host(), kernel.getName(), passed);
}
