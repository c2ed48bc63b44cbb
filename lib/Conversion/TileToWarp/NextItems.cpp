//===- NextItems.cpp --------------------------------------------------------===//
#include "lib/Conversion/TileToWarp/NextItems.h"
#include "dialects/Tile/TileOps.h"
#include "dialects/Warp/WarpOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle;

/// The first operation of the item's block that reads it.
static Operation *findReader(tile::NextItemOp item) {
  Operation *reader = item->getBlock()->getTerminator();
  for (Operation *user : item->getUsers())
    if (Operation *here = item->getBlock()->findAncestorOpInBlock(*user); here->isBeforeInBlock(reader))
      reader = here;
  return reader;
}

static Value createRing(func::FuncOp kernel, Location loc, bool isBulk) {
  OpBuilder builder = OpBuilder::atBlockBegin(&kernel.front());
  MLIRContext *context = kernel.getContext();
  // Two slots, so that who sends may be ahead.
  int64_t stages = isBulk ? 2 : 1;
  auto slot = warp::SlotType::get(context, {1, 1}, builder.getI32Type(), warp::SharedAttr::get(context, 0, 0));
  return warp::RingOp::create(builder, loc, warp::RingType::get(context, stages, slot, isBulk, /*gathered=*/false),
                              IntegerAttr(), IntegerAttr());
}

void heddle::sendNextItems(func::FuncOp kernel, bool isBulk) {
  SmallVector<tile::NextItemOp> items;
  kernel.walk([&](tile::NextItemOp item) { items.push_back(item); });
  for (tile::NextItemOp item : items) {
    Location loc = item.getLoc();
    Value ring = createRing(kernel, loc, isBulk);
    OpBuilder builder(item);
    Type word = builder.getI32Type();
    Value number = warp::NextItemOp::create(builder, loc, word, item.getCounter(), item.getIndices());
    builder.setInsertionPoint(findReader(item));
    warp::SendOp::create(builder, loc, number, ring, Value());
    Value taken = warp::TakeOp::create(builder, loc, TypeRange{word}, ring, Value()).getResult(0);
    Value index = arith::IndexCastOp::create(builder, loc, builder.getIndexType(), taken);
    item.getResult().replaceAllUsesWith(index);
    item.erase();
  }
}
