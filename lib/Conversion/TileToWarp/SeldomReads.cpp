//===- SeldomReads.cpp - seldom loops read slots again ----------------------===//
#include "lib/Conversion/TileToWarp/SeldomReads.h"
#include "dialects/Tile/TileDialect.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace heddle;

/// Whether a tile is made element by element of transposed ones and of constants.
static bool isOfTransposed(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  if (isa<tile::TransposeOp, arith::ConstantOp, tensor::SplatOp>(op))
    return true;
  return (isa<tile::BroadcastOp>(op) || OpTrait::hasElementwiseMappableTraits(op)) &&
         llvm::all_of(op->getOperands(), isOfTransposed);
}

static bool isLargeTile(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getDimSize(0) > 1 && type.getDimSize(1) > 1;
}

static Value cloneMakers(OpBuilder &builder, Value value, IRMapping &mapping) {
  if (Value known = mapping.lookupOrNull(value))
    return known;
  Operation *op = value.getDefiningOp();
  if (isa<arith::ConstantOp, tensor::SplatOp>(op))
    return value;
  if (!isa<tile::TransposeOp>(op))
    for (Value operand : op->getOperands())
      mapping.map(operand, cloneMakers(builder, operand, mapping));
  return builder.clone(*op, mapping)->getResult(0);
}

void heddle::readAgainInSeldomLoops(func::FuncOp kernel) {
  SmallVector<scf::ForOp> loops;
  kernel.walk([&](scf::ForOp loop) {
    if (loop->hasAttr(tile::kSeldomAttr))
      loops.push_back(loop);
  });
  for (scf::ForOp loop : loops) {
    SetVector<Value> made;
    loop.getBody()->walk([&](Operation *op) {
      for (Value operand : op->getOperands())
        if (!loop->isAncestor(operand.getParentRegion()->getParentOp()) && isLargeTile(operand) &&
            !operand.getDefiningOp<arith::ConstantOp>() && isOfTransposed(operand))
          made.insert(operand);
    });
    OpBuilder builder = OpBuilder::atBlockBegin(loop.getBody());
    IRMapping mapping;
    for (Value value : made) {
      Value again = cloneMakers(builder, value, mapping);
      value.replaceUsesWithIf(again, [&](OpOperand &use) { return loop->isProperAncestor(use.getOwner()); });
    }
  }
}
