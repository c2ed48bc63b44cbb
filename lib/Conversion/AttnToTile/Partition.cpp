//===- Partition.cpp --------------------------------------------------------===//
#include "Partition.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace heddle;

SmallVector<Value> heddle::getTensorsRead(Operation *op) {
  llvm::SetVector<Value> values(op->operand_begin(), op->operand_end());
  getUsedValuesDefinedAbove(op->getRegions(), values);
  // Captured numbers may themselves be read from arrays.
  SmallVector<Value> tensors;
  for (Value value : values) {
    if (isa<RankedTensorType>(value.getType()))
      tensors.push_back(value);
    else if (auto extract = value.getDefiningOp<tensor::ExtractOp>())
      tensors.push_back(extract.getTensor());
  }
  return tensors;
}

static bool isAnchor(Operation *op) { return isa<attn::AttendOp, attn::RecurOp>(op); }

/// Parts of a merge, and tables that its weights read at the row's own position.
static SmallVector<Value> getMergedAtOwnPosition(attn::MergeOp merge) {
  SmallVector<Value> tensors(merge.getParts());
  Block &weights = merge.getWeights().front();
  llvm::DenseSet<Value> elsewhere;
  SmallVector<Value> tables;
  for (auto extract : weights.getOps<tensor::ExtractOp>()) {
    if (!llvm::equal(extract.getIndices(), weights.getArguments()))
      elsewhere.insert(extract.getTensor());
    tables.push_back(extract.getTensor());
  }
  for (Value table : tables)
    if (!elsewhere.contains(table))
      tensors.push_back(table);
  return tensors;
}

/// Whether element x of the result is computed from element x of every tensor operand.
static bool isPointwise(Operation *op) {
  if (auto generic = dyn_cast<linalg::LinalgOp>(op)) {
    return generic.getNumReductionLoops() == 0 && op->getNumResults() == 1;
  }
  return OpTrait::hasElementwiseMappableTraits(op) || isa<tensor::CastOp>(op);
}

/// The operands that a pointwise operation reads at the position of its result.
static SmallVector<Value> getPointwiseOperands(Operation *op) {
  SmallVector<Value> operands;
  if (auto generic = dyn_cast<linalg::LinalgOp>(op)) {
    AffineMap result = generic.getIndexingMapMatchingResult(op->getResult(0));
    for (OpOperand *input : generic.getDpsInputOperands())
      if (generic.getMatchingIndexingMap(input) == result)
        operands.push_back(input->get());
    return operands;
  }
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      operands.push_back(operand);
  return operands;
}

/// Whether an attend's region reads elements of `tensor`, or of what follows from it, elsewhere than at its row.
static bool isReadForKeys(Value tensor) {
  return llvm::any_of(tensor.getUsers(), [](Operation *user) {
    auto extract = dyn_cast<tensor::ExtractOp>(user);
    if (!extract)
      return isPointwise(user) && isReadForKeys(user->getResult(0));
    auto position = dyn_cast<BlockArgument>(extract.getIndices().back());
    bool atRow = position && position.getArgNumber() + 2 == position.getOwner()->getNumArguments();
    return isa<attn::AttendOp>(extract->getParentOp()) && !atRow;
  });
}

/// Whether recomputing `op` in every reader would repeat real work: products, and sums of each key.
static bool isExpensive(Operation *op) {
  auto generic = dyn_cast<linalg::LinalgOp>(op);
  if (!generic || generic.getNumReductionLoops() == 0)
    return false;
  return linalg::isaContractionOpInterface(generic) || isReadForKeys(op->getResult(0));
}

/// What to store of an expensive result: if all that is read of it is what a conversion to a narrower type leaves,
/// that.
static Value narrowestOf(Value result) {
  if (!result.hasOneUse())
    return result;
  auto generic = dyn_cast<linalg::GenericOp>(*result.user_begin());
  if (!generic || !isPointwise(generic) || generic.getNumDpsInputs() != 1 ||
      !llvm::all_of(generic.getIndexingMapsArray(), [](AffineMap map) { return map.isIdentity(); }))
    return result;
  auto isNarrowing = [](Operation &op) { return isa<arith::TruncFOp>(op); };
  return llvm::all_of(generic.getBody()->without_terminator(), isNarrowing) ? generic.getResult(0) : result;
}

/// Results of anchors that `tensor` follows from without passing through memory; `pointwise` ones at the same position.
static void collectAnchors(Value tensor, bool pointwise, const llvm::SetVector<Value> &stored,
                           llvm::MapVector<Value, bool> &found) {
  Operation *op = tensor.getDefiningOp();
  if (!op || stored.contains(tensor))
    return;
  if (isAnchor(op)) {
    auto [entry, isNew] = found.insert({tensor, pointwise});
    entry->second &= pointwise;
    return;
  }
  SmallVector<Value> samePosition;
  if (isPointwise(op))
    samePosition = getPointwiseOperands(op);
  if (auto accumulate = dyn_cast<attn::AccumulateOp>(op))
    samePosition.push_back(accumulate.getSource());
  if (auto merge = dyn_cast<attn::MergeOp>(op))
    samePosition = getMergedAtOwnPosition(merge);
  for (Value read : getTensorsRead(op))
    collectAnchors(read, pointwise && llvm::is_contained(samePosition, read), stored, found);
}

/// The same of a stored tensor, which others are the ends of the walk for.
static llvm::MapVector<Value, bool> anchorsOf(Value tensor, const llvm::SetVector<Value> &stored) {
  llvm::SetVector<Value> others = stored;
  others.remove(tensor);
  llvm::MapVector<Value, bool> found;
  collectAnchors(tensor, true, others, found);
  return found;
}

/// A product of rows, x (b, h, t, c), with weights that a block keeps: (c, f), or (h, c, f).
static bool isMap(Operation *op) {
  constexpr int64_t maxChannels = 128, maxFeatures = 160;
  auto generic = dyn_cast_or_null<linalg::LinalgOp>(op);
  if (!generic || generic.getNumReductionLoops() != 1 || !linalg::isaContractionOpInterface(generic))
    return false;
  Value rows = generic.getDpsInputs()[0], weights = generic.getDpsInputs()[1];
  auto rowsType = cast<RankedTensorType>(rows.getType()), type = cast<RankedTensorType>(weights.getType());
  return rowsType.getRank() == 4 && (type.getRank() == 2 || type.getRank() == 3) &&
         type.getShape().back() <= maxFeatures && rowsType.getDimSize(3) <= maxChannels &&
         type.getDimSize(type.getRank() - 2) == rowsType.getDimSize(3);
}

/// The operands that a step from a feature to what it is computed of goes on with.
static ValueRange getFeatureSources(Operation *op) {
  if (isa<tensor::ConcatOp>(op) || isPointwise(op))
    return op->getOperands();
  if (isa<tensor::ExtractSliceOp>(op))
    return op->getOperands().take_front();
  return {};
}

static void collectMaps(Value tensor, llvm::SetVector<Operation *> &maps) {
  Operation *op = tensor.getDefiningOp();
  if (!op || !isa<RankedTensorType>(tensor.getType()))
    return;
  if (isMap(op))
    maps.insert(op);
  else
    for (Value source : getFeatureSources(op))
      collectMaps(source, maps);
}

/// Whether all that is made of a map's result are queries and keys of recurrences that pull it.
static bool isForRecurrences(Operation *map, Partition::PullsMaps pullsMaps) {
  return llvm::all_of(map->getUses(), [&](OpOperand &use) {
    if (auto recur = dyn_cast<attn::RecurOp>(use.getOwner()))
      return (recur.getQuery() == use.get() || recur.getKey() == use.get()) && pullsMaps(recur);
    return llvm::is_contained(getFeatureSources(use.getOwner()), use.get()) &&
           isForRecurrences(use.getOwner(), pullsMaps);
  });
}

void Partition::pullMaps(func::FuncOp function, PullsMaps pullsMaps) {
  for (auto recur : function.getOps<attn::RecurOp>())
    for (Value operand : {Value(recur.getQuery()), Value(recur.getKey())}) {
      llvm::SetVector<Operation *> maps;
      collectMaps(operand, maps);
      for (Operation *map : maps)
        if (isForRecurrences(map, pullsMaps))
          pulled.insert(map);
    }
  // Products read their operands from memory. Rows are narrower than what is made of them.
  for (Operation *map : pulled)
    for (Value operand : map->getOperands().take_front(2))
      if (!isa_and_nonnull<attn::ViewOp>(operand.getDefiningOp()) && operand.getDefiningOp())
        stored.insert(operand);
}

llvm::SetVector<Operation *> Partition::getMapsOf(Value tensor) const {
  llvm::SetVector<Operation *> maps;
  collectMaps(tensor, maps);
  maps.remove_if([&](Operation *map) { return !pulled.contains(map); });
  return maps;
}

Partition::Partition(func::FuncOp function, IsInner isInner, PullsMaps pullsMaps) {
  pullMaps(function, pullsMaps);
  // Forward, so that what is stored early shortens the walks of later readers.
  for (Operation &op : function.front()) {
    if (isExpensive(&op) && !pulled.contains(&op))
      stored.insert(narrowestOf(op.getResult(0)));
    if (isa<attn::AccumulateOp>(op))
      stored.insert(op.getResult(0));
    // A state is known only when all rows are: whoever reads it, reads memory.
    if (auto recur = dyn_cast<attn::RecurOp>(op))
      for (Value state : {recur.getFinalState(), recur.getFinalMass()})
        if (state && !state.use_empty())
          stored.insert(state);
    if (isAnchor(&op) || isExpensive(&op)) {
      for (Value read : getTensorsRead(&op)) {
        llvm::MapVector<Value, bool> found;
        collectAnchors(read, false, stored, found);
        for (auto [anchor, pointwise] : found)
          stored.insert(anchor);
      }
    }
  }
  for (Value result : function.front().getTerminator()->getOperands())
    if (result.getDefiningOp())
      stored.insert(result);

  storeOthers(isInner);
  for (Value tensor : stored) {
    llvm::MapVector<Value, bool> found = anchorsOf(tensor, stored);
    for (auto [anchor, pointwise] : found) {
      Operation *&kernel = anchors[tensor];
      if (!kernel || isa<attn::RecurOp>(anchor.getDefiningOp()))
        kernel = anchor.getDefiningOp();
    }
    for (auto [anchor, pointwise] : found)
      if (anchor.getDefiningOp() != anchors[tensor])
        inner[anchors[tensor]].insert(anchor.getDefiningOp());
  }
}

/// Of several anchors that a stored tensor follows from, all but the one whose kernel stores it are read from memory,
/// and so are those read elsewhere than at the result's own position. What a recurrence's kernel computes inside is
/// not.
void Partition::storeOthers(IsInner isInner) {
  for (size_t i = 0; i < stored.size(); ++i) {
    Value tensor = stored[i];
    llvm::MapVector<Value, bool> found = anchorsOf(tensor, stored);
    Operation *last = nullptr, *recurrence = nullptr;
    for (auto [anchor, pointwise] : found) {
      Operation *op = anchor.getDefiningOp();
      for (Operation **latest : {&last, &recurrence})
        if (pointwise && (latest == &last || isa<attn::RecurOp>(op)) && (!*latest || (*latest)->isBeforeInBlock(op)))
          *latest = op;
    }
    auto isInside = [&](Operation *op) {
      auto attend = dyn_cast<attn::AttendOp>(op);
      return attend && recurrence && isInner(attend, cast<attn::RecurOp>(recurrence));
    };
    // A recurrence stores what would be the last attend's if all behind it are inside.
    bool isAround = recurrence && llvm::all_of(found, [&](auto entry) {
                      Operation *op = entry.first.getDefiningOp();
                      return !entry.second || op == recurrence || op->isBeforeInBlock(recurrence) || isInside(op);
                    });
    Operation *kernel = isAround ? recurrence : last;
    for (auto [anchor, pointwise] : found) {
      Operation *op = anchor.getDefiningOp();
      bool isHere = pointwise && (op == kernel || (isAround && isInside(op)));
      if (anchor != tensor && !isHere)
        stored.insert(anchor);
    }
  }
}

SmallVector<attn::AttendOp> Partition::getInner(attn::RecurOp op) const {
  SmallVector<attn::AttendOp> attends;
  if (auto found = inner.find(op); found != inner.end())
    for (Operation *attend : found->second)
      attends.push_back(cast<attn::AttendOp>(attend));
  return attends;
}
