// RUN: heddle-opt %s --split-input-file --attn-link-prelude --attn-to-tile="split-keys=false" --canonicalize --cse | FileCheck %s

// The sizes follow from the target's budget: what a thread has in registers, what a block has in shared memory.

!T = tensor<?x?x?x128xbf16>

// CHECK-LABEL: func.func private @wide_0(
// CHECK-SAME:    tile.schedule = "rows 128, keys 32, 4 warps, 2 stages
// CHECK-SAME:    128x64: {{[0-9]+}} registers, some gpu has 255
// CHECK:         tile.load {{.*}} -> tensor<128x128xbf16>
// CHECK:         tile.load {{.*}} -> tensor<32x128xbf16>
module attributes {tile.target = #tile.target<name = "some gpu", isGpu = true, sharedBytesPerBlock = 232448,
    sharedBytesPerUnit = 233472, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @wide(%q: !T, %k: !T, %v: !T) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax : (!T, !T, !T) -> !T
  return %o : !T
}
}

// -----

!T = tensor<?x?x?x64xf32>

// CHECK-LABEL: func.func private @little_0(
// CHECK-SAME:    bytes of shared memory, small gpu has 50000
module attributes {tile.target = #tile.target<name = "small gpu", isGpu = true, sharedBytesPerBlock = 50000,
    sharedBytesPerUnit = 51024, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @little(%q: !T, %k: !T, %v: !T) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax : (!T, !T, !T) -> !T
  return %o : !T
}
}
