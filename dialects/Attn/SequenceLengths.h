//===- SequenceLengths.h - where a tensor's sequences end -------------------===//
#ifndef HEDDLE_DIALECTS_ATTN_SEQUENCELENGTHS_H
#define HEDDLE_DIALECTS_ATTN_SEQUENCELENGTHS_H

#include "mlir/IR/Value.h"
#include "llvm/ADT/SetVector.h"

namespace heddle::attn {
/// The lengths (a tensor of i32 per b) of the `attn.view` that a (b, h, t, ..) tensor comes from, directly or through
/// operations that keep b and t where they are; null if its every position is present. A reader takes positions
/// `t >= lengths[b]` as absent.
mlir::Value findSequenceLengths(mlir::Value tensor);

/// Those of several tensors that are read at the same positions, each once.
llvm::SetVector<mlir::Value> findSequenceLengths(llvm::ArrayRef<mlir::Value> tensors);
} // namespace heddle::attn

#endif
