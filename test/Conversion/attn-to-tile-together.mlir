// RUN: heddle-opt %s --split-input-file --attn-to-tile=together=always --canonicalize --cse | FileCheck %s
// RUN: heddle-opt %s --split-input-file --attn-to-tile=split-keys=false --canonicalize --cse | FileCheck %s --check-prefix=APART

!X = tensor<?x?x?x64xf32>

// A window beside a recurrence of the same rows: a loop over its keys inside of the loop over chunks, and one kernel. Rows that both read
// are loaded once.

// CHECK-LABEL: func.func @window(
// CHECK:         tile.launch @window_0(
// CHECK-NOT:     tile.launch
// CHECK-LABEL: func.func private @window_0(
// CHECK:         scf.for {{.*}} iter_args(%[[S:.+]] = %{{.+}}) -> (tensor<64x64xf32>) {
// CHECK:           %[[Q:.+]] = tile.load %arg0[
// CHECK:           %[[FAR:.+]] = tile.dot {{.*}} -> tensor<16x64xf32>
// CHECK:           %[[NEXT:.+]] = tile.dot {{.*}} {transA}
// CHECK-NOT:       tile.load %arg0[
// CHECK:           %[[SUM:.+]] = scf.for {{.*}} -> (tensor<16x64xf32>) {
// CHECK:             tile.dot %[[Q]], %{{.+}} {transB}
// CHECK:             scf.if
// CHECK:           %[[O:.+]] = arith.addf {{.*}}%[[SUM]]
// CHECK:           tile.store %[[O]]
// CHECK:           scf.yield %[[NEXT]]

// APART-LABEL: func.func @window(
// APART-COUNT-2: tile.launch
module attributes {tile.target = #tile.target<name = "any">} {
func.func @window(%q: !X, %k: !X, %v: !X) -> !X {
  %near = attn.attend dot(%q, %k) value(%v)
    mask(%b, %h, %i, %j) {
      %width = arith.constant 64 : index
      %last = arith.addi %j, %width : index
      %after = arith.cmpi sgt, %last, %i : index
      %before = arith.cmpi sle, %j, %i : index
      %visible = arith.andi %after, %before : i1
      attn.yield %visible : i1
    } : (!X, !X, !X) -> !X
  %far = attn.recur query(%q) key(%k) value(%v) : (!X, !X, !X) -> !X
  %o = attn.merge (%far, %near) weights(%b, %h, %i) {
    %one = arith.constant 1.0 : f32
    attn.yield %one, %one : f32, f32
  } : (!X, !X) -> !X
  return %o : !X
}
}

// -----

!X = tensor<?x?x?x64xf32>
!A = tensor<?x?x4x64xf32>

// Few keys by their array, behind the recurrence in the text; what a row needs of all keys stays in front, and so does a window whose width
// the caller gives.

// CHECK-LABEL: func.func @anchors(
// CHECK:         tile.launch @anchors_0(
// CHECK-NOT:     tile.launch
// CHECK-LABEL: func.func @causal(
// CHECK:         scf.if
// CHECK:         tile.launch @causal_{{[1-9]}}(
// CHECK-LABEL: func.func @given(
// CHECK:         scf.if
// CHECK:         tile.launch @given_{{[1-9]}}(
func.func @anchors(%q: !X, %k: !X, %v: !X, %a: !A) -> !X {
  %far = attn.recur query(%q) key(%k) value(%v) : (!X, !X, !X) -> !X
  %there = attn.attend dot(%q, %a) value(%a) : (!X, !A, !A) -> !X
  %o = arith.addf %far, %there : !X
  return %o : !X
}
func.func @causal(%q: !X, %k: !X, %v: !X) -> !X {
  %far = attn.recur query(%q) key(%k) value(%v) : (!X, !X, !X) -> !X
  %all = attn.attend dot(%q, %k) value(%v) mask(%b, %h, %i, %j) {
    %visible = arith.cmpi sle, %j, %i : index
    attn.yield %visible : i1
  } : (!X, !X, !X) -> !X
  %o = arith.addf %far, %all : !X
  return %o : !X
}
func.func @given(%q: !X, %k: !X, %v: !X, %width: index) -> !X {
  %far = attn.recur query(%q) key(%k) value(%v) : (!X, !X, !X) -> !X
  %near = attn.attend dot(%q, %k) value(%v) mask(%b, %h, %i, %j) {
    %last = arith.addi %j, %width : index
    %visible = arith.cmpi sge, %last, %i : index
    attn.yield %visible : i1
  } : (!X, !X, !X) -> !X
  %o = arith.addf %far, %near : !X
  return %o : !X
}

// -----

!X = tensor<?x?x?x64xbf16>

// Where groups of warps have rows of a chunk to themselves each goes through the keys of its own range.

// CHECK-LABEL: func.func private @groups_0(
// CHECK-SAME:    tile.warps = 8
// CHECK:         scf.for {{.*}} -> (tensor<64x64xf32>) {
// CHECK:           %[[FIRST:.+]] = arith.minsi {{.*}} {tile.row_parts}
// CHECK:           %[[LAST:.+]] = arith.maxsi {{.*}} {tile.row_parts}
// CHECK:           scf.for %{{.+}} = %[[FIRST]] to %[[LAST]]
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true,
    hasRegisterReallocation = true, sharedBytesPerBlock = 232448, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @groups(%q: !X, %k: !X, %v: !X) -> !X {
  %far = attn.recur query(%q) key(%k) value(%v) : (!X, !X, !X) -> !X
  %near = attn.attend dot(%q, %k) value(%v) mask(%b, %h, %i, %j) {
    %width = arith.constant 64 : index
    %last = arith.addi %j, %width : index
    %after = arith.cmpi sgt, %last, %i : index
    %before = arith.cmpi sle, %j, %i : index
    %visible = arith.andi %after, %before : i1
    attn.yield %visible : i1
  } : (!X, !X, !X) -> !X
  %o = arith.addf %far, %near : !X
  return %o : !X
}
}
