//===- MergeToLoops.cpp - reference semantics of attn.merge -----------------===//
#include "dialects/Attn/AttnOps.h"
#include "lib/Conversion/AttnToLoops/KernelBuilder.h"
#include "lib/Conversion/AttnToLoops/LoopLowerings.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::loops;
using Values = KernelBuilder::Values;

static LogicalResult lowerMerge(attn::MergeOp op, PlanBuilder &plan) {
  plan.allocate(op.getResult(), plan.sizes(op.getParts().front()));
  KernelBuilder kernel(plan);
  Value result = kernel.memory(op.getResult());
  Values grid = kernel.openGrid({kernel.size(result, 2), kernel.size(result, 1), kernel.size(result, 0)});
  Value row = grid[0], head = grid[1], batch = grid[2];
  Values weights = kernel.inlined(op.getWeights(), {batch, head, row});
  kernel.loop(kernel.size(result, 3), [&](Value e) {
    Value sum = kernel.real(0);
    for (auto [part, weight] : llvm::zip_equal(op.getParts(), weights)) {
      Value element = kernel.load(kernel.memory(part), {batch, head, row, e});
      sum = arith::AddFOp::create(kernel.body(), sum, arith::MulFOp::create(kernel.body(), weight, element));
    }
    kernel.store(sum, result, {batch, head, row, e});
  });
  kernel.launch();
  return success();
}

void heddle::loops::addMergeLowering(LoopLowerings &lowerings) { lowerings.add<attn::MergeOp>(lowerMerge); }
