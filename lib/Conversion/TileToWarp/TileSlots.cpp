//===- TileSlots.cpp - slots in shared memory that hold tiles of a kernel ---===//
#include "lib/Conversion/TileToWarp/TileSlots.h"
#include "dialects/Tile/TileOps.h"
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/TileToWarp/Transfers.h"

using namespace mlir;
using namespace heddle;

Value TileSlots::createRing(Location loc, ArrayRef<int64_t> shape, Type elementType, int64_t swizzle,
                            SlotFilling filling) {
  OpBuilder builder = OpBuilder::atBlockBegin(&kernel.front());
  MLIRContext *context = kernel.getContext();
  // Padding keeps the rows that a matrix load reads in different banks; a vector has none.
  bool isPadded = !swizzle && shape[0] > 1 && shape[1] > 1;
  auto layout = warp::SharedAttr::get(context, isPadded ? 16 : 0, swizzle);
  auto slot = warp::SlotType::get(context, shape, elementType, layout);
  bool isBulk = hasWarpgroups && filling != SlotFilling::ByThreads;
  auto type = warp::RingType::get(context, 1, slot, isBulk, isBulk && filling == SlotFilling::ByGathers);
  return warp::RingOp::create(builder, loc, type, IntegerAttr(), IntegerAttr());
}

Value TileSlots::acquire(OpBuilder &builder, Location loc, Value ring) {
  return warp::AcquireOp::create(builder, loc, cast<warp::RingType>(ring.getType()).getSlot(), ring, Value(), false);
}

Value TileSlots::receive(OpBuilder &builder, Location loc, Value ring) {
  return warp::ReceiveOp::create(builder, loc, cast<warp::RingType>(ring.getType()).getSlot(), ring, Value(), false);
}

/// The first operation in the block of a tile that may read it from a slot: what is behind may share the barrier.
static Operation *firstReader(Value tile) {
  Operation *first = nullptr;
  for (Operation *user : tile.getUsers()) {
    if (!isa<tile::DotOp, tile::TransposeOp, tile::SliceOp, tile::ConcatOp>(user))
      continue;
    Operation *here = tile.getParentBlock()->findAncestorOpInBlock(*user);
    if (!first || here->isBeforeInBlock(first))
      first = here;
  }
  return first;
}

Value TileSlots::slotOf(Value tile, bool isForProduct) {
  Value &slot = slots[tile];
  if (slot)
    return slot;
  OpBuilder builder(kernel.getContext());
  builder.setInsertionPointAfterValue(tile);
  auto type = cast<RankedTensorType>(tile.getType());
  Location loc = tile.getLoc();
  int64_t swizzle = isForProduct && hasWarpgroups ? swizzleOf(type) : 0;
  Value ring = createRing(loc, type.getShape(), type.getElementType(), swizzle, SlotFilling::ByThreads);
  Value target = acquire(builder, loc, ring);
  warp::PutOp::create(builder, loc, tile, target, 0);
  if (Operation *reader = firstReader(tile))
    builder.setInsertionPoint(reader);
  return slot = receive(builder, loc, ring);
}

void TileSlots::readAgain(Value tile) {
  Value slot = slots.lookup(tile);
  Operation *barrier = slot.getDefiningOp();
  for (OpOperand &use : llvm::make_early_inc_range(tile.getUses())) {
    Operation *user = use.getOwner();
    if (user->getBlock() != barrier->getBlock() || user->isBeforeInBlock(barrier) ||
        isa<tile::DotOp, tile::TransposeOp, tile::SliceOp, tile::ConcatOp>(user))
      continue;
    OpBuilder builder(user);
    use.set(warp::LoadOp::create(builder, user->getLoc(), tile.getType(), slot, 0, 0, /*transposed=*/false));
  }
}

void TileSlots::moveThroughSlot(Operation *op, Value source, int64_t row, int64_t column, bool transposed) {
  Value slot = slotOf(source);
  OpBuilder builder(op);
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  // A vector is read again by each reader: between two of them its registers are free.
  if (type.getDimSize(0) == 1 || type.getDimSize(1) == 1)
    for (OpOperand &use : llvm::make_early_inc_range(op->getResult(0).getUses())) {
      builder.setInsertionPoint(use.getOwner());
      use.set(warp::LoadOp::create(builder, op->getLoc(), type, slot, row, column, transposed));
    }
  if (!op->use_empty())
    op->getResult(0).replaceAllUsesWith(
        warp::LoadOp::create(builder, op->getLoc(), type, slot, row, column, transposed));
  op->erase();
}
