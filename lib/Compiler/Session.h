//===- Session.h - one compilation ------------------------------------------===//
#ifndef HEDDLE_LIB_COMPILER_SESSION_H
#define HEDDLE_LIB_COMPILER_SESSION_H

#include "Selection.h"
#include "heddle/Compiler/Compiler.h"
#include "heddle/Support/Dump.h"
#include "heddle/Target/KnownTargets.h"
#include "heddle/Target/Plan.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/Timing.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/Support/ThreadPool.h"

namespace heddle {

/// Context, messages, dumps and the parsed text of one call of the compiler.
class Session {
public:
  explicit Session(const CompileOptions &options);

  /// Stop as soon as this rung was seen; its text is `seenRung()`.
  void stopAt(llvm::StringRef rung) { wantedRung = rung.str(); }
  /// Lower attn to its reference semantics instead of tiles.
  void setReference() { isReference = true; }
  bool makesReference() const { return isReference; }
  bool isDone() const { return seen.has_value(); }
  const std::optional<std::string> &seenRung() const { return seen; }

  /// Parse, and bring attn text to where it stands alone.
  mlir::LogicalResult start(llvm::StringRef text);
  /// The tile module for one target, with everything that plan extraction needs.
  mlir::OwningOpRef<mlir::ModuleOp> lowerToTile(const KnownTarget &target);
  /// The text's module, on the rung that `start` brought it to.
  mlir::ModuleOp parsedModule() { return *module; }
  const ParameterNames &parameterNames() const { return names; }

  /// Run passes; `variant` names the dumps. `build` fills the pass manager.
  mlir::LogicalResult run(mlir::ModuleOp module, llvm::StringRef variant,
                          llvm::function_ref<llvm::Error(mlir::OpPassManager &)> build);
  /// A rung was reached: dump it, keep it if it is wanted.
  void reach(llvm::StringRef rung, llvm::StringRef variant, llvm::StringRef text);
  void reach(llvm::StringRef rung, llvm::StringRef variant, mlir::ModuleOp module);
  /// Whether anybody looks at the text of a rung, or of any.
  bool isWatching(llvm::StringRef rung) const { return dumper.isOn() || rung == wantedRung; }
  bool isWatched() const { return dumper.isOn() || stopsAtRung(); }
  /// Whether one rung is all that is wanted.
  bool stopsAtRung() const { return !wantedRung.empty(); }

  /// Time what runs while the scope lives. From any thread.
  mlir::TimingScope time(llvm::StringRef what) { return allTime.nest(what); }
  /// Threads for what needs no MLIR context.
  llvm::ThreadPoolInterface &workers();

  mlir::LogicalResult error(const llvm::Twine &text);
  mlir::LogicalResult error(llvm::Error error) { return this->error(llvm::toString(std::move(error))); }
  void remark(const llvm::Twine &text);
  /// Failure, with an error if nobody has reported one.
  mlir::LogicalResult fail(const llvm::Twine &text);

  const CompileOptions options;
  Selection selection; ///< which kernels are compiled; read by `start`
  mlir::MLIRContext context;

private:
  mlir::LogicalResult parse(llvm::StringRef text);

  mlir::DefaultTimingManager timing; ///< prints what it measured when it goes
  mlir::TimingScope allTime;

  MessageScope messages;
  Dumper dumper;
  std::string wantedRung;
  std::optional<std::string> seen;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  ParameterNames names;
  llvm::StringMap<int64_t> resultCounts; ///< of the attn functions
  bool isAttn = false;
  bool isReference = false;
  std::unique_ptr<llvm::ThreadPoolInterface> pool; ///< goes first: its threads use the rest
};

/// An LLVM context whose errors come back instead of ending the process.
class LLVMSession {
public:
  LLVMSession();
  llvm::LLVMContext context;
  /// What LLVM complained about since the last call.
  llvm::Error takeErrors();

private:
  std::string errors;
};

} // namespace heddle

#endif
