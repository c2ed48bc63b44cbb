//===- HostCpu.cpp - what this machine offers -------------------------------===//
#include "heddle/Target/KnownTargets.h"
#include "heddle_rt/artifact.h"
#include "llvm/TargetParser/Host.h"

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

/// The kernel saves tile registers only for processes that asked; some sandboxes say no although the processor could.
static bool mayUseTileRegisters() {
#if defined(__linux__) && defined(__x86_64__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

uint64_t heddle::hostCpuFeatureBits() {
  static const uint64_t bits = [] {
    struct Row {
      uint64_t bit;
      std::initializer_list<const char *> needs;
    };
    const Row rows[] = {
        {HEDDLE_CPU_AVX2, {"avx2", "bmi2", "lzcnt"}},
        {HEDDLE_CPU_FMA, {"fma"}},
        {HEDDLE_CPU_F16C, {"f16c"}},
        {HEDDLE_CPU_AVX512F, {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}},
        {HEDDLE_CPU_AVX512_BF16, {"avx512bf16"}},
        {HEDDLE_CPU_AMX_BF16, {"amx-tile", "amx-bf16"}},
        {HEDDLE_CPU_NEON, {"neon"}},
    };
    auto features = llvm::sys::getHostCPUFeatures();
    uint64_t found = 0;
    for (const Row &row : rows)
      if (llvm::all_of(row.needs, [&](const char *need) { return features.lookup(need); }))
        found |= row.bit;
    if ((found & HEDDLE_CPU_AMX_BF16) && !mayUseTileRegisters())
      found &= ~uint64_t(HEDDLE_CPU_AMX_BF16);
    return found;
  }();
  return bits;
}
