//===- CompileForCpu.cpp - a tile module to a shared library ----------------===//
#include "Backends.h"
#include "dialects/Tile/TileDialect.h"
#include "heddle/Pipelines/Pipelines.h"
#include "heddle/Target/CodeGeneration.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/Utils/Cloning.h"

using namespace mlir;
using namespace heddle;

std::vector<std::string> heddle::kernelNames(ModuleOp module) {
  std::vector<std::string> names;
  for (auto function : module.getOps<func::FuncOp>())
    if (function->hasAttr(tile::kKernelAttr))
      names.push_back(function.getSymName().str());
  return names;
}

void heddle::erasePlans(ModuleOp module) {
  for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
    if (function->hasAttr(tile::kPlanAttr))
      function.erase();
}

std::string heddle::describeSchedules(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (Operation &op : module.getOps())
    for (NamedAttribute attribute : op.getDiscardableAttrs())
      if (attribute.getName().getValue().ends_with(".schedule"))
        stream << "@" << SymbolTable::getSymbolName(&op).getValue() << " " << attribute.getName().getValue() << " = "
               << attribute.getValue() << "\n";
  return text;
}

FailureOr<MachineCode> heddle::compileForCpu(Session &session, ModuleOp module, const KnownTarget &target) {
  MachineCode code;
  code.note = "target " + target.name + "\n" + describeSchedules(module);
  for (const std::string &name : kernelNames(module)) {
    CompiledKernel kernel;
    kernel.symbol = name;
    code.kernels.push_back(kernel);
  }
  std::vector<std::string> symbols = kernelNames(module);
  erasePlans(module);
  auto attribute = target.attribute(&session.context);
  if (failed(session.run(module, target.name,
                         [&](OpPassManager &manager) { return buildTileToLLVMPipeline(manager, attribute); })))
    return failure();

  llvm::Expected<CodeGenerator> generator = CodeGenerator::create(target);
  if (!generator)
    return session.error(generator.takeError());
  LLVMSession llvmSession;
  std::unique_ptr<llvm::Module> llvmModule = generator->translate(module, llvmSession.context);
  if (!llvmModule)
    return session.fail("expected the kernels in the llvm dialect, got a module that cannot be translated");
  generator->optimize(*llvmModule, symbols);
  if (session.isWatching("llvm")) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    llvmModule->print(stream, nullptr);
    session.reach("llvm", target.name, text);
  }
  if (session.isDone())
    return code;
  if (session.isWatching("asm")) {
    llvm::Expected<std::string> assembly = generator->emit(*llvm::CloneModule(*llvmModule), CodeKind::Assembly);
    if (!assembly)
      return session.error(assembly.takeError());
    session.reach("asm", target.name, *assembly);
  }
  if (session.isDone())
    return code;
  llvm::Expected<std::string> object = generator->emit(*llvmModule, CodeKind::Object);
  if (!object)
    return session.error(object.takeError());
  if (llvm::Error error = llvmSession.takeErrors())
    return session.error(std::move(error));
  llvm::Expected<std::string> image = linkSharedObject(*object, target);
  if (!image)
    return session.error(image.takeError());
  code.images.push_back({HEDDLE_IMAGE_ELF, 0, std::move(*image)});
  return code;
}
