//===- RecurState.cpp - the state of a recurrence, in tiles -----------------===//
//
// Where it begins, what a chunk adds to it, and where it is stored. It is one tile, or
// several where products have to be smaller.
//
// Tests: test/Conversion/attn-to-tile-recur.mlir, attn-to-tile-recur-warpgroups.mlir.
//
//===----------------------------------------------------------------------===//
#include "OutputStore.h"
#include "RecurKernel.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

/// Nothing. The mass is a row, as products with queries read it, or a column: where there is one token, and where
/// groups of warps share out the channels, so that what a token adds is added up by those who hold it.
RecurKernel::State RecurKernel::emptyState() {
  State state;
  for (int64_t part = 0; part < channelTiles(); ++part) {
    state.sums.append(columnTiles(), math.zeros(stateShape(part)));
    SmallVector<int64_t> shape{1, channelsOf(part)};
    if (isMassColumn)
      std::swap(shape[0], shape[1]);
    if (op.getMass())
      state.mass.push_back(math.zeros(shape));
  }
  return state;
}

/// Before the first token.
FailureOr<RecurKernel::State> RecurKernel::initialState() {
  State state = emptyState();
  for (auto [n, tile] : llvm::enumerate(state.sums))
    if (Value given = op.getInitial())
      tile = tileOf(given, channels(0, n / columnTiles()), valueColumns(n % columnTiles()),
                    TileMath::typeOf(tile).getShape());
  for (auto [part, tile] : llvm::enumerate(state.mass))
    if (Value given = op.getInitialMass())
      tile = emitter.tile(given, {place.batchOf(given), place.headOf(given), channels(isMassColumn ? 0 : 1, part)},
                          TileMath::typeOf(tile).getShape());
  if (llvm::is_contained(state.flatten(), Value()))
    return failure();
  return state;
}

Lifted RecurKernel::valueColumns(int64_t part) {
  Value first = firstColumn;
  if (part)
    first = b().createOrFold<arith::AddIOp>(first, constant(part * tileColumns));
  return Lifted::positions(1, tileColumns, first);
}

/// One decay per token goes to whichever side the schedule says.
RecurKernel::Addend RecurKernel::weigh(Value keys, Value suffix, bool hasMass) {
  auto type = TileMath::typeOf(keys);
  bool isInKeys = suffix && (isMassColumn || TileMath::typeOf(suffix).getDimSize(1) > 1);
  if (!hasMass && !isInKeys)
    return {keys, {}, /*isTransposed=*/true};
  Value turned = keys;
  if (isMassColumn)
    turned = tile::TransposeOp::create(b(), type.clone({type.getDimSize(1), type.getDimSize(0)}), keys);
  Value weighed = suffix ? math.mul(math.wide(turned), suffix) : math.wide(turned), mass;
  if (hasMass)
    mass = math.sum(weighed, isMassColumn ? 1 : 0);
  return {isInKeys ? math.narrow(weighed, type.getElementType()) : keys, mass,
          /*isTransposed=*/!isInKeys || !isMassColumn};
}

/// The state behind a chunk; or, where `state` is what chunks behind this one add and `later` the sum of their gates,
/// what this one adds, too.
RecurKernel::State RecurKernel::advance(const State &state, const Chunk &chunk, Value later) {
  Value whole = later ? Value() : decay.getWhole(), ofRows = whole, suffix = decay.getSuffix(later);
  if (whole && TileMath::typeOf(whole).getDimSize(1) > 1)
    ofRows = tile::TransposeOp::create(b(), TileMath::typeOf(whole).clone({keyWidth, 1}), whole);
  State next;
  SmallVector<Value> values(chunk.values);
  if (suffix && !isMassColumn && TileMath::typeOf(suffix).getDimSize(1) == 1)
    for (Value &tile : values)
      tile = math.narrow(math.mul(math.wide(tile), suffix), TileMath::typeOf(tile).getElementType());
  for (auto [part, keys] : llvm::enumerate(chunk.keys)) {
    Addend addend = weigh(keys, suffix, !state.mass.empty());
    for (int64_t of = 0; of < columnTiles(); ++of) {
      Value sums = state.sums[part * columnTiles() + of];
      if (whole)
        sums = math.mul(sums, ofRows);
      next.sums.push_back(schedule.isTurned ? math.dot(values[of], addend.keys, sums, /*transX=*/true)
                                            : math.dot(addend.keys, values[of], sums, addend.isTransposed));
    }
    if (addend.mass) // a column has one decay for all channels
      next.mass.push_back(math.add(whole ? math.mul(state.mass[part], whole) : state.mass[part], addend.mass));
  }
  return next;
}

LogicalResult RecurKernel::storeState(const State &state, ArrayRef<KernelOutput> outputs) {
  SmallVector<Lifted> start{{place.batch}, {place.head}};
  auto store = [&](const KernelOutput &output, Value tile, ArrayRef<Lifted> where) {
    SmallVector<Lifted> indices(start);
    llvm::append_range(indices, where);
    emitter.provide(output.tensor, indices, tile);
    return storeOutput(kernel, emitter, output, indices, TileMath::typeOf(tile).getShape());
  };
  for (const KernelOutput &output : outputs) {
    if (output.tensor == op.getFinalState()) {
      for (auto [n, tile] : llvm::enumerate(state.sums))
        if (failed(store(output, tile, {channels(0, n / columnTiles()), valueColumns(n % columnTiles())})))
          return failure();
    } else if (output.tensor == op.getFinalMass()) {
      // Every slice of the values computes the same; one stores it.
      OpBuilder::InsertionGuard guard(b());
      if (isFirstSlice) {
        auto once = scf::IfOp::create(b(), isFirstSlice, /*withElseRegion=*/false);
        b().setInsertionPointToStart(once.thenBlock());
      }
      for (auto [part, tile] : llvm::enumerate(state.mass))
        if (failed(store(output, tile, {channels(isMassColumn ? 0 : 1, part)})))
          return failure();
    }
  }
  return success();
}
