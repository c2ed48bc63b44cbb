//===- StoreThroughSlots.cpp - rows go to memory by way of a slot -----------===//
//
//   tile.store %rows, ..             %slot = warp.acquire %ring
//   %slot = warp.acquire %ring  ->   warp.put %rows to %slot[0]
//   warp.put %next to %slot[0]       tile.store %rows, ..
//                                    warp.put %next to %slot[0]
//
// Each warp has rows of its own in both tiles, so no other warp has to wait in between.
// Shown by test/Transforms/warp-specialize-store.mlir.
//===----------------------------------------------------------------------===//
#include "lib/Transforms/StoreThroughSlots.h"
#include "dialects/Tile/TileOps.h"
#include "dialects/Warp/WarpOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

/// Whether each warp of `warps` has 16 rows of a tile in whole fragments.
static bool isOfRows(RankedTensorType tile, int64_t warps) {
  auto layout = dyn_cast_or_null<warp::FragAttr>(tile.getEncoding());
  return layout && layout.getKind() == warp::FragKind::acc && static_cast<int64_t>(layout.getWarps()) == warps &&
         tile.getDimSize(0) == 16 * warps && tile.getDimSize(1) % 16 == 0 && tile.getElementTypeBitWidth() == 16;
}

/// The next slot that warps fill with such rows, at least as wide as `tile`.
static warp::AcquireOp findSlot(tile::StoreOp store, RankedTensorType tile, int64_t warps) {
  for (Operation *next = store->getNextNode(); next; next = next->getNextNode()) {
    auto acquire = dyn_cast<warp::AcquireOp>(next);
    if (!acquire || acquire.getRing().getType().getBulk() || acquire.getStage())
      continue;
    warp::SlotType slot = acquire.getResult().getType();
    bool isFilledByRows = llvm::all_of(acquire->getUsers(), [&](Operation *user) {
      auto put = dyn_cast<warp::PutOp>(user);
      return put && put.getColumn() == 0 && isOfRows(put.getSource().getType(), warps);
    });
    if (slot.isSwizzled() && isFilledByRows && slot.getElementType() == tile.getElementType() &&
        slot.getShape()[0] == tile.getDimSize(0) && slot.getShape()[1] >= tile.getDimSize(1))
      return acquire;
  }
  return {};
}

void heddle::storeThroughSlots(func::FuncOp kernel) {
  int64_t warps = cast<IntegerAttr>(kernel->getAttr(warp::WarpDialect::threadsAttr)).getInt() / 32;
  kernel.walk([&](tile::StoreOp store) {
    RankedTensorType tile = store.getValue().getType();
    if (!isa<scf::ForOp>(store->getParentOp()) || !store->hasAttr(warp::WarpDialect::piecesAttr) || store.getBox() ||
        !isOfRows(tile, warps))
      return;
    if (warp::AcquireOp acquire = findSlot(store, tile, warps)) {
      acquire->moveBefore(store);
      OpBuilder builder(store);
      warp::PutOp::create(builder, store.getLoc(), store.getValue(), acquire.getResult(), 0);
    }
  });
}
