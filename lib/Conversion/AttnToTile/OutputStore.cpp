//===- OutputStore.cpp ------------------------------------------------------===//
#include "OutputStore.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace heddle;

Value heddle::getLogicalSource(Value tensor) {
  auto accumulate = tensor.getDefiningOp<attn::AccumulateOp>();
  return accumulate ? accumulate.getSource() : tensor;
}

LogicalResult heddle::storeOutput(KernelBuilder &kernel, TileEmitter &emitter, const KernelOutput &output,
                                  ArrayRef<Lifted> indices, ArrayRef<int64_t> shape) {
  ImplicitLocOpBuilder &b = emitter.builder();
  Lifted element = emitter.element(getLogicalSource(output.tensor), indices);
  if (!element.value)
    return failure();
  Value tile = emitter.materialize(element, shape);

  SmallVector<Lifted> targets(indices);
  if (auto accumulate = output.tensor.getDefiningOp<attn::AccumulateOp>()) {
    if (!accumulate.getInjective())
      return accumulate.emitOpError("expected 'injective' where the result of a kernel is stored through coordinates");
    if (Value lengths = accumulate.getLengths(); lengths && targets[2].isPositions()) {
      Value length = emitter.lengthOf(lengths, targets[0]);
      if (!length)
        return failure();
      emitter.limitTo(targets[2], length);
    }
    FailureOr<SmallVector<Lifted>> moved = emitter.apply(accumulate.getCoordinates().front(), targets);
    if (failed(moved))
      return failure();
    targets = *moved;
    emitter.keepInside(targets, {}, indices);
  }

  if (Lifted &index = targets[output.dim]; output.first)
    index.base = b.createOrFold<arith::AddIOp>(index.base, kernel.constant(output.first));
  SmallVector<Value> coordinates;
  Value limit;
  int64_t rowDim = -1, rank = targets.size();
  std::optional<TileEmitter::LinesPlace> lines;
  for (auto [dim, target] : llvm::enumerate(targets)) {
    bool isLast = static_cast<int64_t>(dim) == rank - 1;
    if (target.isPositions() ? target.dim == 1 && !isLast : !target.isScalar())
      return output.tensor.getDefiningOp()->emitOpError("expected coordinates that move along one dimension with t");
    if (target.isPositions() && target.dim == 0) {
      rowDim = dim;
      limit = target.limit;
    }
    if (target.box) {
      lines = emitter.placeByLines(*target.box);
      llvm::append_values(coordinates, lines->line, lines->column);
      continue;
    }
    if (target.isSpaced()) {
      TileEmitter::GroupedPlace place = emitter.placeByResidue(target);
      llvm::append_values(coordinates, place.group, place.residue);
      continue;
    }
    Value coordinate = target.isPositions() ? target.base : target.value;
    if (!coordinate.getType().isIndex())
      coordinate = arith::IndexCastOp::create(b, b.getIndexType(), coordinate);
    coordinates.push_back(coordinate);
  }
  bool isSpaced = rowDim >= 0 && targets[rowDim].isSpaced();
  Value memory = lines      ? kernel.importByResidue(output.memory, rowDim, lines->columns)
                 : isSpaced ? kernel.importByResidue(output.memory, rowDim, targets[rowDim].step)
                            : kernel.import(output.memory);
  bool isLines = lines && rowDim + 1 == rank; // an element a row, along both of its dimensions
  rank += isSpaced || lines;
  if (limit) // a length from the device may be wrong; the array's size is not
    limit = arith::MinSIOp::create(b, limit, memref::DimOp::create(b, memory, rowDim));
  bool isColumn = rowDim == rank - 1;
  IntegerAttr rows;
  if (rowDim >= 0 && !isColumn && rowDim != rank - 2)
    rows = b.getI64IntegerAttr(rowDim);
  UnitAttr column = isColumn || isLines ? b.getUnitAttr() : UnitAttr();
  if (lines)
    tile::StoreOp::create(b, tile, memory, coordinates, limit, b.getI64IntegerAttr(rowDim), column, lines->box,
                          lines->pitches);
  else
    tile::StoreOp::create(b, tile, memory, coordinates, limit, rows, column);
  return success();
}
