// RUN: heddle-opt %s --attach-target=name=sm_80 | FileCheck %s --check-prefix=SM80
// RUN: heddle-opt %s --attach-target=name=sm_90a | FileCheck %s --check-prefix=SM90
// RUN: heddle-opt %s --attach-target=name=cpu:avx2 | FileCheck %s --check-prefix=AVX2
// RUN: heddle-opt %s --attach-target=name=sm_90a | heddle-opt --attach-target=name=cpu:amx | FileCheck %s --check-prefix=AMX

// SM80: tile.target = #tile.target<name = "sm_80", isGpu = true, units = 108, capability = 80
// SM80-SAME: sharedBytesPerBlock = 166912
// SM80-SAME: hasAsyncCopy = true
// SM80-NOT: hasBulkCopy
// SM90: sharedBytesPerBlock = 232448
// SM90-SAME: hasBulkCopy = true, hasWarpgroupMma = true
// AVX2: name = "cpu:avx2"
// AVX2-SAME: vectorBytes = 32
// AVX2-NOT: hasTileMma
// AMX-NOT: sm_90a
// AMX: hasTileMma = true
module {}
