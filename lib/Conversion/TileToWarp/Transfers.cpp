//===- Transfers.cpp - how wide an access to an array may be ----------------===//
#include "lib/Conversion/TileToWarp/Transfers.h"
#include "dialects/Tile/TileDialect.h"
#include "dialects/Tile/TileTarget.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
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

bool heddle::suitsBulkCopy(tile::LoadOp load) {
  constexpr int64_t maxRank = 5, maxBoxRows = 256;
  RankedTensorType tile = load.getResult().getType();
  int64_t rank = cast<MemRefType>(load.getSource().getType()).getRank();
  auto isWrite = [](Operation *user) { return isa<tile::StoreOp, memref::StoreOp>(user); };
  return !load.getColumn() && rank > 1 && rank <= maxRank && kernelOf(load.getSource()) &&
         tile.getElementTypeBitWidth() == 16 && tile.getDimSize(0) % 8 == 0 && tile.getDimSize(0) <= maxBoxRows &&
         swizzleOf(tile) && startsAtPieces(load) && llvm::none_of(load.getSource().getUsers(), isWrite);
}

/// The products of a warpgroup: 64 rows for four warps, up to 256 columns.
static bool suitsWarpgroup(tile::DotOp dot, int64_t warps) {
  constexpr int64_t maxColumns = 256;
  RankedTensorType result = dot.getResult().getType(), lhs = dot.getLhs().getType();
  auto left = dot.getLhs().getDefiningOp<tile::LoadOp>(), right = dot.getRhs().getDefiningOp<tile::LoadOp>();
  int64_t depth = lhs.getDimSize(1);
  return warps % 4 == 0 && result.getDimSize(0) == 16 * warps && result.getDimSize(1) % 8 == 0 &&
         result.getDimSize(1) <= maxColumns && depth % 16 == 0 && !dot.getTransA() && right && suitsBulkCopy(right) &&
         (left ? suitsBulkCopy(left) : lhs.getElementTypeBitWidth() == 16);
}

bool heddle::suitsWarpgroups(Operation *kernel, int64_t warps) {
  bool any = false;
  WalkResult result = kernel->walk([&](tile::DotOp dot) {
    any = true;
    return suitsWarpgroup(dot, warps) ? WalkResult::advance() : WalkResult::interrupt();
  });
  return any && !result.wasInterrupted();
}
