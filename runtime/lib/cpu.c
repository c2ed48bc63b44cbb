/* cpu.c - what this CPU and its kernel let us use. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall */
#endif
#include "heddle_rt/artifact.h"
#include "heddle_rt/heddle_rt.h"

#include <pthread.h>

static uint64_t features;
static pthread_once_t detected = PTHREAD_ONCE_INIT;

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* State components that the kernel saves: without them the instructions fault whatever cpuid says. */
enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xe6, XCR0_AMX = 0x60000 };

static uint64_t read_xcr0(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

/* Tile data is granted per process on request (Linux 5.16); before the threads that use it take their first signal. */
static int request_amx(void) {
#ifdef SYS_arch_prctl
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
  return 0;
#endif
}

static void detect(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
    return;
  uint64_t saved = read_xcr0();
  uint64_t found = 0;
  if ((saved & XCR0_AVX) != XCR0_AVX)
    return;
  found |= c & bit_FMA ? HEDDLE_CPU_FMA : 0;
  found |= c & bit_F16C ? HEDDLE_CPU_F16C : 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
    return;
  uint32_t leaves = a, amx = d;
  const uint32_t avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */
  const uint32_t amx_bf16 = 1u << 22 | 1u << 24;                     /* BF16, TILE */
  found |= b & 1u << 5 ? HEDDLE_CPU_AVX2 : 0;
  if ((saved & XCR0_AVX512) == XCR0_AVX512 && (b & avx512) == avx512) {
    found |= HEDDLE_CPU_AVX512F;
    if (leaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & 1u << 5)
      found |= HEDDLE_CPU_AVX512_BF16;
    if ((saved & XCR0_AMX) == XCR0_AMX && (amx & amx_bf16) == amx_bf16 && request_amx())
      found |= HEDDLE_CPU_AMX_BF16;
  }
  features = found;
}
#elif defined(__aarch64__)
static void detect(void) { features = HEDDLE_CPU_NEON; }
#else
static void detect(void) {}
#endif

uint64_t heddle_cpu_features(void) {
  pthread_once(&detected, detect);
  return features;
}
