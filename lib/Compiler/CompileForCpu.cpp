//===- CompileForCpu.cpp - objects to one shared library --------------------===//
#include "Backends.h"
#include "heddle/Target/CodeGeneration.h"

using namespace mlir;
using namespace heddle;

LogicalResult heddle::linkCpuImage(Session &session, ArrayRef<KernelCode> kernels, const KnownTarget &target,
                                   MachineCode &code) {
  SmallVector<StringRef> objects;
  for (const KernelCode &kernel : kernels)
    objects.push_back(kernel.code);
  llvm::Expected<std::string> image = linkSharedObject(objects, target);
  if (!image)
    return session.error(image.takeError());
  code.images.push_back({HEDDLE_IMAGE_ELF, 0, std::move(*image)});
  return success();
}
