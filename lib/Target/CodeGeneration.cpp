//===- CodeGeneration.cpp - LLVM IR to objects and PTX ----------------------===//
#include "heddle/Target/CodeGeneration.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Transforms/IPO/Internalize.h"
#include <mutex>

using namespace heddle;

/// Only what we generate code for: a static build then leaves LLVM's other back-ends out.
static void initializeBackends() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    llvm::InitializeNativeTargetAsmParser(); // inline assembly
  });
}

llvm::Expected<CodeGenerator> CodeGenerator::create(const KnownTarget &target) {
  initializeBackends();
  std::string error;
  llvm::Triple triple(target.triple);
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return llvm::createStringError("expected an LLVM back-end for " + target.triple + ", got: " + error);
  llvm::TargetOptions options;
  std::unique_ptr<llvm::TargetMachine> machine(backend->createTargetMachine(triple, target.cpu, target.features,
                                                                            options, llvm::Reloc::PIC_, std::nullopt,
                                                                            llvm::CodeGenOptLevel::Aggressive));
  if (!machine)
    return llvm::createStringError("expected a target machine for " + target.cpu + ", got none");
  return CodeGenerator(target, std::move(machine));
}

/// Passes ask the functions, not the machine, what they may use.
void CodeGenerator::describe(llvm::Module &module) const {
  module.setTargetTriple(machine->getTargetTriple());
  module.setDataLayout(machine->createDataLayout());
  for (llvm::Function &function : module) {
    if (function.isDeclaration() || target->isGpu)
      continue;
    function.addFnAttr("target-cpu", target->cpu);
    function.addFnAttr("target-features", target->features);
    if (!target->tuning.empty())
      function.addFnAttr("tune-cpu", target->tuning);
    if (target->vectorBytes > 16)
      function.addFnAttr("prefer-vector-width", std::to_string(target->vectorBytes * 8));
  }
}

std::unique_ptr<llvm::Module> CodeGenerator::translate(mlir::ModuleOp module, llvm::LLVMContext &context) const {
  mlir::registerBuiltinDialectTranslation(*module.getContext());
  mlir::registerLLVMDialectTranslation(*module.getContext());
  mlir::registerNVVMDialectTranslation(*module.getContext());
  std::unique_ptr<llvm::Module> result = mlir::translateModuleToLLVMIR(module, context, "heddle");
  if (result)
    describe(*result);
  return result;
}

void CodeGenerator::optimize(llvm::Module &module, llvm::ArrayRef<std::string> kernels) const {
  llvm::StringSet<> visible;
  for (const std::string &kernel : kernels)
    visible.insert(kernel);
  llvm::internalizeModule(module, [&](const llvm::GlobalValue &value) { return visible.contains(value.getName()); });

  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager callGraph;
  llvm::ModuleAnalysisManager modules;
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = tuning.SLPVectorization = !target->isGpu;
  tuning.LoopInterleaving = tuning.LoopVectorization;
  llvm::PassBuilder builder(machine.get(), tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(callGraph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, callGraph, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, modules);
}

llvm::Expected<std::string> CodeGenerator::emit(llvm::Module &module, CodeKind kind) const {
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  auto type = kind == CodeKind::Object ? llvm::CodeGenFileType::ObjectFile : llvm::CodeGenFileType::AssemblyFile;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, type))
    return llvm::createStringError("expected a back-end that emits code for " + target->name + ", got one that cannot");
  passes.run(module);
  return std::string(bytes);
}
