//===- WarpOps.cpp - verifiers ----------------------------------------------===//
#include "dialects/Warp/WarpOps.h"
#include "dialects/Tile/BoxRows.h"
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

using namespace mlir;
using namespace heddle::warp;

#define GET_OP_CLASSES
#include "dialects/Warp/WarpOps.cpp.inc"

//===----------------------------------------------------------------------===//
// rings and slots
//===----------------------------------------------------------------------===//

template <typename OpT> static LogicalResult verifyStage(OpT op) {
  if (op.getResult().getType() != op.getRing().getType().getSlot())
    return op.emitOpError("expected a slot of ") << op.getRing().getType() << ", got " << op.getResult().getType();
  if (op.getRing().getType().getStages() > 1 && !op.getStage())
    return op.emitOpError("expected a stage for ") << op.getRing().getType() << ", got none";
  return success();
}

LogicalResult AcquireOp::verify() { return verifyStage(*this); }
LogicalResult ReceiveOp::verify() { return verifyStage(*this); }

LogicalResult ReleaseOp::verify() {
  if (!getRing().getType().getBulk())
    return emitOpError("expected a bulk ring, got ") << getRing().getType();
  return success();
}

LogicalResult RolesOp::verify() {
  int64_t consumers = getConsumers();
  if (consumers < 4 || consumers % 4)
    return emitOpError("expected consumers in groups of four warps, got ") << consumers;
  return success();
}

LogicalResult CopyOp::verify() {
  auto memory = cast<MemRefType>(getSource().getType());
  SlotType slot = getDest().getType();
  if (static_cast<int64_t>(getIndices().size()) != memory.getRank())
    return emitOpError("expected ") << memory.getRank() << " coordinates for " << memory << ", got "
                                    << getIndices().size();
  if (memory.getElementType() != slot.getElementType())
    return emitOpError("expected element type ") << memory.getElementType() << ", got " << slot.getElementType();
  int64_t bytes = getBytes();
  if (bytes != 16 && bytes != slot.getElementBytes())
    return emitOpError("expected transfers of 16 or ") << slot.getElementBytes() << " bytes, got " << bytes;
  if (slot.getShape()[1] * slot.getElementBytes() % bytes)
    return emitOpError("expected rows of a multiple of ") << bytes << " bytes, got " << slot;
  if (std::optional<heddle::tile::BoxRows> box = heddle::tile::BoxRows::of(*this))
    if (!slot.isSwizzled() || getLimit() || box->count() != slot.getShape()[0])
      return emitOpError("expected a box of the rows of a swizzled slot, without a limit, got ") << slot;
  return success();
}

LogicalResult GatherOp::verify() {
  auto memory = cast<MemRefType>(getSource().getType());
  SlotType slot = getDest().getType();
  if (static_cast<int64_t>(getCoordinates().size()) != memory.getRank() || !getCoordinates().back().getType().isIndex())
    return emitOpError("expected ") << memory.getRank() << " coordinates, the last of them an index, for " << memory
                                    << ", got " << getCoordinates().getTypes();
  if (memory.getElementType() != slot.getElementType())
    return emitOpError("expected element type ") << memory.getElementType() << ", got " << slot.getElementType();
  if (slot.getShape()[1] * slot.getElementBytes() % 16)
    return emitOpError("expected rows of a multiple of 16 bytes, got ") << slot;
  auto isOfRows = [&](Type type, unsigned bits) {
    auto tile = cast<RankedTensorType>(type);
    return tile.getDimSize(0) == slot.getShape()[0] && tile.getDimSize(1) == 1 && tile.getElementType().isInteger(bits);
  };
  for (Type type : getCoordinates().getTypes())
    if (!type.isIndex() && !isOfRows(type, 32))
      return emitOpError("expected an index or ") << slot.getShape()[0] << "x1xi32 as a coordinate, got " << type;
  if (getMask() && !isOfRows(getMask().getType(), 1))
    return emitOpError("expected a mask ") << slot.getShape()[0] << "x1xi1, got " << getMask().getType();
  return success();
}

LogicalResult PutOp::verify() {
  RankedTensorType tile = getSource().getType();
  SlotType slot = getDest().getType();
  if (tile.getElementType() != slot.getElementType() || tile.getDimSize(0) > slot.getShape()[0] ||
      static_cast<int64_t>(getColumn()) + tile.getDimSize(1) > slot.getShape()[1])
    return emitOpError("expected a tile that fits in ") << slot << " at column " << getColumn() << ", got " << tile;
  return success();
}

LogicalResult LoadOp::verify() {
  RankedTensorType tile = getResult().getType();
  SlotType slot = getSource().getType();
  int64_t rows = tile.getDimSize(getTransposed() ? 1 : 0), columns = tile.getDimSize(getTransposed() ? 0 : 1);
  if (tile.getElementType() != slot.getElementType() || static_cast<int64_t>(getRow()) + rows > slot.getShape()[0] ||
      static_cast<int64_t>(getColumn()) + columns > slot.getShape()[1])
    return emitOpError("expected a rectangle of ")
           << slot << ", got " << tile << " at (" << getRow() << ", " << getColumn() << ")";
  return success();
}

//===----------------------------------------------------------------------===//
// mma, convert, reduce
//===----------------------------------------------------------------------===//

static std::pair<ArrayRef<int64_t>, Type> shapeOf(Type type) {
  if (auto slot = dyn_cast<SlotType>(type))
    return {slot.getShape(), slot.getElementType()};
  auto tensor = cast<RankedTensorType>(type);
  return {tensor.getShape(), tensor.getElementType()};
}

static FragAttr fragOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? dyn_cast_or_null<FragAttr>(tensor.getEncoding()) : FragAttr();
}

LogicalResult MmaOp::verify() {
  auto [lhs, lhsElement] = shapeOf(getLhs().getType());
  auto [rhs, rhsElement] = shapeOf(getRhs().getType());
  RankedTensorType result = getResult().getType();
  int64_t rows = lhs[getTransA() ? 1 : 0], inner = lhs[getTransA() ? 0 : 1];
  int64_t innerRight = rhs[getTransB() ? 1 : 0], columns = rhs[getTransB() ? 0 : 1];
  if (inner != innerRight || result.getDimSize(0) != rows || result.getDimSize(1) != columns) // C1
    return emitOpError("expected a ") << rows << "x" << columns << " result of equal contracted sizes, got " << result
                                      << " from " << inner << " and " << innerRight;
  int64_t step = lhsElement.isF32() ? 8 : 16;
  if (rows % 16 || columns % 8 || inner % step) // C2
    return emitOpError("expected rows in 16s, columns in 8s and a contracted size in ")
           << step << "s, got " << rows << ", " << columns << " and " << inner;
  if (lhsElement != rhsElement || !(lhsElement.isF32() || lhsElement.isF16() || lhsElement.isBF16())) // C3
    return emitOpError("expected operands of bf16, f16 or f32, got ") << lhsElement << " and " << rhsElement;
  FragAttr acc = fragOf(result), left = fragOf(getLhs().getType());
  if (!acc || acc.getKind() != FragKind::acc) // C4
    return emitOpError("expected an accumulator in #warp.frag<acc>, got ") << result;
  if (isa<RankedTensorType>(getLhs().getType()) &&
      (!left || left.getKind() != FragKind::a || left.getWarps() != acc.getWarps() || getTransA()))
    return emitOpError("expected a left operand in #warp.frag<a, warps = ")
           << acc.getWarps() << ">, got " << getLhs().getType();
  auto leftSlot = dyn_cast<SlotType>(getLhs().getType());
  bool swizzled = getRhs().getType().isSwizzled();
  bool narrow = rhsElement.getIntOrFloatBitWidth() == 16;
  if (swizzled != getAsync() || (leftSlot && leftSlot.isSwizzled() != getAsync()) ||
      (getAsync() && (!narrow || rows != 16 * acc.getWarps() || rows % 64))) // C5
    return emitOpError("expected swizzled slots of 16-bit elements exactly for an async product of 64 rows per four "
                       "warps, got ")
           << getLhs().getType() << ", " << getRhs().getType() << " and " << result;
  return success();
}

LogicalResult WaitOp::verify() {
  // What goes into a loop may be waited for although it is there: the assembler then knows that, too.
  auto isLoop = [](Operation *user) { return isa<LoopLikeOpInterface>(user); };
  bool isCarried = !use_empty() && llvm::all_of((*this)->getUsers(), isLoop);
  auto mma = getSource().getDefiningOp<MmaOp>();
  if (!isCarried && (!mma || !mma.getAsync() || mma->getBlock() != (*this)->getBlock()))
    return emitOpError("expected an async product of the same block, got ") << getSource();
  return success();
}

LogicalResult ConvertOp::verify() {
  FragAttr from = fragOf(getSource().getType()), to = fragOf(getResult().getType());
  RankedTensorType source = getSource().getType(), result = getResult().getType();
  if (!from || !to || from.getWarps() != to.getWarps() || from.getKind() != FragKind::acc ||
      to.getKind() != FragKind::a || source.getShape() != result.getShape() ||
      source.getElementType() != result.getElementType())
    return emitOpError("expected a change from #warp.frag<acc> to #warp.frag<a>, got ") << source << " to " << result;
  return success();
}

/// A row of words, one for each number.
static LogicalResult verifyNumbers(Operation *op, RingType ring, TypeRange numbers) {
  SlotType slot = ring.getSlot();
  if (!slot.getElementType().isInteger(32) || slot.getShape()[0] != 1 ||
      slot.getShape()[1] != static_cast<int64_t>(numbers.size()))
    return op->emitOpError("expected a ring of 1x") << numbers.size() << "xi32, got " << ring;
  for (Type type : numbers)
    if (!type.isIndex() && !type.isInteger(32) && !type.isInteger(1) && !type.isF32())
      return op->emitOpError("expected numbers of index, i32, i1 or f32, got ") << type;
  return success();
}

LogicalResult SendOp::verify() { return verifyNumbers(*this, getRing().getType(), getValues().getTypes()); }

LogicalResult TakeOp::verify() { return verifyNumbers(*this, getRing().getType(), getResultTypes()); }

LogicalResult FoldOp::verify() {
  constexpr int64_t columns = 8; // of an atom of an accumulator
  FragAttr from = fragOf(getSource().getType()), to = fragOf(getResult().getType());
  RankedTensorType source = getSource().getType(), result = getResult().getType();
  if (!from || from.getKind() != FragKind::acc || from != to || source.getDimSize(1) % columns ||
      result.getDimSize(0) != source.getDimSize(0) || result.getDimSize(1) != columns ||
      result.getElementType() != source.getElementType())
    return emitOpError("expected #warp.frag<acc> with ") << columns << " columns for " << source << ", got " << result;
  return success();
}

LogicalResult AnyOp::verify() {
  RankedTensorType source = getSource().getType();
  if (!source.getElementType().isInteger(1))
    return emitOpError("expected conditions, got ") << source;
  return success();
}

LogicalResult ReduceOp::verify() {
  RankedTensorType source = getSource().getType(), result = getResult().getType();
  SlotType scratch = getScratch().getType();
  if (result.getDimSize(0) != 1 || result.getDimSize(1) != source.getDimSize(1) ||
      result.getElementType() != source.getElementType())
    return emitOpError("expected ") << source << " with size 1 in dim 0, got " << result;
  if (scratch.getShape()[1] < result.getDimSize(1) || scratch.getElementType() != result.getElementType())
    return emitOpError("expected a scratch row for ") << result << ", got " << scratch;
  return success();
}
