//===- ProgramSlice.cpp - the part of a program that some operations need ---===//
#include "lib/Transforms/ProgramSlice.h"
#include "dialects/Warp/WarpOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace heddle;

void ProgramSlice::give(ValueRange values, Operation *giver) {
  given.insert(values.begin(), values.end());
  if (giver)
    llvm::append_range(gifts[giver], values);
}

void ProgramSlice::require(Operation *op) {
  if (isa<func::FuncOp, warp::RingOp>(op) || !operations.insert(op).second)
    return;
  require(op->getParentOp());
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    for (Value bound : {loop.getLowerBound(), loop.getUpperBound(), loop.getStep()})
      require(bound);
  } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
    require(branch.getCondition());
  } else if (auto loop = dyn_cast<scf::WhileOp>(op)) {
    require(loop.getConditionOp().getCondition());
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
  if (given.contains(value)) {
    received.insert(value);
    return;
  }
  auto requireCarried = [&](scf::ForOp loop, unsigned index) {
    if (!values.insert(loop.getResult(index)).second)
      return;
    require(loop);
    require(loop.getInits()[index]);
    require(loop.getYieldedValues()[index]);
  };
  auto requirePassed = [&](scf::WhileOp loop, unsigned index) {
    if (!values.insert(loop.getResult(index)).second)
      return;
    require(loop);
    require(loop.getConditionOp().getArgs()[index]);
  };
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    if (auto loop = dyn_cast<scf::WhileOp>(argument.getOwner()->getParentOp())) {
      unsigned index = argument.getArgNumber();
      if (argument.getOwner() == loop.getAfterBody())
        return requirePassed(loop, index);
      if (!values.insert(argument).second)
        return;
      require(loop);
      require(loop.getInits()[index]);
      return require(loop.getYieldOp().getOperand(index));
    }
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
  } else if (auto loop = dyn_cast<scf::WhileOp>(result.getOwner())) {
    requirePassed(loop, result.getResultNumber());
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
  clone->setDiscardableAttrs(loop->getDiscardableAttrDictionary());
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

void ProgramSlice::cloneWhile(scf::WhileOp loop, OpBuilder &builder, IRMapping &mapping) const {
  auto look = [&](Value value) { return mapping.lookupOrDefault(value); };
  SmallVector<Value> inits;
  SmallVector<Type> types;
  SmallVector<unsigned> carried, passed;
  for (BlockArgument argument : loop.getBeforeArguments())
    if (values.contains(argument)) {
      carried.push_back(argument.getArgNumber());
      inits.push_back(look(loop.getInits()[carried.back()]));
    }
  for (OpResult result : loop->getResults())
    if (contains(result)) {
      passed.push_back(result.getResultNumber());
      types.push_back(result.getType());
    }
  auto clone = scf::WhileOp::create(builder, loop.getLoc(), types, inits);
  auto begin = [&](Region &region, Block &from, ArrayRef<unsigned> kept) {
    Block &to = region.emplaceBlock();
    for (unsigned index : kept) {
      BlockArgument argument = from.getArgument(index);
      mapping.map(argument, to.addArgument(argument.getType(), argument.getLoc()));
    }
    OpBuilder inner = OpBuilder::atBlockEnd(&to);
    cloneInto(from, inner, mapping);
    return inner;
  };
  auto select = [&](ValueRange all, ArrayRef<unsigned> kept) {
    return llvm::map_to_vector(kept, [&](unsigned index) { return look(all[index]); });
  };
  OpBuilder before = begin(clone.getBefore(), *loop.getBeforeBody(), carried);
  scf::ConditionOp condition = loop.getConditionOp();
  scf::ConditionOp::create(before, loop.getLoc(), look(condition.getCondition()), select(condition.getArgs(), passed));
  OpBuilder after = begin(clone.getAfter(), *loop.getAfterBody(), passed);
  scf::YieldOp::create(after, loop.getLoc(), select(loop.getYieldOp().getOperands(), carried));
  for (auto [position, index] : llvm::enumerate(passed))
    mapping.map(loop.getResult(index), clone.getResult(position));
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
    else if (auto loop = dyn_cast<scf::WhileOp>(op))
      cloneWhile(loop, builder, mapping);
    else if (Operation *clone = builder.clone(op, mapping); gifts.contains(&op))
      mapping.map(gifts.lookup(&op), clone->getResults());
  }
}
