//===- ConcatElements.cpp - elements of tensors side by side, and of slices -===//
#include "TileEmitter.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace heddle;

/// Registers of whole groups of so many columns are put side by side without moving.
static constexpr int64_t kColumnGroup = 8;

/// All columns of all inputs: their tiles side by side. Nothing where the columns are others, or inputs are ragged.
std::optional<Lifted> TileEmitter::concatWholeParts(Operation *operation, ArrayRef<Lifted> indices) {
  auto op = cast<tensor::ConcatOp>(operation);
  int64_t dim = op.getDim();
  const Lifted &columns = indices[dim];
  bool isWhole = columns.isPositions() && columns.dim == 1 && getConstantIntValue(columns.base) == 0;
  if (!isWhole || dim + 1 != static_cast<int64_t>(indices.size()))
    return std::nullopt;
  int64_t rows = 1, total = 0;
  for (const Lifted &index : indices)
    if (index.isPositions() && index.dim == 0)
      rows = index.extent;
  for (Value input : op.getInputs()) {
    int64_t size = cast<RankedTensorType>(input.getType()).getDimSize(dim);
    if (ShapedType::isDynamic(size) || size % kColumnGroup)
      return std::nullopt;
    total += size;
  }
  if (columns.extent < total)
    return std::nullopt;
  SmallVector<Value> parts;
  Type element = op.getType().getElementType();
  for (Value input : op.getInputs()) {
    SmallVector<Lifted> inner(indices);
    inner[dim].extent = cast<RankedTensorType>(input.getType()).getDimSize(dim);
    Lifted part = this->element(input, inner);
    if (!part.value)
      return part;
    parts.push_back(materialize(part, {rows, inner[dim].extent}));
  }
  if (columns.extent > total)
    parts.push_back(constantTile({rows, columns.extent - total}, element, 0));
  return Lifted{
      tile::ConcatOp::create(builder(), RankedTensorType::get({rows, columns.extent}, element), ValueRange(parts))};
}

/// Columns that are one input's: that input's own.
std::optional<Lifted> TileEmitter::insideOnePart(Operation *operation, ArrayRef<Lifted> indices) {
  auto op = cast<tensor::ConcatOp>(operation);
  int64_t dim = op.getDim(), offset = 0;
  std::optional<int64_t> first;
  if (indices[dim].isPositions() && !indices[dim].isSpaced() && !indices[dim].box && !indices[dim].limit)
    first = getConstantIntValue(indices[dim].base);
  if (!first)
    return std::nullopt;
  for (Value input : op.getInputs()) {
    int64_t size = cast<RankedTensorType>(input.getType()).getDimSize(dim);
    if (ShapedType::isDynamic(size))
      return std::nullopt;
    if (*first >= offset && *first + indices[dim].extent <= offset + size) {
      SmallVector<Lifted> inner(indices);
      inner[dim].base = kernel.constant(*first - offset);
      return element(input, inner);
    }
    offset += size;
  }
  return std::nullopt;
}

Lifted TileEmitter::elementOfConcat(Operation *operation, ArrayRef<Lifted> indices) {
  auto op = cast<tensor::ConcatOp>(operation);
  ImplicitLocOpBuilder &b = builder();
  int64_t dim = op.getDim(), offset = 0;
  if (std::optional<Lifted> whole = concatWholeParts(op, indices))
    return *whole;
  if (std::optional<Lifted> inside = insideOnePart(op, indices))
    return *inside;
  Lifted result;
  for (Value input : op.getInputs()) {
    int64_t size = cast<RankedTensorType>(input.getType()).getDimSize(dim);
    if (ShapedType::isDynamic(size)) {
      op.emitOpError("expected static sizes along the concatenated dimension");
      return {};
    }
    SmallVector<Lifted> inner(indices);
    Value tile = materialize(indices[dim], {});
    auto tileType = dyn_cast<RankedTensorType>(tile.getType());
    TileShape shape = tileType ? TileShape(tileType.getShape()) : TileShape{};
    Type integer = tileType ? tileType.getElementType() : tile.getType();
    auto constant = [&](int64_t value) -> Value {
      return tileType ? constantTile(shape, integer, value) : Value(arith::ConstantIndexOp::create(b, value));
    };
    // Outside its own part an input may be read anywhere: a gather clamps.
    inner[dim] = {arith::SubIOp::create(b, tile, constant(offset))};
    Lifted part = element(input, inner);
    if (!part.value)
      return {};
    if (!result.value) {
      result = part;
    } else {
      Value here = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, tile, constant(offset));
      result = select({here}, part, result);
    }
    offset += size;
  }
  return result;
}

Lifted TileEmitter::elementOfSlice(Operation *operation, ArrayRef<Lifted> indices) {
  auto op = cast<tensor::ExtractSliceOp>(operation);
  if (!op.hasUnitStride() || op.getSourceType().getRank() != op.getType().getRank()) {
    op.emitOpError("expected a slice of unit stride and full rank");
    return {};
  }
  SmallVector<Lifted> inner;
  for (auto [index, offset] : llvm::zip(indices, op.getMixedOffsets())) {
    auto dynamic = dyn_cast<Value>(offset);
    int64_t constant = dynamic ? 0 : *getConstantIntValue(offset);
    // What is known of positions, as that they begin at a multiple of something, is asked of their first one.
    std::optional<int64_t> first;
    if (index.isPositions() && !index.isSpaced() && !index.box && !index.limit)
      first = getConstantIntValue(index.base);
    if (!dynamic && !constant) {
      inner.push_back(index);
    } else if (!dynamic && first) {
      inner.push_back(index);
      inner.back().base = kernel.constant(*first + constant);
    } else {
      Value by = dynamic ? kernel.scalar(dynamic) : kernel.constant(constant);
      inner.push_back(index.isPositions() ? shift(index, by, false) : add(index, {by}));
    }
  }
  return element(op.getSource(), inner);
}
