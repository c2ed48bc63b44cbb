//===- SequenceLengths.cpp - where a tensor's sequences end -----------------===//
#include "dialects/Attn/SequenceLengths.h"
#include "dialects/Attn/AttnOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace heddle::attn;

/// The dimensions that a length is about: the sequence and the position in it.
static constexpr unsigned kSequenceDims[] = {0, 2};

/// Whether `from` shows the loops that `to` shows in dimensions b and t in the same dimensions.
static bool keepsSequence(AffineMap from, AffineMap to) {
  return llvm::all_of(kSequenceDims, [&](unsigned dim) {
    return dim < from.getNumResults() && dim < to.getNumResults() && from.getResult(dim) == to.getResult(dim);
  });
}

/// Operands of `op` whose b and t are those of `result`.
static SmallVector<Value> sourcesOf(Operation *op, OpResult result) {
  SmallVector<Value> sources;
  if (auto structured = dyn_cast<linalg::LinalgOp>(op)) {
    AffineMap to = structured.getIndexingMapMatchingResult(result);
    for (OpOperand *input : structured.getDpsInputOperands())
      if (keepsSequence(structured.getMatchingIndexingMap(input), to))
        sources.push_back(input->get());
  } else if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    bool kept =
        slice.getSourceType().getRank() == slice.getType().getRank() && llvm::all_of(kSequenceDims, [&](unsigned dim) {
          return slice.getStaticOffset(dim) == 0 && slice.getStaticStride(dim) == 1;
        });
    if (kept)
      sources.push_back(slice.getSource());
  } else if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    if (!llvm::is_contained(kSequenceDims, concat.getDim()))
      llvm::append_range(sources, concat.getInputs());
  } else if (isa<tensor::CastOp>(op) || OpTrait::hasElementwiseMappableTraits(op)) {
    llvm::append_range(sources, op->getOperands());
  }
  return sources;
}

Value heddle::attn::findSequenceLengths(Value tensor) {
  auto type = dyn_cast<RankedTensorType>(tensor.getType());
  auto result = dyn_cast<OpResult>(tensor);
  if (!type || type.getRank() < 3 || !result)
    return {};
  if (auto view = dyn_cast<ViewOp>(result.getOwner()))
    return view.getLengths();
  for (Value source : sourcesOf(result.getOwner(), result))
    if (Value lengths = findSequenceLengths(source))
      return lengths;
  return {};
}

llvm::SetVector<Value> heddle::attn::findSequenceLengths(ArrayRef<Value> tensors) {
  llvm::SetVector<Value> all;
  for (Value tensor : tensors)
    if (Value lengths = findSequenceLengths(tensor))
      all.insert(lengths);
  return all;
}
