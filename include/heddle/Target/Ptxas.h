//===- Ptxas.h - PTX to cubin by NVIDIA's assembler -------------------------===//
#ifndef HEDDLE_TARGET_PTXAS_H
#define HEDDLE_TARGET_PTXAS_H

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace heddle {

/// What `ptxas -v` says of one kernel.
struct PtxasKernel {
  int64_t registers = 0, spillStoreBytes = 0, spillLoadBytes = 0, stackBytes = 0;
};

struct PtxasReport {
  llvm::StringMap<PtxasKernel> kernels;
  /// Lines that say that asynchronous products were serialized: the schedule is wrong.
  std::vector<std::string> serialized;
  /// Every other line that is a warning or has a code.
  std::vector<std::string> warnings;
};

/// Read what the assembler printed.
PtxasReport readPtxasOutput(llvm::StringRef output);

/// The path of ptxas: `given` if not empty, else on the PATH, else in the CUDA toolkit's usual place. An error if none.
llvm::Expected<std::string> findPtxas(llvm::StringRef given);

/// Assemble; the report is filled on success.
llvm::Expected<std::string> runPtxas(llvm::StringRef program, llvm::StringRef ptx, llvm::StringRef architecture,
                                     PtxasReport &report);

} // namespace heddle

#endif
