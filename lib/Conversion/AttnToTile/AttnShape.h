//===- AttnShape.h - sizes of the results of attn operations ----------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_ATTNSHAPE_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_ATTNSHAPE_H

#include "mlir/IR/Value.h"
#include "llvm/ADT/SmallVector.h"

namespace heddle {

/// Where the size of a dynamic dimension of an attn result comes from: the largest of these (tensor, dimension)
/// pairs; dimension -1 means the value is the size itself. Empty when `result` is not of an attn operation.
llvm::SmallVector<std::pair<mlir::Value, int64_t>> getTiedDims(mlir::OpResult result, int64_t dimension);

} // namespace heddle

#endif
