//===- ViewToLoops.cpp - reference semantics of view and accumulate ---------===//
#include "dialects/Attn/AttnOps.h"
#include "lib/Conversion/AttnToLoops/KernelBuilder.h"
#include "lib/Conversion/AttnToLoops/LoopLowerings.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::loops;
using Values = KernelBuilder::Values;

/// Whether position `t` of sequence `b` is before its length; null without lengths.
static Value presence(KernelBuilder &kernel, Value lengths, ValueRange position) {
  if (!lengths)
    return {};
  Value memory = kernel.memory(lengths);
  // One length may serve every sequence.
  Value sequence = getConstantIntValue(kernel.size(memory, 0)) == 1 ? kernel.constant(0) : position[0];
  Value end = arith::IndexCastOp::create(kernel.body(), kernel.body().getIndexType(), kernel.load(memory, sequence));
  return arith::CmpIOp::create(kernel.body(), arith::CmpIPredicate::slt, position[2], end);
}

static Value zero(KernelBuilder &kernel, Value memory) {
  Type element = cast<MemRefType>(memory.getType()).getElementType();
  if (isa<FloatType>(element))
    return kernel.real(0);
  return arith::ConstantOp::create(kernel.body(), kernel.body().getZeroAttr(element));
}

/// The result's memory, with sizes as the operation gives them.
template <typename OpT> static LogicalResult allocateResult(OpT op, PlanBuilder &plan) {
  SmallVector<Value> shape;
  auto given = op.getSizes().begin();
  for (int64_t extent : op.getType().getShape()) {
    shape.push_back(ShapedType::isDynamic(extent) ? plan.hostScalar(*given++) : plan.constant(extent));
    if (!shape.back())
      return failure();
  }
  plan.allocate(op.getResult(), shape);
  return success();
}

static LogicalResult lowerView(attn::ViewOp op, PlanBuilder &plan) {
  if (failed(allocateResult(op, plan)))
    return failure();
  KernelBuilder kernel(plan);
  Value source = kernel.memory(op.getSource()), result = kernel.memory(op.getResult());
  Values position = kernel.openElements(kernel.sizes(result));
  ImplicitLocOpBuilder &body = kernel.body();
  Value present = presence(kernel, op.getLengths(), position);
  Value value = kernel.when(present, zero(kernel, result), [&]() -> Values {
    Values coordinates = kernel.inlined(op.getCoordinates(), position);
    for (auto [dim, coordinate] : llvm::enumerate(coordinates)) {
      Value last = kernel.combine<arith::SubIOp>(kernel.size(source, dim), kernel.constant(1));
      coordinate = arith::MinSIOp::create(body, coordinate, last);
      coordinate = arith::MaxSIOp::create(body, coordinate, kernel.constant(0));
    }
    return {kernel.load(source, coordinates)};
  })[0];
  kernel.store(value, result, position);
  kernel.launch();
  return success();
}

static LogicalResult lowerAccumulate(attn::AccumulateOp op, PlanBuilder &plan) {
  if (failed(allocateResult(op, plan)))
    return failure();
  // One block: positions may meet, and a reference sums in one order.
  KernelBuilder kernel(plan);
  Value source = kernel.memory(op.getSource()), result = kernel.memory(op.getResult());
  Values shape = kernel.sizes(result), positions = kernel.sizes(source);
  kernel.openGrid(kernel.constant(1));
  ImplicitLocOpBuilder &body = kernel.body();
  kernel.nest(shape, [&](Values at) { kernel.store(zero(kernel, result), result, at); });
  kernel.nest(positions, [&](Values at) {
    kernel.when(presence(kernel, op.getLengths(), at), [&] {
      Values element = kernel.inlined(op.getCoordinates(), at);
      Value inside;
      for (auto [position, extent] : llvm::zip_equal(element, shape)) {
        Value below = arith::CmpIOp::create(body, arith::CmpIPredicate::ult, position, extent);
        inside = inside ? arith::AndIOp::create(body, inside, below) : below;
      }
      kernel.when(inside, [&] {
        Value old = kernel.load(result, element), added = kernel.load(source, at);
        Value sum = isa<FloatType>(old.getType()) ? Value(arith::AddFOp::create(body, old, added))
                                                  : arith::AddIOp::create(body, old, added);
        kernel.store(sum, result, element);
      });
    });
  });
  kernel.launch();
  return success();
}

void heddle::loops::addViewLowerings(LoopLowerings &lowerings) {
  lowerings.add<attn::ViewOp>(lowerView);
  lowerings.add<attn::AccumulateOp>(lowerAccumulate);
}
