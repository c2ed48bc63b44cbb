//===- SplitState.cpp - what shares of the keys leave for a merge -----------===//
#include "SplitState.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle;

/// An element for each row, and not for each of its columns.
static bool isColumn(Value memory) { return cast<MemRefType>(memory.getType()).getRank() == 4; }

SmallVector<Value> SplitState::coordinatesOf(Value memory, Value share) const {
  SmallVector<Value> coordinates{share, place.batch, place.head, place.firstRow};
  if (!isColumn(memory))
    coordinates.push_back(place.firstColumn);
  return coordinates;
}

void SplitState::store(Value share, const RowState &state) {
  ImplicitLocOpBuilder &b = kernel.body();
  for (auto [array, tile] : llvm::zip(arrays, state.flatten())) {
    Value memory = kernel.import(array);
    tile::StoreOp::create(b, tile, memory, coordinatesOf(memory, share), place.rowLength, IntegerAttr(),
                          isColumn(memory) ? b.getUnitAttr() : UnitAttr());
  }
}

RowState SplitState::load(Value share, const RowState &like) {
  ImplicitLocOpBuilder &b = kernel.body();
  SmallVector<Value> loaded;
  for (auto [array, tile] : llvm::zip(arrays, like.flatten())) {
    Value memory = kernel.import(array);
    loaded.push_back(tile::LoadOp::create(b, tile.getType(), memory, coordinatesOf(memory, share), place.rowLength,
                                          IntegerAttr(), isColumn(memory) ? b.getUnitAttr() : UnitAttr()));
  }
  return like.with(loaded);
}

FailureOr<RowState> SplitState::merge(RowNormalizer &normalizer, const RowState &initial, Value shares,
                                      int64_t together) {
  ImplicitLocOpBuilder &b = kernel.body();
  auto mergeFrom = [&](Value first, Value end, int64_t step, const RowState &before) {
    return loopOver(b, first, end, kernel.constant(step), before,
                    [&](Value share, RowState state) -> FailureOr<RowState> {
                      SmallVector<RowState> loaded;
                      for (int64_t next = 0; next < step; ++next)
                        loaded.push_back(load(arith::AddIOp::create(b, share, kernel.constant(next)), initial));
                      for (const RowState &other : loaded) {
                        FailureOr<RowState> combined = normalizer.combine(state, other);
                        if (failed(combined))
                          return failure();
                        state = *combined;
                      }
                      return state;
                    });
  };
  if (together == 1)
    return mergeFrom(kernel.constant(0), shares, 1, initial);
  Value rest = arith::RemUIOp::create(b, shares, kernel.constant(together));
  Value whole = arith::SubIOp::create(b, shares, rest);
  FailureOr<RowState> state = mergeFrom(kernel.constant(0), whole, together, initial);
  return failed(state) ? state : mergeFrom(whole, shares, 1, *state);
}
