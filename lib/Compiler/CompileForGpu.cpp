//===- CompileForGpu.cpp - what a launch must know, cubins and PTX ----------===//
#include "Backends.h"
#include "heddle/Target/TensorMaps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace heddle;

KernelArguments heddle::readArguments(ModuleOp module) {
  KernelArguments arguments;
  for (auto function : module.getOps<func::FuncOp>())
    arguments[function.getSymName()] = SmallVector<Type>(function.getArgumentTypes());
  return arguments;
}

LogicalResult heddle::readLaunches(ModuleOp module, const KernelArguments &arguments, MachineCode &code) {
  for (CompiledKernel &kernel : code.kernels) {
    if (kernel.isAbsent)
      continue;
    auto function = module.lookupSymbol<LLVM::LLVMFuncOp>(kernel.symbol);
    if (!function || !function->hasAttr("nvvm.kernel"))
      return emitError(module.getLoc(), "expected kernel @") << kernel.symbol << " after lowering, got none";
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
    kernel.waits = function->hasAttr("warp.waits");
  }
  return success();
}

LogicalResult heddle::findAssembler(Session &session, MachineCode &code, std::string &ptxas) {
  llvm::Expected<std::string> program = findPtxas(session.options.ptxas);
  if (program) {
    ptxas = *program;
    return success();
  }
  if (!session.options.ptxas.empty())
    return session.error(program.takeError());
  // PTX alone runs, too: the driver assembles it when the pack is loaded.
  session.remark(llvm::toString(program.takeError()) + "; the pack holds PTX only");
  code.note += "no ptxas: PTX only\n";
  return success();
}

LogicalResult heddle::takeGpuImages(Session &session, MutableArrayRef<KernelCode> compiled, const KnownTarget &target,
                                    MachineCode &code) {
  auto present = llvm::make_filter_range(code.kernels, [](const CompiledKernel &kernel) { return !kernel.isAbsent; });
  for (auto [kernel, made] : llvm::zip_equal(present, compiled)) {
    // A schedule whose products ptxas serialized is wrong, however correct the numbers are.
    if (!made.report.serialized.empty())
      return session.error("expected asynchronous products, got a schedule that ptxas serialized for " + target.name +
                           ": " + made.report.serialized.front());
    if (made.cubin) {
      const PtxasKernel &said = made.report.kernels[kernel.symbol];
      kernel.registers = said.registers;
      code.note +=
          llvm::formatv("@{0} {1} registers, {2} threads, {3} bytes of shared memory, spilled {4} bytes\n",
                        kernel.symbol, kernel.registers, kernel.threads[0] * kernel.threads[1] * kernel.threads[2],
                        kernel.dynamicSharedBytes, said.spillStoreBytes + said.spillLoadBytes);
      kernel.images.push_back({HEDDLE_IMAGE_CUBIN, 12000, std::move(*made.cubin)});
    }
    for (const std::string &warning : made.report.warnings)
      code.note += warning + "\n";
    kernel.images.push_back({HEDDLE_IMAGE_PTX, target.minimumDriver, std::move(made.code)});
  }
  return success();
}
