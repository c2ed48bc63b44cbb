//===- ControlFlow.cpp - loops and branches that carry tiles ----------------===//
//
// A carried tile becomes a buffer and leaves the operation's operands and results; scalars stay. The value for the next
// iteration is computed in the buffer itself where that is safe.
//
//===----------------------------------------------------------------------===//
#include "lib/Conversion/TileToCPU/KernelEmitter.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::cpu;

static SmallVector<Type> scalarTypes(TypeRange types) {
  return llvm::filter_to_vector(types, [](Type type) { return !isa<RankedTensorType>(type); });
}
static SmallVector<Value> tilesIn(ValueRange values) {
  return llvm::filter_to_vector(values, [](Value value) { return isa<RankedTensorType>(value.getType()); });
}
static SmallVector<Value> scalarsIn(ValueRange values) {
  return llvm::filter_to_vector(values, [](Value value) { return !isa<RankedTensorType>(value.getType()); });
}

SmallVector<Value> KernelEmitter::mapScalars(ValueRange values) {
  return llvm::map_to_vector(scalarsIn(values), [&](Value value) { return scalar(value); });
}

static Type storedElementOf(Value value) { return storedElement(tileType(value).getElementType()); }

/// Buffers for carried tiles, holding the initial values.
SmallVector<Stored> KernelEmitter::emitInits(ValueRange inits, ValueRange arguments) {
  SmallVector<Stored> targets;
  for (auto [init, argument] : llvm::zip(inits, arguments)) {
    Stored target = allocateFor(tileType(argument), storedElementOf(argument), layout.lanesOf(argument));
    target.owned = false;
    storeInto(init, target);
    targets.push_back(target);
  }
  return targets;
}

/// Put the yielded tiles in their buffers, as if all at once.
void KernelEmitter::deliver(ValueRange yielded, ArrayRef<Stored> targets) {
  auto isThere = [&](Value value, const Stored &target) {
    return llvm::any_of(forms.lookup(value), [&](const Stored &form) { return form.memory == target.memory; });
  };
  for (Value value : yielded)
    if (Operation *op = value.getDefiningOp())
      if (!isStored(value) && isVirtual(op) && !pendingLoopOf(op) && preferred.count(value))
        addRoot(op);
  flushAll();
  SmallVector<std::pair<Value, Stored>> copies;
  for (auto [value, target] : llvm::zip(yielded, targets))
    if (!isThere(value, target))
      copies.push_back({value, target});
  if (copies.size() > 1)
    for (auto &[value, target] : copies)
      for (const Stored &other : targets)
        if (isThere(value, other)) {
          Stored apart = allocateFor(tileType(value), storedElementOf(value), layout.lanesOf(value));
          storeInto(value, apart);
          forms[value] = {apart};
          break;
        }
  for (auto &[value, target] : copies)
    storeInto(value, target);
}

LogicalResult KernelEmitter::emitFor(scf::ForOp op) {
  flushAll();
  SmallVector<Value> arguments = tilesIn(op.getRegionIterArgs()), inits = tilesIn(op.getInits()),
                     yielded = tilesIn(op.getYieldedValues()), results = tilesIn(op.getResults());
  SmallVector<Stored> targets(arguments.size());
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    // A nested loop that updates what the outer one carries does so in the same buffer.
    auto outer = preferred.find(results[i]);
    auto holds = [&](const Stored &form) { return form.memory == outer->second.memory; };
    bool readInside = llvm::any_of(inits[i].getUsers(), [&](Operation *user) { return op->isProperAncestor(user); });
    if (outer != preferred.end() && !readInside && llvm::any_of(forms.lookup(inits[i]), holds) &&
        llvm::count(inits, inits[i]) == 1 && !isReadLater(inits[i], {op}, op))
      targets[i] = outer->second;
    else
      targets[i] = emitInits(inits[i], argument).front();
    remember(argument, targets[i]);
  }
  entered.insert(op);
  auto loop = scf::ForOp::create(b, scalar(op.getLowerBound()), scalar(op.getUpperBound()), scalar(op.getStep()),
                                 mapScalars(op.getInits()));
  mapping.map(op.getInductionVar(), loop.getInductionVar());
  mapping.map(scalarsIn(op.getRegionIterArgs()), loop.getRegionIterArgs());
  {
    OpBuilder::InsertionGuard guard(b);
    if (!loop.getBody()->empty()) // the builder adds a terminator when nothing is carried
      loop.getBody()->back().erase();
    b.setInsertionPointToEnd(loop.getBody());
    for (auto [value, target] : llvm::zip(yielded, targets))
      if (value.getParentBlock() == op.getBody() && value.getDefiningOp())
        preferred.try_emplace(value, target);
    if (failed(emitBlock(*op.getBody())))
      return failure();
    deliver(yielded, targets);
    scf::YieldOp::create(b, mapScalars(op.getYieldedValues()));
    written.insert(op.getBody()->getTerminator());
  }
  mapping.map(scalarsIn(op.getResults()), loop.getResults());
  for (auto [result, target] : llvm::zip(results, targets)) {
    bool inOuter = preferred.count(result) && preferred[result].memory == target.memory;
    remember(result, {target.memory, target.lanes, /*owned=*/!inOuter});
  }
  return success();
}

/// A buffer that result `index` can take over from a branch that yields it unchanged.
std::optional<Stored> KernelEmitter::inheritedForm(scf::IfOp op, unsigned index) {
  Value result = op.getResult(index);
  llvm::DenseSet<Operation *> now{op};
  if (auto it = preferred.find(result); it != preferred.end() && !isAnyNameReadLater(it->second.memory, now, op))
    return it->second;
  for (Region &region : op->getRegions()) {
    Value yielded = region.front().getTerminator()->getOperand(index);
    if (op->isAncestor(yielded.getParentBlock()->getParentOp()))
      continue;
    for (const Stored &form : forms.lookup(yielded))
      if (form.owned && form.lanes == layout.lanesOf(result) && form.elementType() == storedElementOf(result) &&
          !isAnyNameReadLater(form.memory, now, op))
        return form;
  }
  return std::nullopt;
}

LogicalResult KernelEmitter::emitBranch(Block &block, ArrayRef<Stored> targets, ValueRange) {
  SmallVector<Value> yielded = tilesIn(block.getTerminator()->getOperands());
  for (auto [value, target] : llvm::zip(yielded, targets))
    if (value.getParentBlock() == &block && value.getDefiningOp())
      preferred.try_emplace(value, target);
  if (failed(emitBlock(block)))
    return failure();
  deliver(yielded, targets);
  scf::YieldOp::create(b, mapScalars(block.getTerminator()->getOperands()));
  written.insert(block.getTerminator());
  return success();
}

LogicalResult KernelEmitter::emitIf(scf::IfOp op) {
  flushAll();
  SmallVector<Stored> targets;
  llvm::DenseSet<Value> taken;
  for (auto [index, result] : llvm::enumerate(op.getResults())) {
    if (!tileType(result))
      continue;
    std::optional<Stored> target = inheritedForm(op, index);
    if (!target || !taken.insert(target->memory).second)
      target = allocateFor(tileType(result), storedElementOf(result), layout.lanesOf(result));
    targets.push_back(*target);
  }
  bool hasElse = !op.getElseRegion().empty();
  auto branch = scf::IfOp::create(b, scalarTypes(op.getResultTypes()), scalar(op.getCondition()), hasElse);
  for (auto [from, to] : llvm::zip(op->getRegions(), branch->getRegions())) {
    if (from.empty())
      continue;
    OpBuilder::InsertionGuard guard(b);
    if (to.empty())
      to.emplaceBlock();
    if (!to.front().empty())
      to.front().back().erase();
    b.setInsertionPointToEnd(&to.front());
    if (failed(emitBranch(from.front(), targets, op.getResults())))
      return failure();
  }
  mapping.map(scalarsIn(op.getResults()), branch.getResults());
  for (auto [result, target] : llvm::zip(tilesIn(op.getResults()), targets))
    remember(result, target);
  return success();
}

LogicalResult KernelEmitter::emitWhile(scf::WhileOp op) {
  flushAll();
  SmallVector<Value> before = tilesIn(op.getBeforeArguments()), after = tilesIn(op.getAfterArguments()),
                     passed = tilesIn(op.getConditionOp().getArgs()), results = tilesIn(op.getResults());
  SmallVector<Stored> carried = emitInits(tilesIn(op.getInits()), before), handed;
  for (auto [argument, target] : llvm::zip(before, carried))
    remember(argument, target);
  // What the condition passes on unchanged stays where it is.
  for (auto [value, result] : llvm::zip(passed, results)) {
    auto it = llvm::find(before, value);
    if (it != before.end()) {
      handed.push_back(carried[it - before.begin()]);
      continue;
    }
    handed.push_back(allocateFor(tileType(result), storedElementOf(result), layout.lanesOf(result)));
    handed.back().owned = false;
  }
  entered.insert(op);
  auto loop = scf::WhileOp::create(b, scalarTypes(op.getResultTypes()), mapScalars(op.getInits()));
  auto fill = [&](Region &region, Block &from, ValueRange scalars) -> LogicalResult {
    Block *block = &region.emplaceBlock();
    for (Value value : scalars)
      mapping.map(value, block->addArgument(value.getType(), value.getLoc()));
    b.setInsertionPointToEnd(block);
    return emitBlock(from);
  };
  if (failed(fill(loop.getBefore(), *op.getBeforeBody(), scalarsIn(op.getBeforeArguments()))))
    return failure();
  deliver(passed, handed);
  scf::ConditionOp::create(b, scalar(op.getConditionOp().getCondition()), mapScalars(op.getConditionOp().getArgs()));
  written.insert(op.getConditionOp());
  for (auto [argument, target] : llvm::zip(after, handed))
    remember(argument, target);
  if (failed(fill(loop.getAfter(), *op.getAfterBody(), scalarsIn(op.getAfterArguments()))))
    return failure();
  deliver(tilesIn(op.getYieldOp().getOperands()), carried);
  scf::YieldOp::create(b, mapScalars(op.getYieldOp().getOperands()));
  written.insert(op.getYieldOp());
  b.setInsertionPointAfter(loop);
  mapping.map(scalarsIn(op.getResults()), loop.getResults());
  for (auto [result, target] : llvm::zip(results, handed))
    remember(result, {target.memory, target.lanes, false});
  return success();
}
