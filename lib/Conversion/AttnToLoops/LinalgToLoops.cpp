//===- LinalgToLoops.cpp - reference semantics of linalg and of arith -------===//
//
// A structured operation becomes one kernel: blocks and loops over its parallel
// dimensions, loops over its reductions inside. Element-wise arith and math on
// tensors are the case without reductions.
//
//===----------------------------------------------------------------------===//
#include "lib/Conversion/AttnToLoops/KernelBuilder.h"
#include "lib/Conversion/AttnToLoops/LoopLowerings.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::loops;
using Values = KernelBuilder::Values;

namespace {
/// One structured operation in one kernel.
class StructuredKernel {
public:
  StructuredKernel(linalg::LinalgOp op, KernelBuilder &kernel) : op(op), kernel(kernel) {}

  LogicalResult emit() {
    SmallVector<Value> extents;
    for (unsigned loop = 0; loop < op.getNumLoops(); ++loop) {
      extents.push_back(extentOf(loop));
      if (!extents.back())
        return op.emitOpError("expected every loop to be a dimension of an operand, got none for loop ") << loop;
    }
    SmallVector<unsigned> parallel, reductions;
    op.getParallelDims(parallel);
    op.getReductionDims(reductions);
    auto pick = [&](ArrayRef<unsigned> loops) {
      return llvm::map_to_vector(loops, [&](unsigned loop) { return extents[loop]; });
    };
    positions.resize(op.getNumLoops());
    Values outer = kernel.openElements(pick(parallel));
    for (auto [loop, position] : llvm::zip_equal(parallel, outer))
      positions[loop] = position;
    for (OpOperand &init : op.getDpsInitsMutable())
      copyInit(init);
    kernel.nest(pick(reductions), [&](Values inner) {
      for (auto [loop, position] : llvm::zip_equal(reductions, inner))
        positions[loop] = position;
      combine();
    });
    return success();
  }

private:
  /// Results stand in for the inits: they have their shape, and hold their contents while the loops run.
  Value memoryOf(OpOperand &operand) {
    return op.isDpsInit(&operand) ? kernel.memory(op.getTiedOpResult(&operand)) : kernel.memory(operand.get());
  }

  Value extentOf(unsigned loop) {
    for (OpOperand &operand : op->getOpOperands()) {
      if (op.isScalar(&operand))
        continue;
      AffineMap map = op.getMatchingIndexingMap(&operand);
      for (auto [dim, expression] : llvm::enumerate(map.getResults()))
        if (expression == getAffineDimExpr(loop, op.getContext()))
          return kernel.size(memoryOf(operand), dim);
    }
    return {};
  }

  Values indicesOf(OpOperand &operand) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    return llvm::map_to_vector(map.getResults(), [&](AffineExpr expression) {
      return affine::expandAffineExpr(kernel.body(), op.getLoc(), expression, positions, {});
    });
  }

  void copyInit(OpOperand &init) {
    if (!op.payloadUsesValueFromOperand(&init) || !kernel.getPlan().hasContents(init.get()))
      return;
    Values indices = indicesOf(init);
    kernel.store(kernel.load(kernel.memory(init.get()), indices), memoryOf(init), indices);
  }

  void combine() {
    Values arguments;
    for (OpOperand &operand : op->getOpOperands())
      arguments.push_back(op.isScalar(&operand) ? kernel.scalar(operand.get())
                                                : kernel.load(memoryOf(operand), indicesOf(operand)));
    Values results = kernel.inlined(op->getRegion(0), arguments, positions);
    for (auto [init, value] : llvm::zip_equal(llvm::make_pointer_range(op.getDpsInitsMutable()), results))
      kernel.store(value, memoryOf(*init), indicesOf(*init));
  }

  linalg::LinalgOp op;
  KernelBuilder &kernel;
  Values positions;
};
} // namespace

static LogicalResult lowerStructured(linalg::LinalgOp op, PlanBuilder &plan) {
  if (!op.hasPureTensorSemantics())
    return op.emitOpError("expected tensors, got buffers");
  for (OpOperand &init : op.getDpsInitsMutable())
    plan.allocate(op.getTiedOpResult(&init), plan.sizes(init.get()));
  KernelBuilder kernel(plan);
  if (failed(StructuredKernel(op, kernel).emit()))
    return failure();
  kernel.launch();
  return success();
}

static bool isElementwise(Operation *op) {
  return OpTrait::hasElementwiseMappableTraits(op) && op->getNumResults() == 1 &&
         isa<RankedTensorType>(op->getResult(0).getType());
}

static LogicalResult lowerElementwise(Operation *op, PlanBuilder &plan) {
  Value result = op->getResult(0);
  auto shaped = llvm::find_if(op->getOperands(), [](Value operand) { return isa<TensorType>(operand.getType()); });
  plan.allocate(result, plan.sizes(*shaped));
  KernelBuilder kernel(plan);
  Value memory = kernel.memory(result);
  Values position = kernel.openElements(kernel.sizes(memory));
  Values operands;
  for (Value operand : op->getOperands())
    operands.push_back(isa<TensorType>(operand.getType()) ? kernel.load(kernel.memory(operand), position)
                                                          : kernel.scalar(operand));
  kernel.store(kernel.apply(op, operands), memory, position);
  kernel.launch();
  return success();
}

void heddle::loops::addLinalgLowerings(LoopLowerings &lowerings) {
  lowerings.add<linalg::LinalgOp>(lowerStructured);
  lowerings.add(isElementwise, lowerElementwise);
}
