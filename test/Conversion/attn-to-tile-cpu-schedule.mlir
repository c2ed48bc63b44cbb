// RUN: heddle-opt %s --split-input-file --attn-link-prelude --attn-to-tile="split-keys=false" --canonicalize --cse | FileCheck %s

// The sizes follow from what the processor has: a matrix unit makes preparing keys dear, so that all rows share it.

!T = tensor<?x?x?x64xbf16>

// CHECK-LABEL: func.func private @packed_{{[0-9]+}}(
// CHECK-SAME:    tile.schedule = "rows 64, keys 256, keys and values staged: 98304 bytes of scores for a share of 24576, 253952 bytes a step for 2097152"
// CHECK:         tile.pair
// CHECK:         tile.load {{.*}} -> tensor<64x64xbf16>
// CHECK:         tile.unpair {{.*}} -> tensor<64x256xbf16>
module attributes {tile.target = #tile.target<name = "some cpu", units = 1, vectorBytes = 64, level1Bytes = 49152,
    level2Bytes = 2097152, hasTileMma = true>} {
func.func @packed(%q: !T, %k: !T, %v: !T) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax : (!T, !T, !T) -> !T
  return %o : !T
}
}

// -----

!T = tensor<?x?x?x80xbf16>

// 80 columns are not whole pairs of strips: every block prepares its own keys, so that many rows share it.
// CHECK-LABEL: func.func private @unstaged_0(
// CHECK-SAME:    tile.schedule = "rows 256, keys 128: 
// CHECK-NOT:     tile.pair
module attributes {tile.target = #tile.target<name = "some cpu", units = 1, vectorBytes = 64, level1Bytes = 49152,
    level2Bytes = 2097152, hasTileMma = true>} {
func.func @unstaged(%q: !T, %k: !T, %v: !T) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax : (!T, !T, !T) -> !T
  return %o : !T
}
}

// -----

!T = tensor<?x?x?x64xbf16>

// The same program without the unit: fewer rows share what preparing a key costs.
// CHECK-LABEL: func.func private @vectors_0(
// CHECK-SAME:    tile.schedule = "rows 128, keys 64: 32768 bytes of scores for a share of 16384
// CHECK:         tile.load {{.*}} -> tensor<128x64xbf16>
module attributes {tile.target = #tile.target<name = "other cpu", units = 1, vectorBytes = 32, level1Bytes = 32768,
    level2Bytes = 524288>} {
func.func @vectors(%q: !T, %k: !T, %v: !T) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax : (!T, !T, !T) -> !T
  return %o : !T
}
}

// -----

!T = tensor<?x?x?x256xf32>

// Rows so wide that twice as many keys would not leave the second-level cache enough.
// CHECK-LABEL: func.func private @wide_0(
// CHECK-SAME:    tile.schedule = "rows 128, keys 32:
module attributes {tile.target = #tile.target<name = "other cpu", units = 1, vectorBytes = 32, level1Bytes = 32768,
    level2Bytes = 524288>} {
func.func @wide(%q: !T, %k: !T, %v: !T) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax : (!T, !T, !T) -> !T
  return %o : !T
}
}
