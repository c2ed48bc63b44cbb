//===- Pulling.cpp - the elements of a tensor, through what defines it ------===//
#include "AttnShape.h"
#include "TileEmitter.h"
#include "dialects/Attn/AttnOps.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace heddle;

/// Matrix units contract 16 elements at a time; a shorter or ragged contraction is padded with zeros.
static int64_t padded(int64_t size) { return (size + 15) / 16 * 16; }

Lifted TileEmitter::read(Value memory, ArrayRef<Lifted> indices) {
  ImplicitLocOpBuilder &b = builder();
  auto type = cast<MemRefType>(memory.getType());
  auto asIndex = [&](Value scalar) -> Value {
    return scalar.getType().isIndex() ? scalar : arith::IndexCastOp::create(b, b.getIndexType(), scalar).getResult();
  };
  if (llvm::all_of(indices, [](const Lifted &index) { return index.isScalar(); })) {
    SmallVector<Value> coordinates;
    for (const Lifted &index : indices)
      coordinates.push_back(asIndex(index.value));
    return {memref::LoadOp::create(b, memory, coordinates)};
  }

  // A rectangle: rows along one dimension, columns along the last; or one run of rows along the last.
  int64_t rowDim = -1;
  bool isRectangle = true;
  for (auto [position, index] : llvm::enumerate(indices)) {
    bool isLast = position + 1 == indices.size();
    if (index.isScalar())
      isRectangle &= !isLast;
    else if (!index.isPositions() || (!isLast && index.dim == 1) || (index.dim == 0 && rowDim >= 0) ||
             (index.isSpaced() && index.dim == 1))
      isRectangle = false;
    else if (index.dim == 0)
      rowDim = position;
    // Rows of a box are lines one after the other, of the dimension before the last.
    isRectangle &= !index.box || (index.dim == 0 && position + 2 == indices.size() && !index.limit);
  }
  std::shared_ptr<const GridBox> box = rowDim >= 0 ? indices[rowDim].box : nullptr;
  std::optional<LinesPlace> lines;
  SmallVector<Value> coordinates;
  TileShape shape{1, 1};
  Value limit;
  auto narrow = [&](Value tile) -> Lifted {
    auto tileType = cast<RankedTensorType>(tile.getType());
    if (!tileType.getElementType().isInteger(64))
      return {tile};
    return {arith::TruncIOp::create(b, tileType.clone(b.getI32Type()), tile)};
  };
  if (isRectangle) {
    if (box) {
      lines = placeByLines(*box);
      memory = kernel.byResidue(memory, rowDim, lines->columns);
      type = cast<MemRefType>(memory.getType());
    } else if (rowDim >= 0 && indices[rowDim].isSpaced()) {
      memory = kernel.byResidue(memory, rowDim, indices[rowDim].step);
      type = cast<MemRefType>(memory.getType());
    }
    for (const Lifted &index : indices) {
      if (index.box) {
        llvm::append_values(coordinates, lines->line, lines->column);
      } else if (index.isSpaced()) {
        GroupedPlace place = placeByResidue(index);
        llvm::append_values(coordinates, place.group, place.residue);
      } else {
        coordinates.push_back(index.isPositions() ? index.base : asIndex(index.value));
      }
      if (!index.isPositions())
        continue;
      shape[index.dim] = index.extent;
      if (index.dim == 0)
        limit = index.limit;
    }
    if (limit) // a length from the device may be wrong; the array's size is not
      limit = arith::MinSIOp::create(b, limit, memref::DimOp::create(b, memory, rowDim));
    auto result = RankedTensorType::get(shape, type.getElementType());
    bool column = rowDim == type.getRank() - 1;
    IntegerAttr rows;
    if (rowDim >= 0 && !column && rowDim != type.getRank() - 2)
      rows = b.getI64IntegerAttr(rowDim);
    return narrow(tile::LoadOp::create(b, result, memory, coordinates, limit, rows,
                                       column ? b.getUnitAttr() : UnitAttr(), lines ? lines->box : DenseI64ArrayAttr(),
                                       lines ? lines->pitches : DenseI64ArrayAttr()));
  }

  Value mask;
  for (const Lifted &index : indices) {
    if (index.isScalar()) {
      coordinates.push_back(asIndex(index.value));
      continue;
    }
    Value tile = materialize(index, {});
    for (auto [size, extent] : llvm::zip(shape, cast<RankedTensorType>(tile.getType()).getShape()))
      size = std::max(size, extent);
    coordinates.push_back(tile);
    if (index.isPositions() && index.limit)
      mask = exists(index); // only rows carry limits
  }
  return narrow(
      tile::GatherOp::create(b, RankedTensorType::get(shape, type.getElementType()), memory, coordinates, mask));
}

/// The indices of an operand whose indexing map is `map`, given the positions of the loops.
static FailureOr<SmallVector<Lifted>> mapIndices(AffineMap map, ArrayRef<Lifted> loops, TileEmitter &emitter) {
  SmallVector<Lifted> indices;
  for (AffineExpr expr : map.getResults()) {
    if (auto dim = dyn_cast<AffineDimExpr>(expr))
      indices.push_back(loops[dim.getPosition()]);
    else if (auto constant = dyn_cast<AffineConstantExpr>(expr))
      indices.push_back({arith::ConstantIndexOp::create(emitter.builder(), constant.getValue())});
    else
      return failure();
  }
  return indices;
}

/// The tile of a contraction over one static loop: a dot of the two operands' tiles.
Lifted TileEmitter::elementOfContraction(Operation *operation, ArrayRef<Lifted> loops, unsigned reduced) {
  auto op = cast<linalg::LinalgOp>(operation);
  ImplicitLocOpBuilder &b = builder();
  int64_t depth = padded(op.getStaticLoopRanges()[reduced]);
  auto operandTile = [&](unsigned operand, int64_t reducedDim, int64_t &other) -> Value {
    SmallVector<Lifted> operandLoops(loops);
    operandLoops[reduced] = Lifted::positions(reducedDim, depth, kernel.constant(0));
    auto indices = mapIndices(op.getMatchingIndexingMap(op.getDpsInputOperand(operand)), operandLoops, *this);
    if (failed(indices))
      return {};
    other = 1;
    for (const Lifted &index : *indices)
      if (index.isPositions() && index.dim == 1 - reducedDim)
        other = index.extent;
    TileShape shape{depth, depth};
    shape[1 - reducedDim] = other;
    return tile(op.getDpsInputOperand(operand)->get(), *indices, shape);
  };
  // The left operand of the dot is the one that holds the rows.
  auto hasRows = [&](unsigned operand) {
    return llvm::any_of(op.getMatchingIndexingMap(op.getDpsInputOperand(operand)).getResults(), [&](AffineExpr expr) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      return dim && dim.getPosition() != reduced && loops[dim.getPosition()].isPositions() &&
             loops[dim.getPosition()].dim == 0;
    });
  };
  unsigned left = hasRows(0) || !hasRows(1) ? 0 : 1;
  int64_t rows = 1, columns = 1;
  Value lhs = operandTile(left, 1, rows), rhs = operandTile(1 - left, 0, columns);
  if (!lhs || !rhs)
    return {};
  Value zero = constantTile({rows, columns}, b.getF32Type(), 0.0);
  Value result = tile::DotOp::create(b, zero.getType(), lhs, rhs, zero, UnitAttr(), UnitAttr());
  Type element = getElementTypeOrSelf(op->getResult(0).getType());
  if (!element.isF32())
    result = arith::TruncFOp::create(b, cast<RankedTensorType>(result.getType()).clone(element), result);
  return {result};
}

/// The combining operation of a reduction body (`yield combine(accumulator, x)`) and what it computes.
static std::pair<Operation *, std::optional<tile::ReduceKind>> matchCombiner(linalg::LinalgOp op) {
  Operation *combiner = op.getBlock()->getTerminator()->getOperand(0).getDefiningOp();
  if (!combiner)
    return {};
  if (isa<arith::AddFOp>(combiner))
    return {combiner, tile::ReduceKind::Sum};
  if (isa<arith::MaximumFOp, arith::MaxNumFOp>(combiner))
    return {combiner, tile::ReduceKind::Max};
  if (isa<arith::MinimumFOp, arith::MinNumFOp>(combiner))
    return {combiner, tile::ReduceKind::Min};
  return {};
}

Lifted TileEmitter::elementOfGeneric(Operation *operation, ArrayRef<Lifted> indices) {
  auto op = cast<linalg::LinalgOp>(operation);
  auto refuse = [&](const Twine &why) {
    op->emitOpError("expected an element-wise operation, a reduction of the last dimension or a contraction, got ")
        << why;
    return Lifted();
  };
  if (op->getNumResults() != 1 || op.getNumReductionLoops() > 1)
    return refuse("several results or reduction loops");
  SmallVector<Lifted> loops(op.getNumLoops());
  AffineMap resultMap = op.getIndexingMapMatchingResult(op->getResult(0));
  for (auto [expr, index] : llvm::zip(resultMap.getResults(), indices)) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    if (!dim)
      return refuse("a result that is not a permutation of the loops");
    loops[dim.getPosition()] = index;
  }
  Operation *combiner = nullptr;
  std::optional<tile::ReduceKind> kind;
  int64_t reducedColumns = 1;
  if (op.getNumReductionLoops() == 1) {
    SmallVector<unsigned> reduced;
    op.getReductionDims(reduced);
    int64_t range = op.getStaticLoopRanges()[reduced[0]];
    if (ShapedType::isDynamic(range))
      return refuse("a reduction over a dynamic size");
    if (linalg::isaContractionOpInterface(op))
      return elementOfContraction(op, loops, reduced[0]);
    std::tie(combiner, kind) = matchCombiner(op);
    if (!combiner)
      return refuse("a reduction that is not a sum, maximum or minimum");
    for (const Lifted &index : indices) {
      auto tile = index.isPositions() ? RankedTensorType() : dyn_cast<RankedTensorType>(index.value.getType());
      if (index.isPositions() ? index.dim == 1 : tile && tile.getDimSize(1) != 1)
        return refuse("one for each column, where columns are what is reduced");
    }
    loops[reduced[0]] = Lifted::positions(1, range, kernel.constant(0));
    reducedColumns = range;
  }

  SmallVector<Lifted> arguments;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!op.payloadUsesValueFromOperand(&operand)) {
      arguments.push_back({kernel.constant(0)}); // never read
      continue;
    }
    if (!isa<RankedTensorType>(operand.get().getType())) {
      arguments.push_back(resolve(operand.get(), Scope())); // a number, as a fill has
      continue;
    }
    FailureOr<SmallVector<Lifted>> mapped = mapIndices(op.getMatchingIndexingMap(&operand), loops, *this);
    if (failed(mapped))
      return refuse("an operand that is not a permutation of the loops");
    arguments.push_back(element(operand.get(), *mapped));
    if (!arguments.back().value)
      return {};
  }
  if (!combiner) {
    FailureOr<SmallVector<Lifted>> results = apply(*op.getBlock(), arguments, loops);
    return failed(results) ? Lifted() : results->front();
  }

  // Reduce what the body combines with its accumulator, then combine once with the initial value.
  Value accumulator = op.getBlock()->getArguments().back();
  unsigned side = combiner->getOperand(0) == accumulator ? 1 : 0;
  FailureOr<SmallVector<Lifted>> term = apply(*op.getBlock(), arguments, loops, combiner->getOperand(side));
  if (failed(term))
    return {};
  // What does not differ along the reduced dimension is there as often as it is long.
  Value tile = materialize(term->front(), {getShape(term->front())[0], reducedColumns});
  auto tileType = cast<RankedTensorType>(tile.getType());
  Type reducedType = RankedTensorType::get({tileType.getDimSize(0), 1}, tileType.getElementType());
  Lifted reduced{tile::ReduceOp::create(builder(), reducedType, *kind, tile, 1)};
  return applyElementwise(combiner, {arguments.back(), reduced});
}

Lifted TileEmitter::elementOfView(Operation *operation, ArrayRef<Lifted> indices) {
  auto op = cast<attn::ViewOp>(operation);
  SmallVector<Lifted> inner(indices);
  if (Value lengths = op.getLengths(); lengths && inner[2].isPositions()) {
    Value length = lengthOf(lengths, inner[0]);
    if (!length)
      return {};
    limitTo(inner[2], length);
  }
  FailureOr<SmallVector<Lifted>> coordinates = apply(op.getCoordinates().front(), inner);
  if (failed(coordinates))
    return {};
  if (!op.getLengths())
    for (auto [dim, coordinate] : llvm::enumerate(*coordinates))
      if (coordinate.isPositions() && isMoved(coordinate, inner))
        coordinate = clampToSource(coordinate, op.getSource(), dim);
  keepInside(*coordinates, op.getSource(), inner);
  return element(op.getSource(), *coordinates);
}

Value TileEmitter::lengthOf(Value lengths, const Lifted &batch) {
  Value length = element(lengths, {batch}).value;
  if (length && !length.getType().isIndex())
    length = arith::IndexCastOp::create(builder(), builder().getIndexType(), length);
  return length;
}

/// Whether two indices are the same numbers.
static bool isSame(const Lifted &a, const Lifted &b) {
  if (a.isPositions() != b.isPositions())
    return false;
  if (!a.isPositions())
    return a.value == b.value;
  return a.dim == b.dim && a.extent == b.extent && a.base == b.base && a.step == b.step && a.origin == b.origin &&
         a.box == b.box;
}

Lifted TileEmitter::element(Value tensor, ArrayRef<Lifted> indices) {
  if (Value other = aliases.lookup(tensor))
    tensor = other;
  if (auto known = provided.find(tensor); known != provided.end()) {
    if (llvm::equal(known->second.indices, indices, isSame))
      return {known->second.tile};
    tensor.getDefiningOp()->emitOpError("expected its result to be used at its own position");
    return {};
  }
  if (Value memory = kernel.memory(tensor))
    return read(memory, indices);

  Operation *op = tensor.getDefiningOp();
  DenseElementsAttr splat;
  if (matchPattern(tensor, m_Constant(&splat)) && splat.isSplat())
    return {arith::ConstantOp::create(builder(), cast<TypedAttr>(splat.getSplatValue<Attribute>()))};
  if (auto fill = dyn_cast<tensor::SplatOp>(op))
    return resolve(fill.getInput(), Scope());
  if (auto fill = dyn_cast<linalg::FillOp>(op))
    return resolve(fill.getInputs().front(), Scope());
  if (auto cast = dyn_cast<tensor::CastOp>(op))
    return element(cast.getSource(), indices);
  if (isa<tensor::ExtractSliceOp>(op))
    return elementOfSlice(op, indices);
  if (isa<tensor::ConcatOp>(op))
    return elementOfConcat(op, indices);
  if (isa<attn::ViewOp>(op))
    return elementOfView(op, indices);
  if (isa<attn::MergeOp>(op))
    return elementOfMerge(op, indices);
  if (isa<linalg::LinalgOp>(op))
    return elementOfGeneric(op, indices);
  if (OpTrait::hasElementwiseMappableTraits(op)) {
    SmallVector<Lifted> operands;
    for (Value operand : op->getOperands()) {
      operands.push_back(isa<RankedTensorType>(operand.getType()) ? element(operand, indices)
                                                                  : resolve(operand, Scope()));
      if (!operands.back().value)
        return {};
    }
    return applyElementwise(op, operands);
  }
  op->emitOpError("expected an operation that can be computed element by element");
  return {};
}

/// Whether the rows that `load` reads, at `index` of what it reads through, end where its array does: after `extent`.
static bool endsWithItsArray(tile::LoadOp load, const Lifted &index, Value extent) {
  auto dim = extent.getDefiningOp<memref::DimOp>();
  int64_t rows = load.getRowDim().value_or(load.getIndices().size() - 2);
  if (!dim || index.dim != 0 || index.isSpaced() || index.box || dim.getSource() != load.getSource() ||
      dim.getConstantIndex() != rows)
    return false;
  return load.getIndices()[rows] == index.base;
}

Value TileEmitter::tile(Value tensor, ArrayRef<Lifted> indices, ArrayRef<int64_t> shape) {
  Lifted lifted = element(tensor, indices);
  if (!lifted.value)
    return {};
  Value result = materialize(lifted, shape);
  if (kernel.memory(tensor))
    return result;
  // Padding and positions beyond a limit read as 0 in memory; computed ones have to be made so.
  auto type = cast<RankedTensorType>(tensor.getType());
  auto load = result.getDefiningOp<tile::LoadOp>();
  for (auto [dim, index] : llvm::enumerate(indices)) {
    if (!index.isPositions())
      continue;
    // Rows keep their limit on the way to the memory that a view reads: the load has seen to it.
    if (load && load.getLimit() && index.limit && index.dim == 0)
      continue;
    Lifted limited = index;
    int64_t size = type.getDimSize(dim);
    if (!limited.limit && (ShapedType::isDynamic(size) || index.extent > size)) {
      Value extent = kernel.dim(tensor, dim);
      if (load && endsWithItsArray(load, index, extent))
        continue;
      limitTo(limited, extent);
    }
    if (!limited.limit)
      continue;
    Value inside = exists(limited);
    auto tileType = cast<RankedTensorType>(result.getType());
    Value zero = constantTile(shape, tileType.getElementType(), 0);
    result = arith::SelectOp::create(builder(), materialize({inside}, shape), result, zero);
  }
  return result;
}
