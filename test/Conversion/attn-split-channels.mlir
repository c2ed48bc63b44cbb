// RUN: heddle-opt %s --attn-split-channels=channels=24 | FileCheck %s
// RUN: heddle-opt %s --attach-target=name=sm_90a --attn-split-channels | FileCheck %s --check-prefix=GROUPS
// RUN: heddle-opt %s --attach-target=name=sm_80 --attn-split-channels | FileCheck %s --check-prefix=WHOLE
// RUN: not heddle-opt %s --attn-split-channels=channels=12 2>&1 | FileCheck %s --check-prefix=ERROR

// ERROR: expected channels to be a multiple of 8, got 12

// Slices of what has channels; sums of the parts in f32; states one after another.
!row = tensor<2x4x9x40xbf16>
!state = tensor<2x4x40x16xf32>
!mass = tensor<2x4x40xf32>
!out = tensor<2x4x9x16xbf16>
// CHECK-LABEL: @states
// CHECK: %[[Q:.*]] = tensor.extract_slice %arg0[0, 0, 0, 0] [2, 4, 9, 24]
// CHECK: %[[A:.*]]:4 = attn.recur query(%[[Q]]) key(%{{.*}}) value(%arg2) gate(%arg3) init(%{{.*}}, %{{.*}}) stats [mass] final
// CHECK-SAME: -> (tensor<2x4x9x16xf32>, tensor<2x4x9xf32>, tensor<2x4x24x16xf32>, tensor<2x4x24xf32>)
// CHECK: %[[S:.*]] = tensor.extract_slice %arg4[0, 0, 24, 0] [2, 4, 16, 16]
// CHECK: %[[B:.*]]:4 = attn.recur {{.*}} value(%arg2) gate(%arg3) init(%[[S]],
// CHECK: %[[SUM:.*]] = arith.addf %[[A]]#0, %[[B]]#0
// CHECK: %[[M:.*]] = arith.addf %[[A]]#1, %[[B]]#1
// CHECK: %[[O:.*]] = arith.truncf %[[SUM]]
// CHECK: %[[F:.*]] = tensor.concat dim(2) %[[A]]#2, %[[B]]#2
// CHECK: %[[Z:.*]] = tensor.concat dim(2) %[[A]]#3, %[[B]]#3
// CHECK: return %[[O]], %[[M]], %[[F]], %[[Z]]
func.func @states(%q: !row, %k: !row, %v: !out, %g: tensor<2x4x9xf32>, %s: !state, %z: !mass) -> (!out, tensor<2x4x9xf32>, !state, !mass) {
  %o:4 = attn.recur query(%q) key(%k) value(%v) gate(%g) init(%s, %z) stats [mass] final
    : (!row, !row, !out, tensor<2x4x9xf32>, !state, !mass) -> (!out, tensor<2x4x9xf32>, !state, !mass)
  return %o#0, %o#1, %o#2, %o#3 : !out, tensor<2x4x9xf32>, !state, !mass
}

// Of halves side by side, each part has one. No array is as wide as both; where rows read is said again.
!half = tensor<?x?x?x24xf32>
!both = tensor<?x?x?x48xf32>
// CHECK-LABEL: @halves
// CHECK: attn.recur query(%arg0) key(%arg0) value(%arg0) at(%i)
// CHECK: attn.recur query(%arg1) key(%arg1) value(%arg0) at(%i)
func.func @halves(%x: !half, %y: !half) -> !half {
  %f = tensor.concat dim(3) %x, %y : (!half, !half) -> !both
  %o = attn.recur query(%f) key(%f) value(%x) at(%i) {
    attn.yield %i : index
  } : (!both, !both, !half) -> !half
  return %o : !half
}

// Gates of each channel of 320: parts of 128 and one of 64, which is what groups of warps multiply.
!wide = tensor<?x?x?x320xbf16>
!value = tensor<?x?x?x128xbf16>
// GROUPS-LABEL: @channels
// GROUPS-COUNT-2: (tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>) -> tensor<?x?x?x128xf32>
// GROUPS: (tensor<?x?x?x64xbf16>, tensor<?x?x?x64xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x64xbf16>) -> tensor<?x?x?x128xf32>
// WHOLE-NOT: extract_slice
func.func @channels(%q: !wide, %k: !wide, %v: !value, %g: !wide) -> !value {
  %o = attn.recur query(%q) key(%k) value(%v) gate(%g) : (!wide, !wide, !value, !wide) -> !value
  return %o : !value
}
