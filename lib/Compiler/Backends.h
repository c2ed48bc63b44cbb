//===- Backends.h - a tile module to machine code ---------------------------===//
#ifndef HEDDLE_LIB_COMPILER_BACKENDS_H
#define HEDDLE_LIB_COMPILER_BACKENDS_H

#include "KernelCompiler.h"
#include "heddle/Target/PackWriter.h"

namespace heddle {

/// The kernels of one variant, and what `explain` says about them. A CPU's kernels share the images, a GPU's have
/// theirs.
struct MachineCode {
  std::vector<KernelImage> images;
  std::vector<CompiledKernel> kernels;
  std::string note;
};

/// Machine code that is still being made.
struct PendingCode {
  MachineCode code;                        ///< without images
  std::unique_ptr<KernelCompiler> kernels; ///< none where no kernel is taken
};

/// One way to compile a module, before it is compiled.
struct Form {
  unsigned number; ///< of the variant that it becomes, in each entry
  bool isAligned;  ///< for arguments whose alignment it assumes
};

/// Lower a module, whose plans must have been read, and begin to compile those of its kernels that the session takes.
/// Consumes the module.
mlir::FailureOr<PendingCode> startCode(Session &session, mlir::ModuleOp module, const KnownTarget &target, Form form);
/// Wait for the kernels, and put them into images.
mlir::FailureOr<MachineCode> finishCode(Session &session, PendingCode pending, const KnownTarget &target);

/// CPU: all kernels in one shared library.
mlir::LogicalResult linkCpuImage(Session &session, llvm::ArrayRef<KernelCode> kernels, const KnownTarget &target,
                                 MachineCode &code);

/// Types of the tile kernels' arguments, of which a lowered kernel keeps only slots.
using KernelArguments = llvm::StringMap<llvm::SmallVector<mlir::Type>>;
KernelArguments readArguments(mlir::ModuleOp module);
/// GPU: what launches must know, from the attributes of the lowered kernels.
mlir::LogicalResult readLaunches(mlir::ModuleOp module, const KernelArguments &arguments, MachineCode &code);
/// GPU: the assembler's path. None is noted, but no error unless one was asked for.
mlir::LogicalResult findAssembler(Session &session, MachineCode &code, std::string &ptxas);
/// GPU: a cubin and PTX for each kernel, and what the assembler said.
mlir::LogicalResult takeGpuImages(Session &session, llvm::MutableArrayRef<KernelCode> compiled,
                                  const KnownTarget &target, MachineCode &code);

/// Schedules as the passes left them on the kernels: `@kernel tile.schedule = ..`.
std::string describeSchedules(mlir::ModuleOp module);
/// Symbols of the module's kernels.
std::vector<std::string> kernelNames(mlir::ModuleOp module);

/// Everything: parse, lower for every target of the options, generate code. Entries are what the pack will hold.
mlir::LogicalResult compileEntries(Session &session, llvm::StringRef text, std::vector<CompiledEntry> &entries);

} // namespace heddle

#endif
