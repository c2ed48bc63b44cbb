//===- Alternatives.h - functions that stand for others ----------------------===//
//
// A function with `attn.instead_of = @f` has the arguments and results of @f, and is taken
// instead for calls of some sizes: of a number of tokens between the two of `attn.tokens`,
// whose heads and batches leave all but a share of the machine, 1 / `attn.share`, without work.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_DIALECTS_ATTN_ALTERNATIVES_H
#define HEDDLE_DIALECTS_ATTN_ALTERNATIVES_H

#include "llvm/ADT/StringRef.h"

namespace heddle::attn {

inline constexpr llvm::StringLiteral kInsteadOfAttr = "attn.instead_of";
inline constexpr llvm::StringLiteral kTokensAttr = "attn.tokens";
inline constexpr llvm::StringLiteral kShareAttr = "attn.share";

} // namespace heddle::attn

#endif
