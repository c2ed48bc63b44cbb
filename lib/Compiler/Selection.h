//===- Selection.h - which kernels of a pack are compiled -------------------===//
#ifndef HEDDLE_LIB_COMPILER_SELECTION_H
#define HEDDLE_LIB_COMPILER_SELECTION_H

#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Error.h"

namespace heddle {

/// "": every kernel. "none": none of them, the plan alone. "0:attend_0,1:attend_0": these, by the number of the variant
/// in its entry and the name of the kernel, as `heddle_needed` of the runtime says them.
class Selection {
public:
  static llvm::Expected<Selection> parse(llvm::StringRef text);

  /// Whether a kernel is to be compiled. What nobody asked for by the end was named in vain.
  bool takes(unsigned variant, llvm::StringRef kernel);
  llvm::Error checkAllTaken() const;

private:
  bool everything = false;
  llvm::StringSet<> wanted, taken;
};

} // namespace heddle

#endif
