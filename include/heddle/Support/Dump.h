//===- Dump.h - every rung as a numbered file -------------------------------===//
#ifndef HEDDLE_SUPPORT_DUMP_H
#define HEDDLE_SUPPORT_DUMP_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace heddle {

/// Writes texts as `<directory>/<number>-<name>`, in the order in which they come. An empty directory turns it off.
class Dumper {
public:
  explicit Dumper(std::string directory) : directory(std::move(directory)) {}
  bool isOn() const { return !directory.empty(); }
  llvm::Error write(llvm::StringRef name, llvm::StringRef text);

private:
  std::string directory;
  unsigned next = 0;
};

/// Write a whole file by renaming a finished one, so that no reader sees half of it.
llvm::Error writeFile(llvm::StringRef path, llvm::StringRef bytes);

} // namespace heddle

#endif
