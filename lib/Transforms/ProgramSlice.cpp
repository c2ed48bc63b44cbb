//===- ProgramSlice.cpp - the part of a program that some operations need ---===//
#include "lib/Transforms/ProgramSlice.h"
#include "dialects/Warp/WarpOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace heddle;

void ProgramSlice::require(Operation *op) {
  if (isa<func::FuncOp, warp::RingOp>(op) || !operations.insert(op).second)
    return;
  require(op->getParentOp());
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    for (Value bound : {loop.getLowerBound(), loop.getUpperBound(), loop.getStep()})
      require(bound);
  } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
    require(branch.getCondition());
  } else {
    // Anything else with regions is taken whole.
    op->walk([&](Operation *nested) {
      for (Value operand : nested->getOperands())
        if (nested == op || !op->isAncestor(operand.getParentRegion()->getParentOp()))
          require(operand);
    });
  }
}

void ProgramSlice::require(Value value) {
  auto requireCarried = [&](scf::ForOp loop, unsigned index) {
    if (!values.insert(loop.getResult(index)).second)
      return;
    require(loop);
    require(loop.getInits()[index]);
    require(loop.getYieldedValues()[index]);
  };
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
    if (loop && argument.getArgNumber() > 0)
      requireCarried(loop, argument.getArgNumber() - 1);
    else
      require(argument.getOwner()->getParentOp());
    return;
  }
  auto result = cast<OpResult>(value);
  if (auto loop = dyn_cast<scf::ForOp>(result.getOwner())) {
    requireCarried(loop, result.getResultNumber());
  } else if (auto branch = dyn_cast<scf::IfOp>(result.getOwner())) {
    if (!values.insert(result).second)
      return;
    require(branch);
    require(branch.thenYield().getOperand(result.getResultNumber()));
    require(branch.elseYield().getOperand(result.getResultNumber()));
  } else {
    require(result.getOwner());
  }
}

void ProgramSlice::cloneFor(scf::ForOp loop, OpBuilder &builder, IRMapping &mapping) const {
  SmallVector<Value> inits;
  SmallVector<unsigned> kept;
  for (OpResult result : loop->getResults())
    if (contains(result)) {
      kept.push_back(result.getResultNumber());
      inits.push_back(mapping.lookupOrDefault(loop.getInits()[kept.back()]));
    }
  auto look = [&](Value value) { return mapping.lookupOrDefault(value); };
  auto clone = scf::ForOp::create(builder, loop.getLoc(), look(loop.getLowerBound()), look(loop.getUpperBound()),
                                  look(loop.getStep()), inits);
  mapping.map(loop.getInductionVar(), clone.getInductionVar());
  for (auto [position, index] : llvm::enumerate(kept)) {
    mapping.map(loop.getRegionIterArg(index), clone.getRegionIterArg(position));
    mapping.map(loop.getResult(index), clone.getResult(position));
  }
  if (!clone.getBody()->empty())
    clone.getBody()->getTerminator()->erase();
  OpBuilder inner = OpBuilder::atBlockEnd(clone.getBody());
  cloneInto(*loop.getBody(), inner, mapping);
  scf::YieldOp::create(inner, loop.getLoc(),
                       llvm::map_to_vector(kept, [&](unsigned index) { return look(loop.getYieldedValues()[index]); }));
}

void ProgramSlice::cloneIf(scf::IfOp branch, OpBuilder &builder, IRMapping &mapping) const {
  SmallVector<Type> types;
  SmallVector<unsigned> kept;
  for (OpResult result : branch->getResults())
    if (contains(result)) {
      kept.push_back(result.getResultNumber());
      types.push_back(result.getType());
    }
  bool hasElse = branch.elseBlock() != nullptr;
  auto clone = scf::IfOp::create(builder, branch.getLoc(), types, mapping.lookupOrDefault(branch.getCondition()),
                                 /*addThenBlock=*/true, /*addElseBlock=*/hasElse);
  for (auto [from, to] : llvm::zip(branch->getRegions(), clone->getRegions())) {
    if (from.empty())
      continue;
    OpBuilder inner = OpBuilder::atBlockEnd(&to.front());
    cloneInto(from.front(), inner, mapping);
    Operation *yield = from.front().getTerminator();
    scf::YieldOp::create(inner, branch.getLoc(), llvm::map_to_vector(kept, [&](unsigned index) {
                           return mapping.lookupOrDefault(yield->getOperand(index));
                         }));
  }
  for (auto [position, index] : llvm::enumerate(kept))
    mapping.map(branch.getResult(index), clone.getResult(position));
}

void ProgramSlice::cloneInto(Block &block, OpBuilder &builder, IRMapping &mapping) const {
  for (Operation &op : block) {
    if (!contains(&op) || op.hasTrait<OpTrait::IsTerminator>())
      continue;
    if (auto loop = dyn_cast<scf::ForOp>(op))
      cloneFor(loop, builder, mapping);
    else if (auto branch = dyn_cast<scf::IfOp>(op))
      cloneIf(branch, builder, mapping);
    else
      builder.clone(op, mapping);
  }
}
