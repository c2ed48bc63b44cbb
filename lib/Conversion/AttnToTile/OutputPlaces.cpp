//===- OutputPlaces.cpp -----------------------------------------------------===//
#include "OutputPlaces.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace heddle;

Value OutputPlaces::memoryOf(Value tensor) {
  for (auto [index, result] : llvm::enumerate(function.front().getTerminator()->getOperands()))
    if (result == tensor && placed.insert(index).second)
      return plan.output(index);
  return plan.allocateFor(tensor);
}

/// Whether all that `concat` puts one after another are channels of states that nothing else reads. Tiles of states
/// have multiples of 16 channels: others would be stored with what lies behind them.
static bool isOfStates(tensor::ConcatOp concat) {
  constexpr uint64_t channelDim = 2, channelGroup = 16;
  return concat.getDim() == channelDim && llvm::all_of(concat.getInputs(), [&](Value input) {
           auto recur = input.getDefiningOp<attn::RecurOp>();
           return recur && input.hasOneUse() && (input == recur.getFinalState() || input == recur.getFinalMass()) &&
                  recur.getKeyWidth() % channelGroup == 0;
         });
}

KernelOutput OutputPlaces::placeOf(Value tensor) {
  auto concat = tensor.hasOneUse() ? dyn_cast<tensor::ConcatOp>(*tensor.user_begin()) : tensor::ConcatOp();
  if (!concat || !partition.isStored(concat) || !isOfStates(concat))
    return {tensor, memoryOf(tensor)};
  Value &whole = wholes[concat];
  if (!whole)
    whole = memoryOf(concat);
  KernelOutput output{tensor, whole};
  output.dim = concat.getDim();
  for (Value input : llvm::make_range(concat.getInputs().begin(), llvm::find(concat.getInputs(), tensor)))
    output.first += cast<RankedTensorType>(input.getType()).getDimSize(output.dim);
  return output;
}
