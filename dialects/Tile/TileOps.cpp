//===- TileOps.cpp - verifiers and canonical forms --------------------------===//
//
// Each check quotes the constraint number of the operation's description.
//
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "dialects/Tile/BoxRows.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace heddle::tile;

#include "dialects/Tile/TileEnums.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Tile/TileOps.cpp.inc"

static LogicalResult verifyAccess(Operation *op, MemRefType memory, RankedTensorType tile, size_t coordinates,
                                  std::optional<int64_t> rowDim, bool column) {
  if (coordinates != static_cast<size_t>(memory.getRank())) // C1
    return op->emitOpError("expected ") << memory.getRank() << " coordinates for " << memory << ", got " << coordinates;
  if (memory.getElementType() != tile.getElementType()) // C2
    return op->emitOpError("expected element type ") << memory.getElementType() << ", got " << tile.getElementType();
  if (column && tile.getDimSize(1) != 1)
    return op->emitOpError("expected one column in a column access, got ") << tile;
  if (!column && memory.getRank() == 1 && tile.getDimSize(0) != 1)
    return op->emitOpError("expected one row from an array of rank 1, got ") << tile;
  if (rowDim && (*rowDim < 0 || *rowDim >= memory.getRank() - 1))
    return op->emitOpError("expected rows to be a dimension before the last of ") << memory << ", got " << *rowDim;
  return success();
}

/// C3 and C4 of a box.
template <typename Access> static LogicalResult verifyBox(Access op, MemRefType memory, RankedTensorType tile) {
  std::optional<BoxRows> box = BoxRows::of(op);
  if (!box)
    return op.getPitches() ? op.emitOpError("expected pitches of a box") : success();
  if (box->box.size() < 2 || box->pitches.size() + 2 != box->box.size() || box->count() != tile.getDimSize(0) ||
      llvm::any_of(box->box, [](int64_t extent) { return extent < 1; })) // C3
    return op.emitOpError("expected a box of ")
           << tile.getDimSize(0) << " rows and two pitches fewer than extents, got box " << box->box << " and pitches "
           << box->pitches;
  int64_t wanted = memory.getRank() - (op.getColumn() ? 2 : 3);
  if (op.getRowDim().value_or(-1) != static_cast<uint64_t>(wanted)) // C4
    return op.emitOpError("expected the rows of a box to be dimension ") << wanted << " of " << memory;
  return success();
}

LogicalResult LoadOp::verify() {
  auto memory = cast<MemRefType>(getSource().getType());
  if (failed(verifyAccess(*this, memory, getResult().getType(), getIndices().size(), getRowDim(), getColumn())))
    return failure();
  return verifyBox(*this, memory, getResult().getType());
}

LogicalResult StoreOp::verify() {
  auto memory = cast<MemRefType>(getDest().getType());
  if (failed(verifyAccess(*this, memory, getValue().getType(), getIndices().size(), getRowDim(), getColumn())))
    return failure();
  return verifyBox(*this, memory, getValue().getType());
}

/// Whether a tile of shape `from` can be repeated to shape `to`.
static bool broadcastsTo(RankedTensorType from, RankedTensorType to) {
  for (int64_t dim : {0, 1})
    if (from.getDimSize(dim) != 1 && from.getDimSize(dim) != to.getDimSize(dim))
      return false;
  return true;
}

LogicalResult GatherOp::verify() {
  auto memory = cast<MemRefType>(getSource().getType());
  if (static_cast<int64_t>(getCoordinates().size()) != memory.getRank())
    return emitOpError("expected ") << memory.getRank() << " coordinates for " << memory << ", got "
                                    << getCoordinates().size();
  if (memory.getElementType() != getResult().getType().getElementType())
    return emitOpError("expected element type ")
           << memory.getElementType() << ", got " << getResult().getType().getElementType();
  for (Value coordinate : getCoordinates())
    if (auto tile = dyn_cast<RankedTensorType>(coordinate.getType()))
      if (!tile.getElementType().isInteger(32) || !broadcastsTo(tile, getResult().getType()))
        return emitOpError("expected an i32 coordinate that broadcasts to ")
               << getResult().getType() << ", got " << tile;
  if (Value mask = getMask()) {
    auto tile = cast<RankedTensorType>(mask.getType());
    if (!tile.getElementType().isInteger(1) || !broadcastsTo(tile, getResult().getType()))
      return emitOpError("expected an i1 mask that broadcasts to ") << getResult().getType() << ", got " << tile;
  }
  return success();
}

LogicalResult DotOp::verify() {
  auto lhs = getLhs().getType(), rhs = getRhs().getType(), result = getResult().getType();
  int64_t m = lhs.getDimSize(getTransA() ? 1 : 0), ka = lhs.getDimSize(getTransA() ? 0 : 1);
  int64_t n = rhs.getDimSize(getTransB() ? 0 : 1), kb = rhs.getDimSize(getTransB() ? 1 : 0);
  if (ka != kb) // C1
    return emitOpError("expected equal contracted sizes, got ") << ka << " and " << kb;
  if (result.getDimSize(0) != m || result.getDimSize(1) != n) // C2
    return emitOpError("expected a ") << m << "x" << n << " result, got " << result;
  if (lhs.getElementType() != rhs.getElementType()) // C3
    return emitOpError("expected operands of one element type, got ")
           << lhs.getElementType() << " and " << rhs.getElementType();
  if (!result.getElementType().isF32())
    return emitOpError("expected an f32 result, got ") << result.getElementType();
  return success();
}

LogicalResult ReduceOp::verify() {
  auto source = getSource().getType(), result = getResult().getType();
  int64_t dim = getDim();
  if (dim != 0 && dim != 1)
    return emitOpError("expected dim 0 or 1, got ") << dim;
  if (result.getDimSize(dim) != 1 || result.getDimSize(1 - dim) != source.getDimSize(1 - dim) ||
      result.getElementType() != source.getElementType())
    return emitOpError("expected ") << source << " with size 1 in dim " << dim << ", got " << result;
  return success();
}

LogicalResult IotaOp::verify() {
  auto result = getResult().getType();
  int64_t dim = getDim();
  if ((dim != 0 && dim != 1) || result.getDimSize(1 - dim) != 1 || !result.getElementType().isInteger(32))
    return emitOpError("expected an i32 vector along dim 0 or 1, got dim ") << dim << " and " << result;
  return success();
}

LogicalResult BroadcastOp::verify() {
  auto source = getSource().getType(), result = getResult().getType();
  if (source.getElementType() != result.getElementType() || !broadcastsTo(source, result))
    return emitOpError("expected a source that broadcasts to ") << result << ", got " << source;
  return success();
}

LogicalResult TransposeOp::verify() {
  auto source = getSource().getType(), result = getResult().getType();
  if (source.getElementType() != result.getElementType() || source.getDimSize(0) != result.getDimSize(1) ||
      source.getDimSize(1) != result.getDimSize(0))
    return emitOpError("expected the transpose of ") << source << ", got " << result;
  return success();
}

LogicalResult SliceOp::verify() {
  auto source = getSource().getType(), result = getResult().getType();
  int64_t offsets[] = {static_cast<int64_t>(getRowOffset()), static_cast<int64_t>(getColumnOffset())};
  for (int64_t dim : {0, 1})
    if (offsets[dim] < 0 || offsets[dim] + result.getDimSize(dim) > source.getDimSize(dim))
      return emitOpError("expected a rectangle inside ")
             << source << ", got " << result << " at " << offsets[dim] << " in dim " << dim;
  return success();
}

LogicalResult ConcatOp::verify() {
  auto result = getResult().getType();
  int64_t columns = 0;
  for (Value source : getSources()) {
    auto tile = cast<RankedTensorType>(source.getType());
    if (tile.getDimSize(0) != result.getDimSize(0) || tile.getElementType() != result.getElementType())
      return emitOpError("expected sources with the rows and element type of ") << result << ", got " << tile;
    columns += tile.getDimSize(1);
  }
  if (columns != result.getDimSize(1))
    return emitOpError("expected ") << columns << " columns, got " << result;
  return success();
}

/// C1 and C2 of `pair`, for a tile and its pairs.
static LogicalResult verifyPairs(Operation *op, RankedTensorType tile, RankedTensorType pairs) {
  int64_t rows = tile.getDimSize(0), columns = tile.getDimSize(1), width = pairs.getDimSize(1) / 2;
  if (tile.getElementType() == pairs.getElementType() && rows % 2 == 0 && pairs.getDimSize(1) % 2 == 0 && width > 0 &&
      columns % width == 0 && pairs.getDimSize(0) == columns / width * (rows / 2))
    return success();
  return op->emitOpError("expected pairs of rows of ") << tile << " in whole strips of columns, got " << pairs;
}

LogicalResult PairOp::verify() { return verifyPairs(*this, getSource().getType(), getResult().getType()); }
LogicalResult UnpairOp::verify() { return verifyPairs(*this, getResult().getType(), getSource().getType()); }

/// The type of `source` with dimension `dim` split by `modulus`.
static MemRefType splitByResidue(MemRefType source, int64_t dim, int64_t modulus) {
  int64_t offset;
  SmallVector<int64_t> strides, shape(source.getShape());
  if (failed(source.getStridesAndOffset(strides, offset)))
    return {};
  if (!ShapedType::isDynamic(shape[dim]))
    shape[dim] = llvm::divideCeil(shape[dim], modulus);
  shape.insert(shape.begin() + dim + 1, modulus);
  int64_t stride = strides[dim];
  if (!ShapedType::isDynamic(stride))
    strides[dim] = modulus * stride;
  strides.insert(strides.begin() + dim + 1, stride);
  return MemRefType::get(shape, source.getElementType(), StridedLayoutAttr::get(source.getContext(), offset, strides));
}

void ResiduesOp::build(OpBuilder &, OperationState &state, Value source, int64_t dim, int64_t modulus) {
  Builder builder(state.getContext());
  state.addOperands(source);
  state.getOrAddProperties<Properties>().dim = builder.getI64IntegerAttr(dim);
  state.getOrAddProperties<Properties>().modulus = builder.getI64IntegerAttr(modulus);
  state.addTypes(splitByResidue(cast<MemRefType>(source.getType()), dim, modulus));
}

LogicalResult ResiduesOp::verify() {
  auto source = cast<MemRefType>(getSource().getType());
  int64_t dim = getDim(), modulus = getModulus();
  if (modulus < 2 || dim < 0 || dim >= source.getRank()) // C1
    return emitOpError("expected a modulus of at least 2 and a dimension of ")
           << source << ", got " << modulus << " and " << dim;
  if (MemRefType type = splitByResidue(source, dim, modulus); getResult().getType() != type) // C2
    return emitOpError("expected a result of type ") << type << ", got " << getResult().getType();
  return success();
}

LogicalResult ScalarOp::verify() {
  auto source = getSource().getType();
  if (source.getNumElements() != 1 || source.getElementType() != getResult().getType())
    return emitOpError("expected a 1x1 tile of ") << getResult().getType() << ", got " << source;
  return success();
}

LogicalResult RequireOp::canonicalize(RequireOp op, PatternRewriter &rewriter) {
  std::optional<int64_t> lhs = getConstantIntValue(op.getLhs()), rhs = getConstantIntValue(op.getRhs());
  bool holds = op.getLhs() == op.getRhs();
  if (lhs && rhs)
    holds |= *lhs == *rhs || (op.getRelation() == SizeRelation::Divides && *lhs > 0 && *rhs % *lhs == 0);
  holds |= op.getRelation() != SizeRelation::Equals && lhs == 1;
  if (!holds)
    return failure();
  rewriter.eraseOp(op);
  return success();
}
