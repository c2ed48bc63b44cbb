//===- BuildId.h - which build of the compiler this is ----------------------===//
#ifndef HEDDLE_SUPPORT_BUILDID_H
#define HEDDLE_SUPPORT_BUILDID_H

#include "llvm/ADT/StringRef.h"

namespace heddle {

/// Changes whenever the code of this library or program does. The linker's build id where there is one.
llvm::StringRef buildId();

} // namespace heddle

#endif
