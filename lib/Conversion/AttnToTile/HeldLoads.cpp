//===- HeldLoads.cpp - tiles that a block loads once ------------------------===//
#include "HeldLoads.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/LoopInvariantCodeMotionUtils.h"

using namespace mlir;
using namespace heddle;

/// A tile of an array that nobody writes, which products read: in shared memory it takes no registers.
static bool isHeld(tile::LoadOp load) {
  auto isProduct = [](Operation *user) { return isa<tile::DotOp>(user); };
  auto isWrite = [](Operation *user) { return isa<tile::StoreOp, memref::StoreOp>(user); };
  return llvm::all_of(load->getUsers(), isProduct) && llvm::none_of(load.getSource().getUsers(), isWrite);
}

static bool isNumber(Operation *op) {
  return isPure(op) && op->getNumRegions() == 0 &&
         llvm::none_of(op->getResultTypes(), [](Type type) { return isa<ShapedType>(type); });
}

void heddle::holdLoads(Operation *block) {
  block->walk([](scf::ForOp loop) {
    moveLoopInvariantCode(
        &loop.getRegion(), [&](Value value, Region *) { return loop.isDefinedOutsideOfLoop(value); },
        [](Operation *op, Region *) {
          auto load = dyn_cast<tile::LoadOp>(op);
          return load ? isHeld(load) : isNumber(op);
        },
        [&](Operation *op, Region *) { loop.moveOutOfLoop(op); });
  });
}
