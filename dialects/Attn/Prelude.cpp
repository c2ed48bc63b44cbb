#include "dialects/Attn/Prelude.h"

llvm::StringRef heddle::attn::getPreludeText() {
  static constexpr llvm::StringLiteral text =
#include "dialects/Attn/Prelude.inc"
      ;
  return text;
}
