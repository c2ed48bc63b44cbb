//===- PendingLoops.cpp - which values are computed together, and where -----===//
#include "lib/Conversion/TileToCPU/KernelEmitter.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::cpu;

PendingLoop *KernelEmitter::pendingLoopOf(Operation *op) {
  if (op)
    for (auto &loop : pending)
      if (llvm::is_contained(loop->roots, op))
        return loop.get();
  return nullptr;
}

/// Call `visit(value, pointwise)` for everything stored, or waiting to be, that elements of `value` are computed from.
/// `pointwise` tells whether an element needs only the same element of it.
void KernelEmitter::visitLeaves(Value value, bool pointwise, llvm::function_ref<void(Value, bool)> visit, bool isRoot) {
  Operation *op = value.getDefiningOp();
  if (!isRoot && (isStored(value) || !op || !isVirtual(op) || pendingLoopOf(op))) {
    visit(value, pointwise);
    return;
  }
  bool moves = isa<tile::TransposeOp, tile::SliceOp>(op);
  for (OpOperand &operand : op->getOpOperands()) {
    RankedTensorType type = tileType(operand.get());
    if (!type)
      continue;
    bool same = pointwise && !moves && type.getShape() == tileType(value).getShape();
    if (auto dot = dyn_cast<tile::DotOp>(op); dot && operand.get() != dot.getAcc())
      same = false;
    visitLeaves(operand.get(), same, visit);
  }
}

void KernelEmitter::addRoot(Operation *op) {
  auto reduce = dyn_cast<tile::ReduceOp>(op);
  Value space = reduce ? Value(reduce.getSource()) : op->getResult(0);
  RankedTensorType type = tileType(space);
  int lanes = layout.lanesOf(space);
  auto find = [&]() -> PendingLoop * {
    for (auto &loop : pending)
      if (loop->rows == type.getDimSize(0) && loop->columns == type.getDimSize(1) && loop->lanes == lanes)
        return loop.get();
    return nullptr;
  };
  // What is still waiting can share this loop if the same elements are enough; else it is written now.
  llvm::SmallPtrSet<PendingLoop *, 4> finish;
  visitLeaves(
      space, true,
      [&](Value leaf, bool pointwise) {
        PendingLoop *loop = pendingLoopOf(leaf.getDefiningOp());
        if (loop && (loop != find() || !pointwise || isa<tile::ReduceOp>(leaf.getDefiningOp())))
          finish.insert(loop);
      },
      /*isRoot=*/!reduce);
  PendingLoop *loop = find();
  if (loop && reduce && loop->reduceDim >= 0 && loop->reduceDim != static_cast<int>(reduce.getDim()))
    finish.insert(loop);
  SmallVector<PendingLoop *> ordered;
  for (auto &candidate : pending)
    if (finish.contains(candidate.get()))
      ordered.push_back(candidate.get());
  for (PendingLoop *done : ordered)
    flush(done);
  loop = find();
  if (!loop) {
    pending.push_back(std::make_unique<PendingLoop>());
    loop = pending.back().get();
    loop->rows = type.getDimSize(0);
    loop->columns = type.getDimSize(1);
    loop->lanes = lanes;
  }
  if (reduce)
    loop->reduceDim = reduce.getDim();
  else
    materialised.insert(op);
  loop->roots.push_back(op);
}

void KernelEmitter::flush(PendingLoop *loop) {
  auto it = llvm::find_if(pending, [&](auto &candidate) { return candidate.get() == loop; });
  std::unique_ptr<PendingLoop> owned = std::move(*it);
  pending.erase(it);
  SmallVector<Stored> targets;
  SmallVector<Value> claimed;
  for (Operation *root : owned->roots) {
    Stored target = isa<tile::ReduceOp>(root)
                        ? allocateFor(tileType(root->getResult(0)), tileType(root->getResult(0)).getElementType(), 0)
                        : chooseTarget(root->getResult(0), *owned, claimed);
    claimed.push_back(target.memory);
    targets.push_back(target);
  }
  emitLoop(*owned, targets);
  for (auto [root, target] : llvm::zip(owned->roots, targets)) {
    remember(root->getResult(0), target);
    written.insert(root);
  }
}

void KernelEmitter::flushAll() {
  while (!pending.empty())
    flush(pending.front().get());
}

void KernelEmitter::require(Value value) {
  SmallVector<PendingLoop *> needed;
  visitLeaves(value, true, [&](Value leaf, bool) {
    if (PendingLoop *loop = pendingLoopOf(leaf.getDefiningOp()); loop && !llvm::is_contained(needed, loop))
      needed.push_back(loop);
  });
  for (PendingLoop *loop : needed)
    flush(loop);
}

const Stored &KernelEmitter::ensureStored(Value value) {
  if (!isStored(value)) {
    Operation *op = value.getDefiningOp();
    if (!pendingLoopOf(op))
      addRoot(op);
    flush(pendingLoopOf(op));
  }
  return forms[value].front();
}

void KernelEmitter::remember(Value value, Stored form) {
  forms[value].push_back(form);
  names[form.memory].push_back(value);
}

/// Where the roots of `loop` put `value`: the place of the value it replaces, a buffer that nothing needs any more, or
/// a new one. Overwriting is allowed only if every reader left is in this very loop and reads the same element.
Stored KernelEmitter::chooseTarget(Value value, PendingLoop &loop, ArrayRef<Value> claimed) {
  llvm::DenseSet<Operation *> now(loop.roots.begin(), loop.roots.end());
  Operation *at = value.getDefiningOp();
  Type element = storedElement(tileType(value).getElementType());
  SmallVector<Value> candidates;
  llvm::DenseSet<Value> mixed;
  for (Operation *root : loop.roots) {
    auto reduce = dyn_cast<tile::ReduceOp>(root);
    visitLeaves(
        reduce ? Value(reduce.getSource()) : root->getResult(0), true,
        [&](Value leaf, bool pointwise) {
          for (const Stored &form : forms.lookup(leaf)) {
            if (!pointwise)
              mixed.insert(form.memory);
            else if (form.owned && form.elementType() == element &&
                     tileType(leaf).getShape() == tileType(value).getShape() && form.lanes == layout.lanesOf(value))
              candidates.push_back(form.memory);
          }
        },
        /*isRoot=*/!reduce);
  }
  auto usable = [&](Value memory) {
    return !mixed.contains(memory) && !llvm::is_contained(claimed, memory) && !isAnyNameReadLater(memory, now, at);
  };
  if (auto it = preferred.find(value); it != preferred.end() && usable(it->second.memory))
    return it->second;
  for (Value memory : candidates)
    if (usable(memory))
      return {memory, layout.lanesOf(value), /*owned=*/true};
  return allocateFor(tileType(value), element, layout.lanesOf(value));
}

bool KernelEmitter::isAnyNameReadLater(Value memory, const llvm::DenseSet<Operation *> &now, Operation *at) {
  return llvm::any_of(names[memory], [&](Value name) { return isReadLater(name, now, at); });
}

bool KernelEmitter::isReadLater(Value value, const llvm::DenseSet<Operation *> &now, Operation *at) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) { return isReadLater(user, value, now, at); });
}

/// Whether the two operations are in different branches of one `scf.if`.
static bool areExclusive(Operation *a, Operation *b) {
  for (Region *region = a->getParentRegion(); region; region = region->getParentRegion()) {
    Operation *parent = region->getParentOp();
    if (parent->isProperAncestor(b))
      return isa<scf::IfOp>(parent) && !region->findAncestorOpInRegion(*b);
  }
  return false;
}

/// Whether `user` has yet to read `value` when the operations `now` are being written and the place is that of `at`.
bool KernelEmitter::isReadLater(Operation *user, Value value, const llvm::DenseSet<Operation *> &now, Operation *at) {
  // A loop that is not finished may read again what was defined before it.
  bool covered = now.contains(user), inLoop = false;
  for (Operation *op = user; op->getBlock() != value.getParentBlock();) {
    op = op->getParentOp();
    if (isa<LoopLikeOpInterface>(op) && !written.contains(op))
      inLoop = true;
    if (now.contains(op)) {
      covered = true;
      inLoop = false;
    }
  }
  if (inLoop)
    return true;
  if (covered || entered.contains(user) || written.contains(user) || areExclusive(user, at))
    return false;
  if (isVirtual(user) && !materialised.contains(user))
    return isReadLater(user->getResult(0), now, at);
  return true;
}
