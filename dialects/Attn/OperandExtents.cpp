//===- OperandExtents.cpp - extents that operands of an operation share -----===//
#include "dialects/Attn/OperandExtents.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace heddle::attn;

/// The largest of `extents`, or nothing where one is not known.
static std::optional<int64_t> largest(ArrayRef<int64_t> extents) {
  if (llvm::any_of(extents, ShapedType::isDynamic))
    return std::nullopt;
  int64_t most = 1;
  for (int64_t extent : extents)
    most = std::max(most, extent);
  return most;
}

LogicalResult OperandExtents::verifyDivide(Operation *op, const OperandExtents &others) const {
  if (std::optional<int64_t> most = largest(heads))
    for (int64_t extent : others.heads)
      if (!ShapedType::isDynamic(extent) && (extent == 0 || *most % extent != 0))
        return op->emitOpError("expected head extents that divide ") << *most << ", got " << extent;
  if (std::optional<int64_t> most = largest(batches))
    for (int64_t extent : others.batches)
      if (!ShapedType::isDynamic(extent) && extent != 1 && extent != *most)
        return op->emitOpError("expected batch extents of 1 or ") << *most << ", got " << extent;
  return success();
}

LogicalResult OperandExtents::verifyEqual(Operation *op, StringRef what, const OperandExtents &others) const {
  auto differs = [](std::optional<int64_t> most, int64_t extent) {
    return most && failed(verifyCompatibleDims({extent, *most}));
  };
  auto print = [](std::optional<int64_t> most) { return most ? std::to_string(*most) : std::string("?"); };
  std::optional<int64_t> batch = largest(batches), head = largest(heads);
  for (RankedTensorType type : others.types)
    if (differs(batch, type.getDimSize(0)) || differs(head, type.getDimSize(1)))
      return op->emitOpError("expected ")
             << what << " of " << print(batch) << " batches and " << print(head) << " heads, got " << type;
  return success();
}

FailureOr<int64_t> heddle::attn::verifyLength(Operation *op, StringRef side, ArrayRef<int64_t> extents) {
  int64_t length = ShapedType::kDynamic;
  for (int64_t extent : extents) {
    if (ShapedType::isDynamic(length))
      length = extent;
    else if (!ShapedType::isDynamic(extent) && extent != length)
      return op->emitOpError("expected ") << side << " of one length, got " << length << " and " << extent;
  }
  return length;
}

LogicalResult heddle::attn::verifyWidth(Operation *op, StringRef what, int64_t width) {
  if (!ShapedType::isDynamic(width) && width % 8 == 0 && width >= 8 && width <= 512)
    return success();
  auto error = op->emitOpError("expected the last extent of a ")
               << what << " operand to be a multiple of 8 up to 512, got ";
  return ShapedType::isDynamic(width) ? error << "?" : error << width;
}
