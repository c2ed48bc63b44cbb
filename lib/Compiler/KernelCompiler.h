//===- KernelCompiler.h - kernels to machine code, several at a time --------===//
#ifndef HEDDLE_LIB_COMPILER_KERNELCOMPILER_H
#define HEDDLE_LIB_COMPILER_KERNELCOMPILER_H

#include "Session.h"
#include "heddle/Target/Ptxas.h"

namespace heddle {

/// What one kernel became.
struct KernelCode {
  std::string symbol;
  std::string code;                 ///< an object, or PTX for a GPU
  std::optional<std::string> cubin; ///< where an assembler was given
  PtxasReport report;               ///< what that said
};

/// The kernels of one variant on their way to machine code. Each becomes a module of its own in a context of its own;
/// these are optimized, generated and assembled by the session's workers while the caller goes on.
class KernelCompiler {
public:
  KernelCompiler(Session &session, const KnownTarget &target, std::string variant);
  ~KernelCompiler();

  /// Translate the kernels of a module in the llvm dialect, and begin. `ptxas`: path of the assembler; empty: none.
  mlir::LogicalResult start(mlir::ModuleOp module, llvm::ArrayRef<std::string> symbols, llvm::StringRef ptxas);
  /// Wait for all, and hand over the rungs that somebody looks at. Without code if the session then is done.
  mlir::FailureOr<std::vector<KernelCode>> finish();

private:
  struct Job;
  void run(Job &job) const;
  mlir::LogicalResult reachRungs();

  Session &session;
  const KnownTarget &target;
  std::string variant, ptxas;
  std::vector<std::unique_ptr<Job>> jobs;
};

} // namespace heddle

#endif
