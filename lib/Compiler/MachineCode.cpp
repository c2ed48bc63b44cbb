//===- MachineCode.cpp - tile modules to machine code -----------------------===//
//
// Passes run here, one module after another; what LLVM and the assembler do with the kernels goes on beside them. What
// differs between a CPU and a GPU is what a launch must know (CompileForGpu.cpp) and what the kernels are put into.
//
//===----------------------------------------------------------------------===//
#include "Backends.h"
#include "dialects/Tile/TileDialect.h"
#include "heddle/Pipelines/Pipelines.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace heddle;

std::vector<std::string> heddle::kernelNames(ModuleOp module) {
  std::vector<std::string> names;
  for (auto function : module.getOps<func::FuncOp>())
    if (function->hasAttr(tile::kKernelAttr))
      names.push_back(function.getSymName().str());
  return names;
}

/// Plans are data by now; no lowering needs them, nor kernels that are not taken.
static void eraseAllBut(ModuleOp module, ArrayRef<std::string> kernels) {
  for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
    if (function->hasAttr(tile::kPlanAttr) ||
        (function->hasAttr(tile::kKernelAttr) && !llvm::is_contained(kernels, function.getSymName())))
      function.erase();
}

/// A string as it is, its further lines indented; others as MLIR prints them.
static std::string textOf(Attribute attribute) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (auto string = dyn_cast<StringAttr>(attribute))
    llvm::interleave(llvm::split(string.getValue().rtrim('\n'), '\n'), stream, "\n    ");
  else
    stream << attribute;
  return text;
}

std::string heddle::describeSchedules(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (Operation &op : module.getOps())
    for (NamedAttribute attribute : op.getDiscardableAttrs())
      if (attribute.getName().getValue().ends_with(".part"))
        stream << "@" << SymbolTable::getSymbolName(&op).getValue() << " computes: " << textOf(attribute.getValue())
               << "\n";
      else if (attribute.getName().getValue().ends_with(".schedule"))
        stream << "@" << SymbolTable::getSymbolName(&op).getValue() << " sizes: " << textOf(attribute.getValue())
               << "\n";
  return text;
}

FailureOr<PendingCode> heddle::startCode(Session &session, ModuleOp module, const KnownTarget &target, Form form) {
  std::string variant = target.name + (form.isAligned ? "-aligned" : "");
  PendingCode pending;
  MachineCode &code = pending.code;
  code.note = "target " + target.name +
              (!target.isGpu ? ""
               : form.isAligned
                   ? ", 16-byte accesses"
                   : ", narrow accesses: slower, for arrays whose addresses or strides are no multiples of 16 bytes") +
              "\n" + describeSchedules(module);
  std::vector<std::string> symbols;
  for (const std::string &symbol : kernelNames(module)) {
    CompiledKernel &kernel = code.kernels.emplace_back();
    kernel.symbol = symbol;
    kernel.isAbsent = !session.selection.takes(form.number, symbol);
    if (kernel.isAbsent)
      code.note += "@" + symbol + " is absent: --only=" + std::to_string(form.number) + ":" + symbol + "\n";
    else
      symbols.push_back(symbol);
  }
  if (symbols.empty())
    return pending;
  eraseAllBut(module, symbols);
  KernelArguments arguments = readArguments(module);
  auto attribute = target.attribute(&session.context);
  if (failed(session.run(module, variant,
                         [&](OpPassManager &manager) { return buildTileToLLVMPipeline(manager, attribute); })))
    return failure();
  std::string ptxas;
  if (target.isGpu) {
    session.reach("nvvm", variant, module);
    if (session.isDone())
      return pending;
    if (failed(readLaunches(module, arguments, code)) || failed(findAssembler(session, code, ptxas)))
      return failure();
  }
  pending.kernels = std::make_unique<KernelCompiler>(session, target, variant);
  if (failed(pending.kernels->start(module, symbols, ptxas)))
    return failure();
  return pending;
}

FailureOr<MachineCode> heddle::finishCode(Session &session, PendingCode pending, const KnownTarget &target) {
  if (!pending.kernels)
    return std::move(pending.code);
  FailureOr<std::vector<KernelCode>> kernels = pending.kernels->finish();
  if (failed(kernels))
    return failure();
  if (session.stopsAtRung())
    return std::move(pending.code);
  MachineCode code = std::move(pending.code);
  TimingScope timing = session.time("put together");
  if (failed(target.isGpu ? takeGpuImages(session, *kernels, target, code)
                          : linkCpuImage(session, *kernels, target, code)))
    return failure();
  return code;
}
