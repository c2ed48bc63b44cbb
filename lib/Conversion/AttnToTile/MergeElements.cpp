//===- MergeElements.cpp - elements of a merge of partial results -----------===//
#include "TileEmitter.h"
#include "dialects/Attn/AttnOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle;

/// The sum of the parts' elements times their weights, in f32.
Lifted TileEmitter::elementOfMerge(Operation *operation, ArrayRef<Lifted> indices) {
  auto op = cast<attn::MergeOp>(operation);
  ImplicitLocOpBuilder &b = builder();
  FailureOr<SmallVector<Lifted>> weights = apply(op.getWeights().front(), indices.take_front(3));
  if (failed(weights))
    return {};
  Value sum;
  for (auto [part, weight] : llvm::zip_equal(op.getParts(), *weights)) {
    Lifted element = this->element(part, indices);
    if (!element.value)
      return {};
    Value term = materialize(element, {});
    TileShape shape;
    Type f32 = b.getF32Type();
    if (auto tile = dyn_cast<RankedTensorType>(term.getType())) {
      shape.assign(tile.getShape().begin(), tile.getShape().end());
      f32 = tile.clone(f32);
    }
    if (term.getType() != f32)
      term = arith::ExtFOp::create(b, f32, term);
    term = arith::MulFOp::create(b, term, materialize(weight, shape));
    sum = sum ? arith::AddFOp::create(b, sum, term).getResult() : term;
  }
  Type element = op.getType().getElementType();
  if (element.isF32())
    return {sum};
  auto tile = dyn_cast<RankedTensorType>(sum.getType());
  return {arith::TruncFOp::create(b, tile ? Type(tile.clone(element)) : element, sum)};
}
