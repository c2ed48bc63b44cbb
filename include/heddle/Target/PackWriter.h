//===- PackWriter.h - compiled entries as one block of bytes ----------------===//
#ifndef HEDDLE_TARGET_PACKWRITER_H
#define HEDDLE_TARGET_PACKWRITER_H

#include "heddle/Target/Plan.h"

namespace heddle {

struct KernelImage {
  heddle_image_kind kind;
  int64_t minimumDriver = 0; ///< CUDA driver API version; 0 for ELF
  std::string bytes;
};

struct CompiledKernel {
  std::string symbol;
  bool isAbsent = false;           ///< the pack is made without it
  std::vector<KernelImage> images; ///< the kernel alone, the best first; none: it is in the variant's
  int64_t threads[3] = {1, 1, 1};
  int64_t dynamicSharedBytes = 0;
  int64_t registers = 0;
  std::vector<heddle_tensor_map_record> tensorMaps; ///< see readTensorMaps
  bool waits = false;                               ///< for the launches before it, by itself
};

/// One way to run an entry. Kernels without images of their own are in all of the variant's, the best image first.
struct CompiledVariant {
  heddle_device_kind device;
  int64_t capability = 0;
  bool exactCapability = false;
  uint64_t cpuFeatures = 0;
  std::optional<Expression> guard;
  Plan plan;
  std::vector<KernelImage> images;
  std::vector<CompiledKernel> kernels;
  std::string note;
};

struct CompiledEntry {
  std::string name;
  std::vector<PlanParameter> parameters;
  std::vector<CompiledVariant> variants; ///< best first
  std::string spec;
  std::vector<PlanRequirement> requirements = {};
};

/// The pack of artifact.h.
std::string writePack(llvm::ArrayRef<CompiledEntry> entries, uint64_t contentHash);

/// A pack that this compiler wrote, as text: entries, variants, launches, expressions.
void printPack(llvm::StringRef bytes, llvm::raw_ostream &stream);

} // namespace heddle

#endif
