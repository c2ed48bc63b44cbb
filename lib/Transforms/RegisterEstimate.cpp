//===- RegisterEstimate.cpp - registers that a scheduled kernel needs -------===//
#include "lib/Transforms/RegisterEstimate.h"
#include "dialects/Tile/TileDialect.h"
#include "dialects/Tile/TileOps.h"
#include "dialects/Warp/WarpOps.h"
#include "mlir/Analysis/Liveness.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace heddle;

/// Addresses, loop counters, fragments on their way to the matrix unit.
static constexpr int64_t registerAllowance = 40;

/// A product that is contracted with the sum that alone reads it: it is added up element by element.
static bool isContracted(Operation *op) {
  auto product = dyn_cast<arith::MulFOp>(op);
  return product && product->hasOneUse() && isa<tile::ReduceOp>(*product->user_begin()) &&
         bitEnumContainsAll(product.getFastmath(), arith::FastMathFlags::contract);
}

/// A constant or repeated value takes no registers of its own, and a position is a constant away from the first.
int64_t heddle::registersOf(Value value) {
  Operation *definition = value.getDefiningOp();
  if (isa_and_nonnull<arith::ConstantOp, tensor::SplatOp, tile::BroadcastOp, tile::IotaOp>(definition))
    return 0;
  if (definition && isContracted(definition))
    return 0;
  if (auto real = dyn_cast_or_null<arith::SIToFPOp>(definition); real && real.getIn().getDefiningOp<tile::IotaOp>())
    return 0;
  auto type = dyn_cast<RankedTensorType>(value.getType());
  auto layout = type ? dyn_cast_or_null<warp::LayoutInterface>(type.getEncoding()) : warp::LayoutInterface();
  if (!layout)
    return 0;
  // Positions and conditions are made beside what reads them, one register at a time.
  if (definition && type.getElementType().isInteger() && isa<arith::ArithDialect>(definition->getDialect()) &&
      llvm::all_of(definition->getUsers(), [&](Operation *user) {
        return user->getBlock() == definition->getBlock() && isa<arith::ArithDialect>(user->getDialect());
      }))
    return 0;
  return llvm::divideCeil(layout.registers(type.getShape()) * std::max(1u, type.getElementTypeBitWidth()), 32);
}

/// Whether a value is read after `op`, in its block or beyond.
static bool isReadAfter(Value value, Operation &op, const LivenessBlockInfo &info) {
  return info.isLiveOut(value) || llvm::any_of(value.getUsers(), [&](Operation *user) {
           Operation *here = op.getBlock()->findAncestorOpInBlock(*user);
           return here && op.isBeforeInBlock(here);
         });
}

/// Whether, from `op` on, only contracted products read a value: its elements go as those of the other factor come.
static bool isUsedUp(Value value, Operation &op, const LivenessBlockInfo &info) {
  if (info.isLiveOut(value))
    return false;
  bool any = false;
  for (Operation *user : value.getUsers()) {
    Operation *here = op.getBlock()->findAncestorOpInBlock(*user);
    if (!here || here->isBeforeInBlock(&op))
      continue;
    if (!isContracted(user))
      return false;
    any = true;
  }
  return any;
}

/// The most registers at any operation of `block`, with `outer` alive all through it.
static int64_t mostAlive(Block &block, const Liveness &liveness, const DenseSet<Value> &outer) {
  const LivenessBlockInfo *info = liveness.getLiveness(&block);
  int64_t most = 0;
  for (Operation &op : block) {
    DenseSet<Value> live(outer), beyond(outer);
    // An operand that dies here gives its registers to the result.
    for (Value value : info->currentlyLiveValues(&op))
      if (value.getDefiningOp() != &op && !isUsedUp(value, op, *info)) {
        live.insert(value);
        if (op.getNumRegions() != 0 && isReadAfter(value, op, *info))
          beyond.insert(value);
      }
    // Registers that are short where a loop is seldom gone through cost little.
    if (op.hasAttr(tile::kSeldomAttr))
      continue;
    // What is read after an operation with regions is alive all through them.
    for (Region &region : op.getRegions())
      for (Block &nested : region)
        most = std::max(most, mostAlive(nested, liveness, beyond));
    int64_t registers = 0;
    for (Value value : live)
      registers += registersOf(value);
    most = std::max(most, op.getNumRegions() == 0 ? registers : 0);
  }
  return most;
}

int64_t heddle::estimateRegisters(func::FuncOp kernel) {
  Liveness liveness(kernel);
  int64_t most = 0;
  for (Block &block : kernel.getBody())
    most = std::max(most, mostAlive(block, liveness, {}));
  return most + registerAllowance;
}
