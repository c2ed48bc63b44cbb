//===- Transfers.cpp - how wide an access to an array may be ----------------===//
#include "lib/Conversion/TileToWarp/Transfers.h"
#include "dialects/Tile/BoxRows.h"
#include "dialects/Tile/TileDialect.h"
#include "dialects/Tile/TileTarget.h"
#include "dialects/Warp/WarpDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace heddle;

bool heddle::isMultipleOf(Value index, int64_t factor) {
  APInt constant;
  if (matchPattern(index, m_ConstantInt(&constant)))
    return constant.getSExtValue() % factor == 0;
  Operation *op = index.getDefiningOp();
  if (isa_and_nonnull<arith::MulIOp>(op))
    return isMultipleOf(op->getOperand(0), factor) || isMultipleOf(op->getOperand(1), factor);
  if (isa_and_nonnull<arith::AddIOp, arith::SubIOp>(op))
    return isMultipleOf(op->getOperand(0), factor) && isMultipleOf(op->getOperand(1), factor);
  if (auto argument = dyn_cast<BlockArgument>(index))
    if (auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp()))
      return index == loop.getInductionVar() && isMultipleOf(loop.getLowerBound(), factor) &&
             isMultipleOf(loop.getStep(), factor);
  return false;
}

static func::FuncOp kernelOf(Value memory) {
  auto argument = dyn_cast<BlockArgument>(memory);
  return argument ? dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp()) : func::FuncOp();
}

bool heddle::isAligned(Value memory) {
  func::FuncOp kernel = kernelOf(memory);
  auto alignment =
      kernel ? kernel.getArgAttrOfType<IntegerAttr>(cast<BlockArgument>(memory).getArgNumber(), tile::kAlignmentAttr)
             : IntegerAttr();
  return alignment && alignment.getInt() % 16 == 0;
}

/// Whether the rows of the tile start at multiples of 16 bytes and are so long.
static bool startsAtPieces(tile::LoadOp load) {
  int64_t width = 128 / load.getResult().getType().getElementTypeBitWidth();
  return isAligned(load.getSource()) && load.getResult().getType().getDimSize(1) % width == 0 &&
         isMultipleOf(load.getIndices().back(), width);
}

int64_t heddle::transferBytes(tile::LoadOp load) {
  auto memory = cast<MemRefType>(load.getSource().getType());
  int64_t elementBytes = memory.getElementTypeBitWidth() / 8, last = memory.getShape().back();
  bool wide = startsAtPieces(load) && !ShapedType::isDynamic(last) && last * elementBytes % 16 == 0;
  return wide ? 16 : elementBytes;
}

int64_t heddle::swizzleOf(RankedTensorType tile) {
  int64_t bytes = tile.getDimSize(1) * tile.getElementTypeBitWidth() / 8;
  for (int64_t swizzle : {128, 64, 32})
    if (bytes % swizzle == 0)
      return swizzle;
  return 0;
}

static bool isOnlyRead(Value memory) {
  return llvm::none_of(memory.getUsers(), [](Operation *user) { return isa<tile::StoreOp, memref::StoreOp>(user); });
}

/// What fills a swizzled slot, whichever way.
static bool suitsSwizzledSlot(RankedTensorType tile) {
  return tile.getElementTypeBitWidth() == 16 && tile.getDimSize(0) % 8 == 0 && swizzleOf(tile);
}

/// Tiles of 32-bit elements are as large as two of others: where they are read as their transposes, which pass through
/// shared memory anyway, and room was left for them.
static bool isRoomFor(func::FuncOp kernel, tile::LoadOp load) {
  RankedTensorType tile = load.getResult().getType();
  auto isTranspose = [](Operation *user) { return isa<tile::TransposeOp>(user); };
  return suitsSwizzledSlot(tile) ||
         (kernel->hasAttr(tile::kPutsOperandsAttr) && tile.getElementType().isF32() && tile.getDimSize(0) % 8 == 0 &&
          swizzleOf(tile) && llvm::all_of(load->getUsers(), isTranspose));
}

bool heddle::suitsBulkCopy(tile::LoadOp load) {
  constexpr int64_t maxRank = 5, maxBoxRows = 256, atomRows = 8;
  RankedTensorType tile = load.getResult().getType();
  int64_t rank = cast<MemRefType>(load.getSource().getType()).getRank();
  // The planes of a box start where the pattern of a swizzled slot does.
  std::optional<tile::BoxRows> box = tile::BoxRows::of(load);
  if (box && (load.getLimit() || box->countPlane() % atomRows))
    return false;
  func::FuncOp kernel = kernelOf(load.getSource());
  return !load.getColumn() && rank > 1 && rank <= maxRank && kernel && isRoomFor(kernel, load) &&
         tile.getDimSize(0) <= maxBoxRows && startsAtPieces(load) && isOnlyRead(load.getSource());
}

bool heddle::suitsVectorCopy(tile::LoadOp load) {
  constexpr int64_t fewest = 32;
  RankedTensorType tile = load.getResult().getType();
  auto loop = dyn_cast<scf::ForOp>(load->getParentOp());
  // A row that every iteration reads alike is in the first cache.
  auto isAnother = [&](Value index) { return !loop.isDefinedOutsideOfLoop(index); };
  return loop && llvm::any_of(load.getIndices(), isAnother) && !load.getColumn() && !load.getLimit() &&
         tile.getDimSize(0) == 1 && tile.getDimSize(1) >= fewest && tile.getElementTypeBitWidth() == 32 &&
         kernelOf(load.getSource()) && isOnlyRead(load.getSource());
}

bool heddle::isOfRows(tile::GatherOp gather) {
  RankedTensorType tile = gather.getResult().getType();
  auto isOfRow = [&](Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    return !type || (type.getDimSize(0) == tile.getDimSize(0) && type.getDimSize(1) == 1);
  };
  auto columns = gather.getCoordinates().back().getDefiningOp<tile::IotaOp>();
  auto isTile = [](Value value) { return isa<RankedTensorType>(value.getType()); };
  return columns && columns.getDim() == 1 && llvm::any_of(gather.getCoordinates().drop_back(), isTile) &&
         columns.getResult().getType().getDimSize(1) == tile.getDimSize(1) &&
         llvm::all_of(gather.getCoordinates().drop_back(), isOfRow) && (!gather.getMask() || isOfRow(gather.getMask()));
}

/// Whether warps that hold no other tiles can compute a tile of one column: element by element, of positions, numbers
/// and arrays that are only read.
static bool isOfPositions(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type)
    return true;
  Operation *op = value.getDefiningOp();
  if (!op || type.getDimSize(1) != 1)
    return false;
  if (auto gather = dyn_cast<tile::GatherOp>(op); gather && !isOnlyRead(gather.getSource()))
    return false;
  bool isKnown = isa<tile::IotaOp, tile::BroadcastOp, tile::GatherOp, tensor::SplatOp, arith::ConstantOp>(op) ||
                 OpTrait::hasElementwiseMappableTraits(op);
  return isKnown && llvm::all_of(op->getOperands(), [](Value operand) {
           return isa<MemRefType>(operand.getType()) || isOfPositions(operand);
         });
}

bool heddle::suitsRowCopies(tile::GatherOp gather) {
  auto memory = cast<MemRefType>(gather.getSource().getType());
  if (!isOfRows(gather) || !isAligned(gather.getSource()) || !isOnlyRead(gather.getSource()))
    return false;
  RankedTensorType tile = gather.getResult().getType();
  int64_t width = 128 / tile.getElementTypeBitWidth(), last = memory.getShape().back();
  APInt first;
  // Columns beyond the array would have to be filled with zeros, or clamped.
  bool isInside =
      matchPattern(gather.getCoordinates().back().getDefiningOp<tile::IotaOp>().getOffset(), m_ConstantInt(&first)) &&
      !ShapedType::isDynamic(last) && first.getSExtValue() + tile.getDimSize(1) <= last;
  return isInside && first.getSExtValue() % width == 0 && last % width == 0 && tile.getDimSize(1) % width == 0 &&
         llvm::all_of(gather.getCoordinates().drop_back(), isOfPositions) &&
         (!gather.getMask() || isOfPositions(gather.getMask()));
}

/// A conversion of what products have summed up, or of what a loop carries.
static bool isOfProducts(Value tile) {
  auto narrowed = tile.getDefiningOp<arith::TruncFOp>();
  Value source = narrowed ? narrowed.getIn() : tile;
  return source.getDefiningOp<tile::DotOp>() || isa<BlockArgument>(source);
}

/// Whether warps have all that a tile is computed of at hand: in slots that copies fill, in vectors, or, if
/// `isOfCopies` does not hold, in registers that products or loops have left.
static bool isAtHand(Value tile, bool isOfCopies = false) {
  auto type = dyn_cast<RankedTensorType>(tile.getType());
  Operation *op = tile.getDefiningOp();
  if (!type || isa_and_nonnull<tile::IotaOp, tensor::SplatOp, arith::ConstantOp>(op))
    return true;
  if (auto dot = dyn_cast_or_null<tile::DotOp>(op); dot && isOfCopies) {
    auto left = dot.getLhs().getDefiningOp<tile::LoadOp>(), right = dot.getRhs().getDefiningOp<tile::LoadOp>();
    return left && right && suitsBulkCopy(left) && suitsBulkCopy(right);
  }
  if (!op || isa<tile::DotOp>(op) || (isa<tile::ReduceOp>(op) && !isOfCopies))
    return !isOfCopies;
  if (auto load = dyn_cast<tile::LoadOp>(op))
    return type.getDimSize(0) == 1 || type.getDimSize(1) == 1 || suitsBulkCopy(load);
  bool isKnown = isa<tile::BroadcastOp, tile::TransposeOp, tile::ReduceOp, tile::ConcatOp, scf::IfOp, scf::ForOp>(op) ||
                 OpTrait::hasElementwiseMappableTraits(op);
  return isKnown && llvm::all_of(op->getOperands(), [&](Value operand) { return isAtHand(operand, isOfCopies); });
}

/// An operand of a product of warpgroups that warps put to shared memory. Without room for more, this is made of
/// products alone: other tiles are made of loads that wait for memory.
static bool suitsPut(Value operand) {
  Operation *kernel = operand.getParentRegion()->getParentOfType<func::FuncOp>();
  return suitsSwizzledSlot(cast<RankedTensorType>(operand.getType())) &&
         (isOfProducts(operand) || (kernel->hasAttr(tile::kPutsOperandsAttr) && isAtHand(operand)));
}

bool heddle::suitsLeftSlot(Value operand) {
  auto type = cast<RankedTensorType>(operand.getType());
  Operation *kernel = operand.getParentRegion()->getParentOfType<func::FuncOp>();
  int64_t products = llvm::count_if(operand.getUses(), [&](OpOperand &use) {
    return isa<tile::DotOp>(use.getOwner()) && use.getOperandNumber() == 0 &&
           use.getOwner()->getBlock() == operand.getParentBlock();
  });
  return products > 1 && kernel->hasAttr(tile::kPutsOperandsAttr) && suitsSwizzledSlot(type) &&
         isAtHand(operand, /*isOfCopies=*/true);
}

/// A right operand of a product of warpgroups: copied to a slot, or put there.
static bool suitsRing(Value operand) {
  if (auto gather = operand.getDefiningOp<tile::GatherOp>())
    return suitsSwizzledSlot(gather.getResult().getType()) && suitsRowCopies(gather);
  if (auto load = operand.getDefiningOp<tile::LoadOp>())
    return suitsSwizzledSlot(load.getResult().getType()) && suitsBulkCopy(load);
  return suitsPut(operand);
}

/// The products of a warpgroup: 64 rows for four warps, up to 256 columns. Fewer rows than the warps have are
/// multiplied several times.
static bool suitsWarpgroup(tile::DotOp dot, int64_t warps) {
  constexpr int64_t maxColumns = 256, groupRows = 64;
  RankedTensorType result = dot.getResult().getType(), lhs = dot.getLhs().getType();
  auto left = dot.getLhs().getDefiningOp<tile::LoadOp>();
  int64_t depth = lhs.getDimSize(dot.getTransA() ? 0 : 1), groups = warps / 4;
  return warps % 4 == 0 && result.getDimSize(0) % groupRows == 0 && groups % (result.getDimSize(0) / groupRows) == 0 &&
         result.getDimSize(1) % 8 == 0 && result.getDimSize(1) <= maxColumns && depth % 16 == 0 &&
         suitsRing(dot.getRhs()) &&
         (left              ? suitsSwizzledSlot(lhs) && suitsBulkCopy(left)
          : dot.getTransA() ? suitsPut(dot.getLhs())
                            : lhs.getElementTypeBitWidth() == 16);
}

/// The rows of a group are those of its warps, none twice, in one product at least: the others are small beside it.
static bool hasAllRows(tile::DotOp dot, int64_t warps) { return dot.getResult().getType().getDimSize(0) == 16 * warps; }

bool heddle::suitsWarpgroups(Operation *kernel, int64_t warps) {
  bool any = false;
  WalkResult result = kernel->walk([&](tile::DotOp dot) {
    any |= hasAllRows(dot, warps);
    return suitsWarpgroup(dot, warps) ? WalkResult::advance() : WalkResult::interrupt();
  });
  return any && !result.wasInterrupted();
}

void heddle::markWideAccesses(Operation *kernel) {
  auto mark = [&](Operation *op, Value memory, ValueRange indices, RankedTensorType tile, bool column) {
    auto type = cast<MemRefType>(memory.getType());
    int64_t last = type.getShape().back();
    bool even = !ShapedType::isDynamic(last) && last % 2 == 0 && tile.getDimSize(1) % 2 == 0;
    if (!column && type.getRank() > 1 && even && isAligned(memory) && isMultipleOf(indices.back(), 2))
      op->setAttr(warp::WarpDialect::pairsAttr, UnitAttr::get(op->getContext()));
    int64_t width = 128 / tile.getElementTypeBitWidth();
    bool whole = !ShapedType::isDynamic(last) && last % width == 0 && tile.getDimSize(1) % width == 0;
    if (isa<tile::StoreOp>(op) && !column && type.getRank() > 1 && whole && isAligned(memory) &&
        isMultipleOf(indices.back(), width))
      op->setAttr(warp::WarpDialect::piecesAttr, UnitAttr::get(op->getContext()));
  };
  kernel->walk(
      [&](tile::LoadOp op) { mark(op, op.getSource(), op.getIndices(), op.getResult().getType(), op.getColumn()); });
  kernel->walk(
      [&](tile::StoreOp op) { mark(op, op.getDest(), op.getIndices(), op.getValue().getType(), op.getColumn()); });
}
