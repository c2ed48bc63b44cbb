//===- TileToWarp.cpp - give every tile of a kernel a place in the machine --===//
//
// In: a tile kernel. Out: the same function, scheduled:
//  - every tensor has an encoding. The layout is a function of the shape and of
//    the number of warps alone, so that element-wise work, loops and branches
//    never need a layout change;
//  - a load that feeds a dot goes to shared memory by an asynchronous copy, and
//    other operands of dots that are not yet where the matrix unit reads them
//    are put there;
//  - what crosses threads goes through a slot, between `acquire` and `receive`.
//
// For example `%s = tile.dot %q, %k, %zero {transB}` with %k loaded becomes
//
//   %r = warp.ring : !warp.ring<1 of 64x128xbf16, <pad = 16>>
//   %w = warp.acquire %r  warp.copy %k[..] to %w by 16  %t = warp.receive %r
//   %s = warp.mma %q, %t, %zero {transB}
//
// Shown by test/Conversion/tile-to-warp.mlir.
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileDialect.h"
#include "dialects/Tile/TileOps.h"
#include "dialects/Tile/TileTarget.h"
#include "dialects/Warp/WarpOps.h"
#include "heddle/Conversion/Passes.h"
#include "lib/Conversion/TileToWarp/Layouts.h"
#include "lib/Conversion/TileToWarp/NextItems.h"
#include "lib/Conversion/TileToWarp/RowCoordinates.h"
#include "lib/Conversion/TileToWarp/SeldomReads.h"
#include "lib/Conversion/TileToWarp/TileSlots.h"
#include "lib/Conversion/TileToWarp/Transfers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace heddle {
#define GEN_PASS_DEF_TILETOWARP
#include "heddle/Conversion/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
class KernelScheduler {
public:
  KernelScheduler(func::FuncOp kernel, int64_t maxWarps, bool hasWarpgroups)
      : kernel(kernel), layouts(kernel, maxWarps), hasWarpgroups(hasWarpgroups) {}
  LogicalResult run();

private:
  void inlineForall();
  void foldTransposes();
  void placeLoads();
  LogicalResult placeDots();
  void placeReductions();
  void placeMoves();
  void orderMemory();

  void placeRead(Operation *read, SlotFilling filling, function_ref<void(OpBuilder &, Value)> fill);

  func::FuncOp kernel;
  TileLayouts layouts;
  bool hasWarpgroups; // what the target has; after foldTransposes, whether the kernel's products are theirs
  std::optional<TileSlots> slots;
  DenseSet<Value> leftInSlots; // left operands that are computed and put
};
} // namespace

//===----------------------------------------------------------------------===//
// blocks
//===----------------------------------------------------------------------===//

/// One iteration of the forall is one block: its coordinates come from the grid. (A grid of one block may have lost its
/// forall to canonicalization.) This comes first, because a later canonicalization would drop dimensions of size 1 and
/// so renumber the others.
void KernelScheduler::inlineForall() {
  scf::ForallOp forall;
  kernel.walk([&](scf::ForallOp op) { forall = op; });
  if (!forall)
    return;
  ImplicitLocOpBuilder builder(forall.getLoc(), forall);
  SmallVector<Value> lower = forall.getLowerBound(builder), step = forall.getStep(builder);
  for (auto [dim, variable] : llvm::enumerate(forall.getInductionVars())) {
    Value position = warp::BlockIdOp::create(builder, builder.getIndexType(), static_cast<uint64_t>(dim));
    position = builder.createOrFold<arith::MulIOp>(position, step[dim]);
    variable.replaceAllUsesWith(builder.createOrFold<arith::AddIOp>(position, lower[dim]));
  }
  Block *body = forall.getBody();
  body->getTerminator()->erase();
  forall->getBlock()->getOperations().splice(forall->getIterator(), body->getOperations());
  forall.erase();
}

//===----------------------------------------------------------------------===//
// loads and dots
//===----------------------------------------------------------------------===//

/// A product with an explicit transpose is a product that reads its operand so.
void KernelScheduler::foldTransposes() {
  kernel.walk([&](tile::DotOp dot) {
    if (auto transpose = dot.getLhs().getDefiningOp<tile::TransposeOp>()) {
      dot.getLhsMutable().assign(transpose.getSource());
      dot.setTransA(!dot.getTransA());
    }
    if (auto transpose = dot.getRhs().getDefiningOp<tile::TransposeOp>()) {
      dot.getRhsMutable().assign(transpose.getSource());
      dot.setTransB(!dot.getTransB());
    }
  });
  SmallVector<Operation *> dead;
  kernel.walk([&](tile::TransposeOp op) {
    if (op->use_empty())
      dead.push_back(op);
  });
  for (Operation *op : dead)
    op->erase();
}

/// A limit that is the array's own size says nothing.
static Value limitOf(tile::LoadOp load) {
  auto dim = load.getLimit() ? load.getLimit().getDefiningOp<memref::DimOp>() : memref::DimOp();
  int64_t rows = load.getRowDim().value_or(load.getIndices().size() - 2);
  return dim && dim.getSource() == load.getSource() && dim.getConstantIndex() == rows ? Value() : load.getLimit();
}

/// A large tile that each iteration reads anew, for element-wise work: a copy ahead of time hides its latency.
static bool isWorthBulkCopy(tile::LoadOp load) {
  RankedTensorType tile = load.getResult().getType();
  return tile.getDimSize(0) >= 64 && tile.getDimSize(1) >= 64 && isa<scf::ForOp>(load->getParentOp()) &&
         suitsBulkCopy(load);
}

/// What `read` reads comes to a slot, which `fill` fills; what else than a dot reads it reads the slot.
void KernelScheduler::placeRead(Operation *read, SlotFilling filling, function_ref<void(OpBuilder &, Value)> fill) {
  OpBuilder builder(read);
  Location loc = read->getLoc();
  Value tile = read->getResult(0);
  auto type = cast<RankedTensorType>(tile.getType());
  bool isVector = type.getDimSize(0) == 1;
  Value ring = slots->createRing(loc, type.getShape(), type.getElementType(),
                                 hasWarpgroups && !isVector ? swizzleOf(type) : 0, filling);
  fill(builder, TileSlots::acquire(builder, loc, ring));
  Value slot = TileSlots::receive(builder, loc, ring);
  // A transpose or a slice of a vector is a move through a slot, and this is one.
  auto readsSlot = [&](Operation *user) {
    return isa<tile::DotOp, tile::TransposeOp>(user) || (isVector && isa<tile::SliceOp>(user));
  };
  auto load = [&](OpBuilder &at) { return warp::LoadOp::create(at, loc, type, slot, 0, 0, false); };
  if (isVector && filling == SlotFilling::ByGathers) {
    // Each reader reads it again: between two of them its registers are free.
    for (OpOperand &use : llvm::make_early_inc_range(tile.getUses()))
      if (OpBuilder atUser(use.getOwner()); !readsSlot(use.getOwner()))
        use.set(load(atUser));
  } else if (!llvm::all_of(tile.getUsers(), readsSlot)) {
    tile.replaceUsesWithIf(load(builder), [&](OpOperand &use) { return !readsSlot(use.getOwner()); });
  }
  slots->remember(tile, slot);
}

/// Loads and gathers of rows that feed a dot fill a slot, as do other loads where that pays.
void KernelScheduler::placeLoads() {
  SmallVector<Operation *> reads;
  kernel.walk([&](Operation *read) {
    bool feedsDot = llvm::any_of(
        read->getUses(), [](OpOperand &use) { return isa<tile::DotOp>(use.getOwner()) && use.getOperandNumber() < 2; });
    auto load = dyn_cast<tile::LoadOp>(read);
    auto gather = dyn_cast<tile::GatherOp>(read);
    bool isRectangle = load && !load.getColumn() && cast<MemRefType>(load.getSource().getType()).getRank() > 1;
    bool isBulk = load && hasWarpgroups && !feedsDot && (isWorthBulkCopy(load) || suitsVectorCopy(load));
    if (isBulk || (feedsDot && (isRectangle || (gather && suitsRowCopies(gather)))))
      reads.push_back(read);
  });
  RowCoordinates coordinatesOf(hasWarpgroups ? warp::WarpDialect::copyingWarps : layouts.warps());
  for (Operation *read : reads) {
    if (auto load = dyn_cast<tile::LoadOp>(read)) {
      RankedTensorType type = load.getResult().getType();
      bool isVector = hasWarpgroups && suitsVectorCopy(load);
      placeRead(load, isVector ? SlotFilling::ByGathers : SlotFilling::ByCopies, [&](OpBuilder &builder, Value target) {
        int64_t bytes = isVector ? type.getElementTypeBitWidth() / 8 : hasWarpgroups ? 16 : transferBytes(load);
        warp::CopyOp::create(builder, load.getLoc(), load.getSource(), load.getIndices(), limitOf(load), target,
                             load.getRowDimAttr(), builder.getI64IntegerAttr(bytes), load.getBoxAttr(),
                             load.getPitchesAttr());
      });
      if (load->use_empty() && slots->forget(load.getResult()))
        load.erase();
      continue;
    }
    auto gather = cast<tile::GatherOp>(read);
    SmallVector<Value> coordinates;
    for (Value coordinate : gather.getCoordinates().drop_back())
      coordinates.push_back(coordinatesOf(coordinate));
    coordinates.push_back(gather.getCoordinates().back().getDefiningOp<tile::IotaOp>().getOffset());
    Value mask = gather.getMask() ? coordinatesOf(gather.getMask()) : Value();
    placeRead(gather, SlotFilling::ByGathers, [&](OpBuilder &builder, Value target) {
      warp::GatherOp::create(builder, gather.getLoc(), gather.getSource(), coordinates, mask, target);
    });
  }
  // An accumulator (use 2) may be a load, too; the reads themselves go when the dots have gone.
}

LogicalResult KernelScheduler::placeDots() {
  SmallVector<tile::DotOp> dots;
  kernel.walk([&](tile::DotOp dot) { dots.push_back(dot); });
  SetVector<Value> operands;
  for (tile::DotOp dot : dots) {
    OpBuilder builder(dot);
    Location loc = dot.getLoc();
    operands.insert(dot.getLhs());
    operands.insert(dot.getRhs());
    Value lhs;
    if (slots->holds(dot.getLhs()) || dot.getTransA() || leftInSlots.contains(dot.getLhs())) {
      lhs = slots->slotOf(dot.getLhs(), /*isForProduct=*/true);
      if (leftInSlots.erase(dot.getLhs()))
        slots->readAgain(dot.getLhs());
    } else {
      auto fragment = layouts.asLeftOperand(dot.getLhs().getType());
      if (!fragment)
        return dot.emitOpError("expected a left operand of at least 16 rows, got ") << dot.getLhs().getType();
      // Packed as soon as it is narrow: until then it takes twice the registers.
      OpBuilder atDefinition(builder);
      if (auto narrowed = dot.getLhs().getDefiningOp<arith::TruncFOp>())
        atDefinition.setInsertionPointAfter(narrowed);
      lhs = warp::ConvertOp::create(atDefinition, loc, fragment, dot.getLhs());
    }
    Value rhs = slots->slotOf(dot.getRhs(), /*isForProduct=*/true);
    Value mma = warp::MmaOp::create(builder, loc, dot.getAcc().getType(), lhs, rhs, dot.getAcc(), dot.getTransA(),
                                    dot.getTransB(), hasWarpgroups);
    dot.getResult().replaceAllUsesWith(mma);
    dot.erase();
  }
  for (Value operand : operands)
    if (Operation *read = operand.getDefiningOp();
        isa_and_nonnull<tile::LoadOp, tile::GatherOp>(read) && read->use_empty() && slots->forget(operand))
      read->erase();
  return success();
}

//===----------------------------------------------------------------------===//
// reductions and moves
//===----------------------------------------------------------------------===//

/// A reduction over rows crosses warps when the rows are spread over several.
void KernelScheduler::placeReductions() {
  SmallVector<tile::ReduceOp> reductions;
  kernel.walk([&](tile::ReduceOp op) {
    if (op.getDim() == 0 && layouts.warpsAlongRows(op.getSource().getType().getDimSize(0)) > 1)
      reductions.push_back(op);
  });
  for (tile::ReduceOp op : reductions) {
    OpBuilder builder(op);
    RankedTensorType source = op.getSource().getType();
    int64_t warps = layouts.warpsAlongRows(source.getDimSize(0));
    Value ring = slots->createRing(op.getLoc(), {warps, source.getDimSize(1)}, source.getElementType());
    Value scratch = TileSlots::acquire(builder, op.getLoc(), ring);
    Value result =
        warp::ReduceOp::create(builder, op.getLoc(), op.getResult().getType(), op.getKind(), op.getSource(), scratch);
    op.getResult().replaceAllUsesWith(result);
    op.erase();
  }
}

/// Whether registers of whole atoms can be renamed: all columns in atoms of 8, rows as they are.
static bool keepsAtoms(RankedTensorType from, RankedTensorType to, int64_t row, int64_t column) {
  return row == 0 && from.getDimSize(0) == to.getDimSize(0) && column % 8 == 0 &&
         (to.getDimSize(1) > 1) == (from.getDimSize(1) > 1);
}

void KernelScheduler::placeMoves() {
  SmallVector<Operation *> moves;
  kernel.walk([&](Operation *op) {
    if (isa<tile::TransposeOp, tile::SliceOp, tile::ConcatOp>(op))
      moves.push_back(op);
  });
  for (Operation *op : moves) {
    if (auto transpose = dyn_cast<tile::TransposeOp>(op)) {
      slots->moveThroughSlot(op, transpose.getSource(), 0, 0, /*transposed=*/true);
    } else if (auto slice = dyn_cast<tile::SliceOp>(op)) {
      if (!keepsAtoms(slice.getSource().getType(), slice.getResult().getType(), slice.getRowOffset(),
                      slice.getColumnOffset()))
        slots->moveThroughSlot(op, slice.getSource(), slice.getRowOffset(), slice.getColumnOffset(), false);
    } else {
      auto concat = cast<tile::ConcatOp>(op);
      RankedTensorType type = concat.getResult().getType();
      bool local = llvm::all_of(concat.getSources(), [&](Value source) {
        return cast<RankedTensorType>(source.getType()).getDimSize(1) % 8 == 0;
      });
      if (local)
        continue;
      OpBuilder builder(op);
      Value ring = slots->createRing(op->getLoc(), type.getShape(), type.getElementType());
      Value target = TileSlots::acquire(builder, op->getLoc(), ring);
      int64_t column = 0;
      for (Value source : concat.getSources()) {
        warp::PutOp::create(builder, op->getLoc(), source, target, column);
        column += cast<RankedTensorType>(source.getType()).getDimSize(1);
      }
      Value slot = TileSlots::receive(builder, op->getLoc(), ring);
      Value read = warp::LoadOp::create(builder, op->getLoc(), type, slot, 0, 0, false);
      op->getResult(0).replaceAllUsesWith(read);
      op->erase();
    }
  }
}

//===----------------------------------------------------------------------===//
// memory
//===----------------------------------------------------------------------===//

/// An array that a kernel both writes and reads is read by other threads than wrote it.
void KernelScheduler::orderMemory() {
  DenseSet<Value> read;
  SmallVector<std::pair<Operation *, Value>> writes;
  kernel.walk([&](Operation *op) {
    if (isa<tile::LoadOp, tile::GatherOp, warp::CopyOp, warp::GatherOp, memref::LoadOp>(op))
      read.insert(op->getOperand(0));
    else if (auto store = dyn_cast<tile::StoreOp>(op))
      writes.push_back({op, store.getDest()});
    else if (auto store = dyn_cast<memref::StoreOp>(op))
      writes.push_back({op, store.getMemRef()});
  });
  for (auto [op, memory] : writes) {
    if (!read.contains(memory))
      continue;
    OpBuilder builder(op);
    warp::SyncOp::create(builder, op->getLoc());
    builder.setInsertionPointAfter(op);
    warp::SyncOp::create(builder, op->getLoc());
  }
}

LogicalResult KernelScheduler::run() {
  inlineForall();
  foldTransposes();
  foldRowMasks(kernel);
  readAgainInSeldomLoops(kernel);
  hasWarpgroups = hasWarpgroups && suitsWarpgroups(kernel, layouts.warps());
  if (!hasWarpgroups)
    gatherBoxes(kernel);
  slots.emplace(kernel, hasWarpgroups);
  if (failed(layouts.encodeAll()))
    return failure();
  if (hasWarpgroups)
    kernel.walk([&](tile::DotOp dot) {
      if (suitsLeftSlot(dot.getLhs()))
        leftInSlots.insert(dot.getLhs());
    });
  placeLoads();
  if (failed(placeDots()))
    return failure();
  placeReductions();
  placeMoves();
  sendNextItems(kernel, hasWarpgroups);
  markWideAccesses(kernel);
  orderMemory();

  Builder builder(kernel.getContext());
  kernel->removeAttr("tile.kernel");
  kernel->setAttr(warp::WarpDialect::kernelAttr, builder.getUnitAttr());
  kernel->setAttr(warp::WarpDialect::threadsAttr, builder.getI64IntegerAttr(32 * layouts.warps()));
  return success();
}

namespace {
struct TileToWarpPass : heddle::impl::TileToWarpBase<TileToWarpPass> {
  using TileToWarpBase::TileToWarpBase;

  void runOnOperation() override {
    for (auto kernel : getOperation().getOps<func::FuncOp>()) {
      if (!kernel->hasAttr("tile.kernel"))
        continue;
      // The chooser's tiles come with the warps they are meant for.
      auto warps = kernel->getAttrOfType<IntegerAttr>(tile::kWarpsAttr);
      tile::TargetAttr target = tile::getTarget(kernel);
      if (!target)
        return signalPassFailure();
      bool hasWarpgroups = target.getHasWarpgroupMma() && target.getHasBulkCopy();
      if (failed(KernelScheduler(kernel, warps ? warps.getInt() : maxWarps, hasWarpgroups).run()))
        return signalPassFailure();
    }
  }
};
} // namespace
