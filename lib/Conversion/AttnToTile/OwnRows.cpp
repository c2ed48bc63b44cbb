//===- OwnRows.cpp - operands that are computed of their own rows -----------===//
#include "OwnRows.h"
#include "dialects/Attn/AttnOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace heddle;

/// Whether a slice is of columns alone, which begin where copies may.
static bool isOfColumns(tensor::ExtractSliceOp slice) {
  constexpr int64_t columnGroup = 8;
  ArrayRef<int64_t> offsets = slice.getStaticOffsets();
  return slice.getSourceType().getRank() == slice.getType().getRank() && slice.hasUnitStride() &&
         llvm::all_of(offsets.drop_back(), [](int64_t offset) { return offset == 0; }) &&
         !ShapedType::isDynamic(offsets.back()) && offsets.back() % columnGroup == 0;
}

static bool readsTable(Value number) {
  Operation *op = number.getDefiningOp();
  return op && (isa<tensor::ExtractOp>(op) || llvm::any_of(op->getOperands(), readsTable));
}

/// Whether the columns of a view lie side by side: which they are is not read from a table.
static bool hasColumnsInOrder(attn::ViewOp view) {
  return view && !readsTable(view.getCoordinates().front().getTerminator()->getOperands().back());
}

bool heddle::isInMemory(Value tensor, const Partition &partition) {
  if (auto slice = tensor.getDefiningOp<tensor::ExtractSliceOp>(); slice && isOfColumns(slice))
    return isInMemory(slice.getSource(), partition);
  return isa<BlockArgument>(tensor) || hasColumnsInOrder(tensor.getDefiningOp<attn::ViewOp>()) ||
         partition.isStored(tensor);
}

static int64_t widthOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()).getShape().back(); }

bool heddle::isOfOwnRows(Value tensor, const Partition &partition, int64_t channels) {
  constexpr int64_t columnGroup = 8;
  auto type = dyn_cast<RankedTensorType>(tensor.getType());
  if (!type)
    return true;
  auto all = [&](auto operands) {
    return llvm::all_of(operands, [&](Value operand) { return isOfOwnRows(operand, partition, channels); });
  };
  // What copies bring are tiles of 16-bit elements; vectors are read as they are needed.
  if (isInMemory(tensor, partition))
    return type.getRank() < 4 || widthOf(tensor) == 1 || type.getElementTypeBitWidth() == 16;
  Operation *op = tensor.getDefiningOp();
  if (matchPattern(tensor, m_Constant()) || isa<tensor::SplatOp, tensor::EmptyOp, linalg::FillOp>(op))
    return true;
  if (isa<tensor::CastOp, tensor::ExtractSliceOp>(op))
    return all(op->getOperands().take_front());
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    bool isWhole = type.getShape().back() <= channels;
    return static_cast<int64_t>(concat.getDim()) + 1 == type.getRank() && all(concat.getInputs()) &&
           llvm::all_of(concat.getInputs(),
                        [&](Value input) { return widthOf(input) % (isWhole ? columnGroup : channels) == 0; });
  }
  if (auto generic = dyn_cast<linalg::LinalgOp>(op))
    return generic.getNumReductionLoops() <= 1 && all(generic.getDpsInputs());
  return OpTrait::hasElementwiseMappableTraits(op) && all(op->getOperands());
}

/// Bytes that copies bring of a token for `operand`: of what it is computed of, where that is one array.
static int64_t copiedBytes(Value operand, const llvm::SetVector<Operation *> &maps) {
  Value rows = maps.empty() ? operand : maps.front()->getOperand(0);
  auto type = cast<RankedTensorType>(rows.getType());
  return llvm::alignTo(type.getDimSize(3), 16) * type.getElementTypeBitWidth() / 8;
}

/// Bytes of a column of a row in the arrays that stored results of `op` follow from besides, if copies bring them: of
/// 16-bit elements.
static int64_t countBesideBytes(attn::RecurOp op, const Partition &partition) {
  int64_t bytes = 0;
  SmallVector<Value> pending;
  for (Value tensor : partition.getStored())
    if (partition.getAnchor(tensor) == op)
      pending.push_back(tensor);
  llvm::SmallPtrSet<Operation *, 8> seen{op};
  for (attn::AttendOp inner : partition.getInner(op))
    seen.insert(inner);
  llvm::SmallDenseSet<Value> counted;
  while (!pending.empty()) {
    Operation *definition = pending.pop_back_val().getDefiningOp();
    if (!definition || !seen.insert(definition).second)
      continue;
    for (Value read : getTensorsRead(definition)) {
      auto type = cast<RankedTensorType>(read.getType());
      bool isOther = read.getDefiningOp() != op && isInMemory(read, partition);
      if (!isOther)
        pending.push_back(read);
      else if (type.getRank() == 4 && widthOf(read) == op.getValueWidth() && type.getElementTypeBitWidth() == 16 &&
               counted.insert(read).second)
        bytes += type.getElementTypeBitWidth() / 8;
    }
  }
  return bytes;
}

RecurWork heddle::describeWork(attn::RecurOp op, const Partition &partition) {
  auto padded = [](int64_t width) { return static_cast<int64_t>(llvm::alignTo(width, 16)); };
  RecurWork work{padded(op.getKeyWidth()), padded(op.getValueWidth())};
  work.elementBytes = op.getKey().getType().getElementTypeBitWidth() / 8;
  work.isInOrder = !op.hasAt() && !op.getSegments();
  work.hasMass = static_cast<bool>(op.getMass());
  work.hasPlainQueries = isInMemory(op.getQuery(), partition);
  work.hasPlainKeys = isInMemory(op.getKey(), partition);
  work.hasPlainValues = isInMemory(op.getValue(), partition);
  work.isOfOwnRows = llvm::all_of(ValueRange{op.getQuery(), op.getKey()}, [&](Value operand) {
    return isOfOwnRows(operand, partition, partition.getMapsOf(operand).empty() ? kTileChannels : kMapColumns);
  });
  llvm::SetVector<Operation *> all;
  for (auto [operand, bytes] :
       {std::pair<Value, int64_t &>(op.getQuery(), work.queryBytes), {op.getKey(), work.keyBytes}}) {
    llvm::SetVector<Operation *> maps = partition.getMapsOf(operand);
    bytes = copiedBytes(operand, maps);
    all.insert_range(maps);
  }
  for (Operation *map : all) { // a product reads weights that are there once for all heads, or one matrix of them
    auto weights = cast<RankedTensorType>(map->getOperand(1).getType());
    work.mapDepth = std::max(work.mapDepth, weights.getShape().take_back(2).front());
    work.weightBytes += llvm::product_of(weights.getShape().take_back(2)) * weights.getElementTypeBitWidth() / 8;
  }
  work.hasStates = op.getInitial() || op.getInitialMass() || op.getFinal();
  work.besideBytes = countBesideBytes(op, partition);
  for (attn::AttendOp inner : partition.getInner(op)) {
    int64_t depth = 0;
    for (ValueRange dot : inner.getDots())
      depth += padded(widthOf(dot[1]));
    work.innerDepth = std::max(work.innerDepth, depth);
  }
  work.hasGate = static_cast<bool>(op.getGate());
  work.isGatedByChannel = op.isGatedByChannel();
  if (work.isGatedByChannel && isInMemory(op.getGate(), partition))
    work.gateBytes = op.getGate().getType().getElementTypeBitWidth() / 8;
  return work;
}
