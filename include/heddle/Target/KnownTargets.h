//===- KnownTargets.h - the machines we compile for -------------------------===//
//
// A target is a row of named numbers. Adding one is a row in KnownTargets.cpp
// and a PTX test; nothing else asks for a name.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_TARGET_KNOWNTARGETS_H
#define HEDDLE_TARGET_KNOWNTARGETS_H

#include "dialects/Tile/TileTarget.h"
#include "llvm/Support/Error.h"
#include <vector>

namespace heddle {

/// A row of the table: what `tile::TargetAttr` says, and what only code generation and the pack need.
struct KnownTarget {
  std::string name;
  bool isGpu = false;
  int64_t units = 0;

  // GPU
  int64_t capability = 0;
  bool exactCapability = false; ///< the code runs on this capability only
  int64_t ptxVersion = 0;
  int64_t minimumDriver = 0; ///< CUDA driver API version that reads our PTX
  int64_t sharedBytesPerBlock = 0, sharedBytesPerUnit = 0;
  int64_t registersPerUnit = 0, registersPerThread = 0;
  int64_t threadsPerBlock = 0, threadsPerUnit = 0;
  bool hasAsyncCopy = false, hasBulkCopy = false, hasWarpgroupMma = false, hasRegisterReallocation = false;
  bool hasLaunchOverlap = false;

  // CPU
  uint64_t featureBits = 0; ///< heddle_cpu_feature bits that a machine must have
  int64_t vectorBytes = 0, vectorRegisters = 0;
  int64_t level1Bytes = 0, level2Bytes = 0;
  bool hasFma = false, hasMaskedVectors = false, hasBf16Dot = false, hasTileMma = false;

  // Code generation
  std::string triple, cpu, features; ///< as LLVM's target machine takes them
  std::string tuning;                ///< the processor whose timings count; empty: that of `cpu`

  tile::TargetAttr attribute(mlir::MLIRContext *context) const;
};

/// The row of a name as a user writes it ("sm_90a", "cpu", "cpu:avx2"). "cpu" is the best level of this machine.
llvm::Expected<KnownTarget> findTarget(llvm::StringRef name);

/// The rows of a comma-separated list; at least one, none twice.
llvm::Expected<std::vector<KnownTarget>> findTargets(llvm::StringRef names);

/// heddle_cpu_feature bits of this machine; tile registers only where the kernel grants them.
uint64_t hostCpuFeatureBits();

} // namespace heddle

#endif
