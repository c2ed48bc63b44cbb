//===- StoreThroughSlots.cpp - rows go to memory by way of a slot -----------===//
//
//   %done = warp.wait %product             %done = warp.wait %product
//   tile.store %rows, ..          becomes  warp.put %rows to %left[0]
//                                          tile.store %rows, ..
//
// with the slot %left of a left operand that is read no more. Each warp multiplies the
// rows of it that are its own, so no other warp has to wait.
// Shown by test/Transforms/warp-specialize-store.mlir.
//===----------------------------------------------------------------------===//
#include "lib/Transforms/StoreThroughSlots.h"
#include "dialects/Tile/TileOps.h"
#include "dialects/Warp/WarpOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

/// Whether each warp of `warps` has 16 rows of a tile.
static bool isOfRows(RankedTensorType tile, int64_t warps) {
  auto layout = dyn_cast_or_null<warp::FragAttr>(tile.getEncoding());
  return layout && layout.getKind() == warp::FragKind::acc && static_cast<int64_t>(layout.getWarps()) == warps &&
         tile.getDimSize(0) == 16 * warps;
}

/// Whether a product is done at `op`: it, or a later one of its block, has been waited for.
static bool isDoneAt(warp::MmaOp mma, Operation *op) {
  for (Operation *before = op->getPrevNode(); before && before != mma; before = before->getPrevNode())
    if (auto wait = dyn_cast<warp::WaitOp>(before))
      if (auto awaited = wait.getSource().getDefiningOp<warp::MmaOp>();
          awaited && awaited->getBlock() == mma->getBlock() && (awaited == mma || mma->isBeforeInBlock(awaited)))
        return true;
  return false;
}

/// Whether products read the slot, row by row, and have done so at `store`; nothing else reads it.
static bool isReadAsRows(warp::ReceiveOp receive, tile::StoreOp store, int64_t warps) {
  return !receive->use_empty() && llvm::all_of(receive->getUses(), [&](OpOperand &use) {
    auto mma = dyn_cast<warp::MmaOp>(use.getOwner());
    return mma && mma.getAsync() && !mma.getTransA() && use.getOperandNumber() == 0 &&
           mma->getBlock() == store->getBlock() && isOfRows(mma.getResult().getType(), warps) && isDoneAt(mma, store);
  });
}

static warp::ReceiveOp findSlot(tile::StoreOp store, RankedTensorType tile, int64_t warps) {
  for (auto receive : store->getBlock()->getOps<warp::ReceiveOp>()) {
    warp::SlotType slot = receive.getResult().getType();
    if (receive.getRing().getType().getBulk() && slot.isSwizzled() && receive->isBeforeInBlock(store) &&
        slot.getElementType() == tile.getElementType() && slot.getShape()[0] == tile.getDimSize(0) &&
        slot.getShape()[1] >= tile.getDimSize(1) && isReadAsRows(receive, store, warps))
      return receive;
  }
  return {};
}

void heddle::storeThroughSlots(func::FuncOp kernel) {
  int64_t warps = cast<IntegerAttr>(kernel->getAttr(warp::WarpDialect::threadsAttr)).getInt() / 32;
  kernel.walk([&](tile::StoreOp store) {
    RankedTensorType tile = store.getValue().getType();
    if (!isa<scf::ForOp>(store->getParentOp()) || !store->hasAttr(warp::WarpDialect::piecesAttr) || store.getBox() ||
        tile.getElementTypeBitWidth() != 16 || tile.getDimSize(1) % 16 || !isOfRows(tile, warps))
      return;
    if (warp::ReceiveOp receive = findSlot(store, tile, warps)) {
      OpBuilder builder(store);
      warp::PutOp::create(builder, store.getLoc(), store.getValue(), receive.getResult(), 0);
    }
  });
}
