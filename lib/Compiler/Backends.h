//===- Backends.h - a tile module to machine code ---------------------------===//
#ifndef HEDDLE_LIB_COMPILER_BACKENDS_H
#define HEDDLE_LIB_COMPILER_BACKENDS_H

#include "Session.h"
#include "heddle/Target/PackWriter.h"
#include <future>

namespace heddle {

/// The kernels of one variant, and what `explain` says about them. A GPU's images may still be in the assembler.
struct MachineCode {
  std::vector<KernelImage> images;
  std::vector<CompiledKernel> kernels;
  std::string note;
};

/// Both consume the module, whose plans must have been read.
mlir::FailureOr<MachineCode> compileForCpu(Session &session, mlir::ModuleOp module, const KnownTarget &target);
mlir::FailureOr<MachineCode> compileForGpu(Session &session, mlir::ModuleOp module, const KnownTarget &target,
                                           bool aligned);

/// Schedules as the passes left them on the kernels: `@kernel tile.schedule = ..`.
std::string describeSchedules(mlir::ModuleOp module);
/// Plans are data by now; no lowering needs them.
void erasePlans(mlir::ModuleOp module);
/// Symbols of the module's kernels.
std::vector<std::string> kernelNames(mlir::ModuleOp module);

/// Everything: parse, lower for every target of the options, generate code. Entries are what the pack will hold.
mlir::LogicalResult compileEntries(Session &session, llvm::StringRef text, std::vector<CompiledEntry> &entries);

} // namespace heddle

#endif
