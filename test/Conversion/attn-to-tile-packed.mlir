// RUN: heddle-opt %s --attn-link-prelude --attn-to-tile="rows=32 keys=32 split-keys=false" --canonicalize --cse | FileCheck %s

!P = tensor<?x?x64xf32>
!T = tensor<?x?x?x64xf32>

// A packed result is zero where no sequence lies: a tile of rows that one sequence covers is left to the attend. Nothing
// is read of sequences where there are none.

// CHECK-LABEL: func.func @packed(
// CHECK: tile.launch @packed_0
// CHECK: tile.launch @packed_1
// CHECK-LABEL: func.func private @packed_0(
// CHECK: scf.forall (%[[BLOCK:.+]]) in
// CHECK: %[[FIRST:.+]] = arith.muli %[[BLOCK]], %c64
// CHECK: %[[LAST:.+]] = arith.minsi
// CHECK: arith.cmpi sgt, %{{.+}}, %c0
// CHECK: scf.while
// CHECK: arith.cmpi sle, %{{.+}}, %[[FIRST]]
// CHECK: %[[BEGINS:.+]] = arith.cmpi sle, %{{.+}}, %[[FIRST]]
// CHECK: %[[ENDS:.+]] = arith.cmpi sle, %[[LAST]]
// CHECK: %[[INSIDE:.+]] = arith.andi %[[BEGINS]], %[[ENDS]]
// CHECK: scf.yield %[[INSIDE]]
// CHECK: scf.if
// CHECK: } else {
// CHECK: scf.for %[[HEAD:.+]] = %c0
// CHECK: tile.store %{{.+}}, %{{.+}}[%[[FIRST]], %[[HEAD]], %c0] rows 0
// CHECK-LABEL: func.func private @packed_1(
func.func @packed(%q: !P, %starts: tensor<?xi32>, %lengths: tensor<?xi32>) -> !P {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %total = tensor.dim %q, %c0 : !P
  %heads = tensor.dim %q, %c1 : !P
  %batches = tensor.dim %lengths, %c0 : tensor<?xi32>
  %rows = attn.view %q (%b, %h, %t, %c) {
    %s = tensor.extract %starts[%b] : tensor<?xi32>
    %i = arith.index_cast %s : i32 to index
    %x = arith.addi %i, %t : index
    attn.yield %x, %h, %c : index, index, index
  } sizes(%batches, %heads, %total, 64) lengths(%lengths) : !P -> !T
  %o = attn.attend dot(%rows, %rows) value(%rows) normalize @softmax : (!T, !T, !T) -> !T
  %p = attn.accumulate %o (%b, %h, %t, %c) {
    %s = tensor.extract %starts[%b] : tensor<?xi32>
    %i = arith.index_cast %s : i32 to index
    %x = arith.addi %i, %t : index
    attn.yield %x, %h, %c : index, index, index
  } sizes(%total, %heads, 64) injective lengths(%lengths) : !T -> !P
  return %p : !P
}
