// RUN: heddle-opt %s --attn-link-prelude --attn-to-tile="split-keys=false rows=192 keys=64 warps=12" | FileCheck %s

// Sizes that are given are taken, with the warps that they are for, even where the chooser has none: shared memory holds little here.

!T = tensor<?x?x?x512xf32>

// CHECK-LABEL: func.func private @given_0(
// CHECK-SAME:    tile.schedule = "sizes as given", tile.warps = 12
// CHECK:         tile.load {{.*}} -> tensor<192x512xf32>
// CHECK:         tile.load {{.*}} -> tensor<64x512xf32>
module attributes {tile.target = #tile.target<name = "small gpu", isGpu = true, sharedBytesPerBlock = 5000,
    sharedBytesPerUnit = 6024, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @given(%q: !T, %k: !T, %v: !T) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax : (!T, !T, !T) -> !T
  return %o : !T
}
}
