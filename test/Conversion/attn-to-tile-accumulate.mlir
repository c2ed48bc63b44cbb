// RUN: heddle-opt %s --attn-link-prelude --attn-to-tile="rows=32 keys=32 split-keys=false" --canonicalize --cse | FileCheck %s

!T = tensor<?x?x?x64xf32>

// A result in another order is all written, unless it is larger: then what is around becomes zero first.

// CHECK-LABEL: func.func @tokens_first(
// CHECK: arith.cmpi slt
// CHECK: scf.if %{{.+}} {
// CHECK-NEXT: tile.launch @tokens_first_0(%[[OUT:[^)]+]])
// CHECK-NEXT: }
// CHECK: tile.launch @tokens_first_1({{.*}}%[[OUT]])
func.func @tokens_first(%q: !T, %sizes: index) -> !T {
  %c1 = arith.constant 1 : index
  %heads = tensor.dim %q, %c1 : !T
  %o = attn.attend dot(%q, %q) value(%q) normalize @softmax : (!T, !T, !T) -> !T
  %p = attn.accumulate %o (%b, %h, %t, %c) {
    attn.yield %b, %t, %h, %c : index, index, index, index
  } sizes(%sizes, %sizes, %heads, 64) injective : !T -> !T
  return %p : !T
}

// Rows that are read through a view which ends where its array does need no mask.

// CHECK-LABEL: func.func private @recurrence_0(
// CHECK-NOT: arith.select
// CHECK: tile.dot
// CHECK: return
func.func @recurrence(%q: !T) -> !T {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %batches = tensor.dim %q, %c0 : !T
  %tokens = tensor.dim %q, %c1 : !T
  %heads = tensor.dim %q, %c2 : !T
  %x = attn.view %q (%b, %h, %t, %c) {
    attn.yield %b, %t, %h, %c : index, index, index, index
  } sizes(%batches, %heads, %tokens, 64) : !T -> !T
  %o = attn.recur query(%x) key(%x) value(%x) : (!T, !T, !T) -> !T
  return %o : !T
}

// Of three dimensions the positions that lengths end are rows of a column: those behind are neither read nor written.

// CHECK-LABEL: func.func private @ragged_1(
// CHECK: tile.load %{{.+}} limit(%{{.+}}) column : {{.*}} -> tensor<64x1xf32>
// CHECK: tile.store %{{.+}} limit(%{{.+}}) column : tensor<64x1xf32>
func.func @ragged(%x: tensor<?x?x?xf32>, %n: tensor<?xi32>, %size: index) -> tensor<?x?x?xf32> {
  %y = attn.view %x (%b, %h, %t) {
    attn.yield %b, %h, %t : index, index, index
  } sizes(%size, %size, %size) lengths(%n : tensor<?xi32>) : tensor<?x?x?xf32> -> tensor<?x?x?xf32>
  %p = attn.accumulate %y (%b, %h, %t) {
    attn.yield %b, %h, %t : index, index, index
  } sizes(%size, %size, %size) injective lengths(%n : tensor<?xi32>) : tensor<?x?x?xf32> -> tensor<?x?x?xf32>
  return %p : tensor<?x?x?xf32>
}
