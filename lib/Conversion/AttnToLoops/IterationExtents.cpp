//===- IterationExtents.cpp - heads and batches paired by extents -----------===//
#include "lib/Conversion/AttnToLoops/IterationExtents.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle::loops;

Value heddle::loops::largestExtent(ArrayRef<IterationExtents::Dimension> dimensions,
                                   llvm::function_ref<Value(Value, int64_t)> size,
                                   llvm::function_ref<Value(Value, Value)> larger) {
  Value result;
  for (auto [tensor, dimension] : dimensions) {
    Value extent = size(tensor, dimension);
    result = result && result != extent ? larger(result, extent) : extent;
  }
  return result;
}

IterationExtents::IterationExtents(KernelBuilder &kernel, ArrayRef<Dimension> batches, ArrayRef<Dimension> heads)
    : kernel(kernel) {
  auto extentOf = [&](ArrayRef<Dimension> dimensions) {
    return largestExtent(
        dimensions, [&](Value tensor, int64_t dimension) { return kernel.sizeOf(tensor, dimension); },
        [&](Value a, Value b) { return kernel.combine<arith::MaxSIOp>(a, b); });
  };
  batch = extentOf(batches);
  head = extentOf(heads);
}

Value IterationExtents::position(Value x, unsigned dim, Value memory, unsigned memoryDim) {
  Value own = kernel.size(memory, memoryDim), whole = extent(dim);
  if (own == whole)
    return x;
  if (getConstantIntValue(own) == 1)
    return kernel.constant(0);
  // Once per position, where the position is made, and not in every loop that reads there.
  Value &known = groups[{x, own}];
  if (!known) {
    Value group = kernel.combine<arith::DivUIOp>(whole, own);
    OpBuilder::InsertionGuard guard(kernel.body());
    kernel.body().setInsertionPointAfterValue(x);
    known = arith::DivUIOp::create(kernel.body(), x, group);
  }
  return known;
}
