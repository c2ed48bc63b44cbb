//===- SplitState.cpp - what shares of the keys leave for a merge -----------===//
#include "SplitState.h"
#include "AttendKernel.h"
#include "RowNormalizer.h"
#include "dialects/Attn/RankedStats.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle;

/// An element for each row, and not for each of its columns.
static bool isColumn(Value memory) { return cast<MemRefType>(memory.getType()).getRank() == 4; }

SplitState::Access SplitState::accessTo(Value array, Value share) const {
  constexpr int64_t rowDim = 3;
  ImplicitLocOpBuilder &b = kernel.body();
  Access access;
  access.coordinates = {share, place.batch, place.head, place.firstRow};
  bool hasColumns = !isColumn(array), isGrouped = place.modulus != 1;
  if (isGrouped) {
    access.memory = kernel.importByResidue(array, rowDim, place.modulus);
    access.coordinates.push_back(place.residue);
    access.rows = hasColumns ? b.getI64IntegerAttr(rowDim) : IntegerAttr();
  } else {
    access.memory = kernel.import(array);
    access.column = hasColumns ? UnitAttr() : b.getUnitAttr();
  }
  if (hasColumns)
    access.coordinates.push_back(place.firstColumn);
  return access;
}

void SplitState::store(Value share, const RowState &state) {
  for (auto [array, tile] : llvm::zip(arrays, state.flatten())) {
    Access to = accessTo(array, share);
    tile::StoreOp::create(kernel.body(), tile, to.memory, to.coordinates, place.rowLength, to.rows, to.column);
  }
}

RowState SplitState::load(Value share, const RowState &like) {
  SmallVector<Value> loaded;
  for (auto [array, tile] : llvm::zip(arrays, like.flatten())) {
    Access from = accessTo(array, share);
    loaded.push_back(tile::LoadOp::create(kernel.body(), tile.getType(), from.memory, from.coordinates, place.rowLength,
                                          from.rows, from.column));
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

SplitWorkspace SplitWorkspace::allocate(PlanBuilder &plan, attn::AttendOp op, attn::NormalizerOp definition,
                                        Value splits) {
  SplitWorkspace workspace{splits, {}};
  Type f32 = Float32Type::get(op.getContext());
  constexpr int64_t kDynamic = ShapedType::kDynamic;
  ImplicitLocOpBuilder &b = plan.getBuilder();
  Value sizes[] = {splits, getAttendSize(plan, b, op, 0), getAttendSize(plan, b, op, 1), getAttendSize(plan, b, op, 2)};
  auto column = MemRefType::get({kDynamic, kDynamic, kDynamic, kDynamic}, f32);
  unsigned columns = NormalizerTraits::of(definition).countColumns(definition) + 2 * attn::countRanks(op);
  for (unsigned index = 0; index < columns; ++index)
    workspace.arrays.push_back(plan.allocate(column, sizes));
  for (unsigned value = 0; value < op.getNumValues(); ++value) {
    int64_t width = cast<RankedTensorType>(op.getValueGroups()[value][0].getType()).getDimSize(3);
    for (int64_t weight = 0; weight < (definition ? definition.getNumWeights() : 1); ++weight)
      workspace.arrays.push_back(
          plan.allocate(MemRefType::get({kDynamic, kDynamic, kDynamic, kDynamic, width}, f32), sizes));
  }
  return workspace;
}
