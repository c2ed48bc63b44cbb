//===- CodeGeneration.h - LLVM IR to objects and PTX ------------------------===//
#ifndef HEDDLE_TARGET_CODEGENERATION_H
#define HEDDLE_TARGET_CODEGENERATION_H

#include "heddle/Target/KnownTargets.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"

namespace heddle {

enum class CodeKind { Object, Assembly };

/// LLVM's code generator for one target. Not shared between threads; making one costs microseconds.
class CodeGenerator {
public:
  static llvm::Expected<CodeGenerator> create(const KnownTarget &target);

  /// Put triple, data layout and processor on a module.
  void describe(llvm::Module &module) const;
  /// From the llvm (and nvvm) dialect. Null after a diagnostic.
  std::unique_ptr<llvm::Module> translate(mlir::ModuleOp module, llvm::LLVMContext &context) const;
  /// O3. Only `kernels` stay visible.
  void optimize(llvm::Module &module, llvm::ArrayRef<std::string> kernels) const;
  /// An object or assembly (PTX for a GPU).
  llvm::Expected<std::string> emit(llvm::Module &module, CodeKind kind) const;

private:
  CodeGenerator(const KnownTarget &target, std::unique_ptr<llvm::TargetMachine> machine)
      : target(&target), machine(std::move(machine)) {}

  const KnownTarget *target; // a row outlives what is made from it
  std::unique_ptr<llvm::TargetMachine> machine;
};

/// Link objects into the image of a shared library, in this process. Fails when one needs a function that the C library
/// does not have.
llvm::Expected<std::string> linkSharedObject(llvm::ArrayRef<llvm::StringRef> objects, const KnownTarget &target);

} // namespace heddle

#endif
