// RUN: heddle-opt %s --split-input-file --attn-link-prelude --attn-to-tile="split-keys=false" --canonicalize --cse | FileCheck %s

// The sizes follow from the target's budget: what a thread has in registers, what a block has in shared memory.

!T = tensor<?x?x?x128xbf16>

// CHECK-LABEL: func.func private @wide_0(
// CHECK-SAME:    tile.schedule = "rows 128, keys 64, 4 warps, 2 stages
// CHECK-SAME:    128x128: {{[0-9]+}} registers, some gpu has 255
// CHECK:         tile.load {{.*}} -> tensor<128x128xbf16>
// CHECK:         tile.load {{.*}} -> tensor<64x128xbf16>
module attributes {tile.target = #tile.target<name = "some gpu", isGpu = true, sharedBytesPerBlock = 232448,
    sharedBytesPerUnit = 233472, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @wide(%q: !T, %k: !T, %v: !T) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax : (!T, !T, !T) -> !T
  return %o : !T
}
}

// -----

// Where one step's keys and values leave room for two blocks and two steps' for one, there is one stage.

!T = tensor<?x?x?x128xbf16>

// CHECK-LABEL: func.func private @narrow_0(
// CHECK-SAME:    tile.schedule = "rows 128, keys 64, 4 warps, 1 stages: {{[0-9]+}} registers, 69632 bytes of shared memory, 2 blocks
module attributes {tile.target = #tile.target<name = "narrow gpu", isGpu = true, sharedBytesPerBlock = 166912,
    sharedBytesPerUnit = 167936, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @narrow(%q: !T, %k: !T, %v: !T) -> !T {
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

// -----

// With products of warpgroups: short products leave the element-wise work of a group uncovered, so three groups take turns
// (64 columns); long ones want long steps of two (256). A 16-bit array over rows and keys takes a slot beside the keys'.

!N = tensor<?x?x?x64xbf16>
!W = tensor<?x?x?x256xbf16>
!D = tensor<?x?x?x128xbf16>

// CHECK-LABEL: func.func private @narrow_0(
// CHECK-SAME:    tile.schedule = "rows 192, keys 128, 12 consuming and 4 copying warps
// CHECK-LABEL: func.func private @wide_0(
// CHECK-SAME:    tile.schedule = "rows 128, keys 80, 8 consuming and 4 copying warps
// CHECK-LABEL: func.func private @biased_0(
// CHECK-SAME:    tile.schedule = "rows 128, keys 128, 8 consuming and 4 copying warps, 2 stages: {{[0-9]+}} registers, 230400 bytes
module attributes {tile.target = #tile.target<name = "some gpu", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true,
    hasRegisterReallocation = true, sharedBytesPerBlock = 232448, sharedBytesPerUnit = 233472, registersPerUnit = 65536,
    registersPerThread = 255>} {
func.func @narrow(%q: !N, %k: !N, %v: !N) -> !N {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax : (!N, !N, !N) -> !N
  return %o : !N
}
func.func @wide(%q: !W, %k: !W, %v: !W) -> !W {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax : (!W, !W, !W) -> !W
  return %o : !W
}
func.func @biased(%q: !D, %k: !D, %v: !D, %bias: tensor<?x?x?xbf16>) -> !D {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax score(%s, %b, %h, %i, %j) {
    %x = tensor.extract %bias[%h, %i, %j] : tensor<?x?x?xbf16>
    %y = arith.extf %x : bf16 to f32
    %z = arith.addf %s, %y : f32
    attn.yield %z : f32
  } : (!D, !D, !D) -> !D
  return %o : !D
}
}
