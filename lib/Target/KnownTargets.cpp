//===- KnownTargets.cpp - the table of machines -----------------------------===//
#include "heddle/Target/KnownTargets.h"
#include "heddle_rt/artifact.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace heddle;

namespace {
constexpr int64_t kKiB = 1024, kMiB = 1024 * kKiB;

/// What is equal on every GPU we know.
KnownTarget gpu(llvm::StringRef name, int64_t capability) {
  KnownTarget target;
  target.name = target.cpu = name.str();
  target.isGpu = true;
  target.capability = capability;
  target.triple = "nvptx64-nvidia-cuda";
  target.registersPerUnit = 65536;
  target.registersPerThread = 255;
  target.threadsPerBlock = 1024;
  target.threadsPerUnit = 2048;
  target.hasAsyncCopy = true;
  return target;
}

void setPtx(KnownTarget &target, int64_t version, int64_t minimumDriver) {
  target.ptxVersion = version;
  target.minimumDriver = minimumDriver;
  target.features = llvm::formatv("+ptx{0}", version);
}

void setShared(KnownTarget &target, int64_t bytesPerUnit) {
  target.sharedBytesPerUnit = bytesPerUnit;
  target.sharedBytesPerBlock = bytesPerUnit - kKiB; // the driver keeps 1 KiB of each block
}

KnownTarget sm80() {
  KnownTarget target = gpu("sm_80", 80);
  target.units = 108;
  target.level2Bytes = 40 * kMiB;
  setPtx(target, 80, 12000);
  setShared(target, 164 * kKiB);
  return target;
}

KnownTarget sm89() {
  KnownTarget target = gpu("sm_89", 89);
  target.units = 142;
  target.level2Bytes = 48 * kMiB;
  target.threadsPerUnit = 1536;
  setPtx(target, 80, 12000);
  setShared(target, 100 * kKiB);
  return target;
}

KnownTarget sm90a() {
  KnownTarget target = gpu("sm_90a", 90);
  target.units = 132;
  target.level2Bytes = 50 * kMiB;
  target.exactCapability = true;
  setPtx(target, 86, 12070); // the first version with copies into .shared::cta
  setShared(target, 228 * kKiB);
  target.hasBulkCopy = target.hasWarpgroupMma = true;
  target.hasRegisterReallocation = target.hasLaunchOverlap = true;
  return target;
}

KnownTarget cpuGeneric() {
  KnownTarget target;
  target.name = "cpu:generic";
  target.units = 1;
  target.triple = llvm::sys::getDefaultTargetTriple();
  target.vectorBytes = 16;
  target.vectorRegisters = 16;
  target.level1Bytes = 32 * kKiB;
  target.level2Bytes = 512 * kKiB;
  target.cpu = "generic";
  llvm::Triple triple(target.triple);
  if (triple.isX86())
    target.cpu = "x86-64";
  if (triple.isAArch64()) {
    target.vectorRegisters = 32;
    target.hasFma = true;
    target.featureBits = HEDDLE_CPU_NEON;
  }
  return target;
}

/// On x86 the CPU names are levels, not products: what may be used is exactly what the feature bits promise.
KnownTarget cpuAvx2() {
  KnownTarget target = cpuGeneric();
  target.name = "cpu:avx2";
  target.cpu = "x86-64-v3";
  target.vectorBytes = 32;
  target.hasFma = true;
  target.featureBits = HEDDLE_CPU_AVX2 | HEDDLE_CPU_FMA | HEDDLE_CPU_F16C;
  return target;
}

KnownTarget cpuAvx512() {
  KnownTarget target = cpuAvx2();
  target.name = "cpu:avx512";
  target.cpu = "x86-64-v4";
  target.tuning = "sapphirerapids"; // x86-64-v4 has no timings of its own
  target.features = "-prefer-256-bit";
  target.vectorBytes = 64;
  target.vectorRegisters = 32;
  target.level2Bytes = 1024 * kKiB;
  target.hasMaskedVectors = true;
  target.featureBits |= HEDDLE_CPU_AVX512F;
  return target;
}

KnownTarget cpuAmx() {
  KnownTarget target = cpuAvx512();
  target.name = "cpu:amx";
  target.tuning = "sapphirerapids";
  target.features = "-prefer-256-bit,+avx512bf16,+amx-tile,+amx-bf16";
  target.level1Bytes = 48 * kKiB;
  target.level2Bytes = 2048 * kKiB;
  target.hasBf16Dot = target.hasTileMma = true;
  target.featureBits |= HEDDLE_CPU_AVX512_BF16 | HEDDLE_CPU_AMX_BF16;
  return target;
}

/// In the order in which messages list them; CPU levels from the best to the plainest.
std::vector<KnownTarget> table() {
  std::vector<KnownTarget> rows = {sm80(), sm89(), sm90a()};
  if (llvm::Triple(llvm::sys::getDefaultTargetTriple()).isX86())
    for (const KnownTarget &level : {cpuAmx(), cpuAvx512(), cpuAvx2()})
      rows.push_back(level);
  rows.push_back(cpuGeneric());
  return rows;
}
} // namespace

llvm::Expected<KnownTarget> heddle::findTarget(llvm::StringRef name) {
  uint64_t host = hostCpuFeatureBits();
  llvm::SmallVector<std::string> names;
  for (KnownTarget &row : table()) {
    bool isBestHere = name == "cpu" && !row.isGpu && (row.featureBits & ~host) == 0;
    if (row.name == name || isBestHere)
      return std::move(row);
    names.push_back(row.name);
  }
  return llvm::createStringError("expected one of " + llvm::join(names, ", ") + ", cpu, got '" + name + "'");
}

llvm::Expected<std::vector<KnownTarget>> heddle::findTargets(llvm::StringRef names) {
  std::vector<KnownTarget> targets;
  llvm::SmallVector<llvm::StringRef> parts;
  names.split(parts, ',');
  for (llvm::StringRef part : parts) {
    llvm::Expected<KnownTarget> target = findTarget(part.trim());
    if (!target)
      return target.takeError();
    // "cpu" may name a row that is also there by its own name: it is compiled once.
    if (llvm::none_of(targets, [&](const KnownTarget &seen) { return seen.name == target->name; }))
      targets.push_back(std::move(*target));
  }
  return std::move(targets);
}

tile::TargetAttr KnownTarget::attribute(mlir::MLIRContext *context) const {
  return tile::TargetAttr::get(context, name, isGpu, units, capability, ptxVersion, sharedBytesPerBlock,
                               sharedBytesPerUnit, registersPerUnit, registersPerThread, threadsPerBlock,
                               threadsPerUnit, hasAsyncCopy, hasBulkCopy, hasWarpgroupMma, hasRegisterReallocation,
                               hasLaunchOverlap, vectorBytes, vectorRegisters, level1Bytes, level2Bytes, hasFma,
                               hasMaskedVectors, hasBf16Dot, hasTileMma);
}
