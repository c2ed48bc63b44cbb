//===- Compiler.h - from text to a pack -------------------------------------===//
//
// What heddle-compile and the C API call. Every call stands alone (a context of
// its own), so calls may run in several threads. Text may be on the attn or on
// the tile rung; compilation starts where the text is.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_COMPILER_COMPILER_H
#define HEDDLE_COMPILER_COMPILER_H

#include "heddle/Support/Diagnostics.h"
#include "mlir/Support/LogicalResult.h"
#include "llvm/ADT/StringRef.h"

namespace heddle {

struct CompileOptions {
  std::string targets = "cpu";     ///< comma separated, see findTarget
  std::string dumpDirectory;       ///< every rung as numbered files; empty: none
  std::string schedule;            ///< override of the chooser; empty: choose
  std::string fileName = "<spec>"; ///< of the text, in messages
  std::string ptxas;               ///< path of the assembler; empty: search
  std::string only;                ///< the kernels to compile, see lib/Compiler/Selection.h; empty: all
  bool timing = false;             ///< print to stderr what took how long
  MessageHandler handler;          ///< gets every message; none: they are dropped
};

/// Text to pack (artifact.h). On failure at least one error was handled.
mlir::LogicalResult compile(llvm::StringRef text, const CompileOptions &options, std::string &pack);

/// The reference semantics as a pack: plain loops in f64 for this CPU, whatever the options' targets. Its entries take
/// the same arguments.
mlir::LogicalResult compileReference(llvm::StringRef text, const CompileOptions &options, std::string &pack);

/// One rung of the first target: attn, tile, warp, nvvm, llvm, ptx, asm; or as text, pack and (without code) plan.
mlir::LogicalResult emitRung(llvm::StringRef text, llvm::StringRef rung, const CompileOptions &options,
                             std::string &result);

/// What was chosen for each target: schedules, budgets, what the assembler said.
mlir::LogicalResult explain(llvm::StringRef text, const CompileOptions &options, std::string &result);

/// Names the pack of this text, these options and this build of the compiler.
mlir::LogicalResult contentKey(llvm::StringRef text, const CompileOptions &options, uint64_t &key);

/// Version of the compiler, of LLVM, and the build id of this very library.
llvm::StringRef compilerVersion();

} // namespace heddle

#endif
