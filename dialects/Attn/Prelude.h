//===- Prelude.h - the normalizers that come with the dialect ---------------===//
#ifndef HEDDLE_DIALECTS_ATTN_PRELUDE_H
#define HEDDLE_DIALECTS_ATTN_PRELUDE_H

#include "llvm/ADT/StringRef.h"

namespace heddle::attn {
/// The text of Prelude.mlir, embedded when the library was built.
llvm::StringRef getPreludeText();
} // namespace heddle::attn

#endif
