//===- CompileForGpu.cpp - a tile module to PTX and cubin -------------------===//
#include "Backends.h"
#include "dialects/Tile/TileDialect.h"
#include "heddle/Pipelines/Pipelines.h"
#include "heddle/Target/CodeGeneration.h"
#include "heddle/Target/Ptxas.h"
#include "heddle/Target/TensorMaps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace heddle;

/// Types of the tile kernels' arguments, of which a lowered kernel keeps only slots.
using KernelArguments = llvm::StringMap<SmallVector<Type>>;

static KernelArguments readArguments(ModuleOp module) {
  KernelArguments arguments;
  for (auto function : module.getOps<func::FuncOp>())
    arguments[function.getSymName()] = SmallVector<Type>(function.getArgumentTypes());
  return arguments;
}

/// What the launch must know, from the attributes of the lowered kernels.
static FailureOr<std::vector<CompiledKernel>> readKernels(ModuleOp module, const KernelArguments &arguments) {
  std::vector<CompiledKernel> kernels;
  for (auto function : module.getOps<LLVM::LLVMFuncOp>()) {
    if (!function->hasAttr("nvvm.kernel"))
      continue;
    CompiledKernel kernel;
    kernel.symbol = function.getSymName().str();
    for (StringRef name : {"nvvm.reqntid", "nvvm.maxntid"})
      if (auto threads = function->getAttrOfType<DenseI32ArrayAttr>(name))
        for (auto [axis, count] : llvm::enumerate(threads.asArrayRef().take_front(3)))
          kernel.threads[axis] = count;
    if (auto bytes = function->getAttrOfType<IntegerAttr>("warp.shared_bytes"))
      kernel.dynamicSharedBytes = bytes.getInt();
    FailureOr<std::vector<heddle_tensor_map_record>> maps = readTensorMaps(function, arguments.lookup(kernel.symbol));
    if (failed(maps))
      return failure();
    kernel.tensorMaps = std::move(*maps);
    kernels.push_back(std::move(kernel));
  }
  return kernels;
}

/// A schedule whose products ptxas serialized is wrong, however correct the numbers are.
static LogicalResult judge(Session &session, const PtxasReport &report, MachineCode &code, const KnownTarget &target) {
  if (!report.serialized.empty())
    return session.error("expected asynchronous products, got a schedule that ptxas serialized for " + target.name +
                         ": " + report.serialized.front());
  for (CompiledKernel &kernel : code.kernels) {
    auto found = report.kernels.find(kernel.symbol);
    if (found == report.kernels.end())
      continue;
    kernel.registers = found->second.registers;
    code.note +=
        llvm::formatv("@{0} {1} registers, {2} threads, {3} bytes of shared memory, spilled {4} bytes\n", kernel.symbol,
                      kernel.registers, kernel.threads[0] * kernel.threads[1] * kernel.threads[2],
                      kernel.dynamicSharedBytes, found->second.spillStoreBytes + found->second.spillLoadBytes);
  }
  for (const std::string &warning : report.warnings)
    code.note += warning + "\n";
  return success();
}

static LogicalResult assemble(Session &session, StringRef ptx, const KnownTarget &target, MachineCode &code) {
  llvm::Expected<std::string> program = findPtxas(session.options.ptxas);
  if (!program && !session.options.ptxas.empty())
    return session.error(program.takeError());
  if (!program) {
    // PTX alone runs, too: the driver assembles it when the pack is loaded.
    session.remark(llvm::toString(program.takeError()) + "; the pack holds PTX only");
    code.note += "no ptxas: PTX only\n";
    return success();
  }
  PtxasReport report;
  llvm::Expected<std::string> cubin = runPtxas(*program, ptx, target.name, report);
  if (!cubin)
    return session.error(cubin.takeError());
  code.images.push_back({HEDDLE_IMAGE_CUBIN, 12000, std::move(*cubin)});
  return judge(session, report, code, target);
}

FailureOr<MachineCode> heddle::compileForGpu(Session &session, ModuleOp module, const KnownTarget &target,
                                             bool aligned) {
  std::string variant = target.name + (aligned ? "-aligned" : "");
  MachineCode code;
  code.note = llvm::formatv("target {0}, {1} accesses\n", target.name, aligned ? "16-byte" : "narrow");
  code.note += describeSchedules(module);
  erasePlans(module);
  KernelArguments arguments = readArguments(module);
  auto attribute = target.attribute(&session.context);
  if (failed(session.run(module, variant,
                         [&](OpPassManager &manager) { return buildTileToLLVMPipeline(manager, attribute); })))
    return failure();
  session.reach("nvvm", variant, module);
  if (session.isDone())
    return code;
  FailureOr<std::vector<CompiledKernel>> kernels = readKernels(module, arguments);
  if (failed(kernels))
    return failure();
  code.kernels = std::move(*kernels);
  std::vector<std::string> symbols;
  for (const CompiledKernel &kernel : code.kernels)
    symbols.push_back(kernel.symbol);

  llvm::Expected<CodeGenerator> generator = CodeGenerator::create(target);
  if (!generator)
    return session.error(generator.takeError());
  LLVMSession llvmSession;
  std::unique_ptr<llvm::Module> llvmModule = generator->translate(module, llvmSession.context);
  if (!llvmModule)
    return session.fail("expected the kernels in the nvvm dialect, got a module that cannot be translated");
  generator->optimize(*llvmModule, symbols);
  if (session.isWatching("llvm")) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    llvmModule->print(stream, nullptr);
    session.reach("llvm", variant, text);
  }
  if (session.isDone())
    return code;
  llvm::Expected<std::string> ptx = generator->emit(*llvmModule, CodeKind::Assembly);
  if (!ptx)
    return session.error(ptx.takeError());
  if (llvm::Error error = llvmSession.takeErrors())
    return session.error(std::move(error));
  session.reach("ptx", variant, *ptx);
  if (session.isDone())
    return code;
  if (failed(assemble(session, *ptx, target, code)))
    return failure();
  code.images.push_back({HEDDLE_IMAGE_PTX, target.minimumDriver, std::move(*ptx)});
  return code;
}
