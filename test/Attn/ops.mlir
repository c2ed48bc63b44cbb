// RUN: heddle-opt %s | heddle-opt | FileCheck %s
// RUN: heddle-opt %s --mlir-print-op-generic | heddle-opt | FileCheck %s
!X = tensor<?x?x?x128xbf16>
!R = tensor<?x?x?xf32>

// CHECK-LABEL: func.func @alibi
// CHECK: attn.attend dot(%{{.*}}, %{{.*}}) value(%{{.*}}) normalize @softmax stats [lse] score(%[[S:.*]], %[[B:.*]], %[[H:.*]], %[[I:.*]], %[[J:.*]]) {
// CHECK:   tensor.extract %{{.*}}[%[[H]]]
// CHECK:   attn.yield %{{.*}} : f32
// CHECK: } mask(%{{.*}}, %{{.*}}, %[[I:.*]], %[[J:.*]]) {
// CHECK:   arith.cmpi sle, %[[J]], %[[I]] : index
// CHECK: } : (tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>) -> (tensor<?x?x?x128xbf16>, tensor<?x?x?xf32>)
func.func @alibi(%q: !X, %k: !X, %v: !X, %slope: tensor<?xf32>) -> (!X, !R) {
  %o, %lse = attn.attend dot(%q, %k) value(%v) normalize @softmax stats [lse]
    score(%s, %b, %h, %i, %j) {
      %a = tensor.extract %slope[%h] : tensor<?xf32>
      %y = arith.addf %a, %s : f32
      attn.yield %y : f32
    } mask(%b, %h, %i, %j) {
      %m = arith.cmpi sle, %j, %i : index
      attn.yield %m : i1
    } : (!X, !X, !X) -> (!X, !R)
  return %o, %lse : !X, !R
}

// CHECK-LABEL: func.func @plain
// CHECK: attn.attend dot(%{{.*}}, %{{.*}}) value(%{{.*}}) normalize @softmax_sink(%{{.*}} : tensor<?xf32>) : (
func.func @plain(%q: !X, %k: !X, %v: !X, %t: tensor<?xf32>) -> !X {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax_sink(%t : tensor<?xf32>) : (!X, !X, !X) -> !X
  return %o : !X
}

// Two dots, weights of their own, results over rows and over keys: the shape of a backward pass.
// CHECK-LABEL: func.func @weights
// CHECK: attn.attend dot(%{{.*}}) dot(%{{.*}}) value(%{{.*}}) value(%{{.*}}) covalue(%{{.*}}) score(%[[S:.*]], %[[G:.*]], %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) {
// CHECK: attn.yield %[[S]], %[[G]], %[[S]] : f32, f32, f32
func.func @weights(%q: !X, %k: !X, %v: !X, %u: !X) -> (!X, !X, !X) {
  %r:3 = attn.attend dot(%k, %q) dot(%v, %u) value(%q) value(%u) covalue(%k)
    score(%s, %g, %b, %h, %j, %i) {
      attn.yield %s, %g, %s : f32, f32, f32
    } : (!X, !X, !X, !X, !X, !X, !X) -> (!X, !X, !X)
  return %r#0, %r#1, %r#2 : !X, !X, !X
}

// CHECK-LABEL: func.func @tables
// CHECK: attn.attend dot(%{{.*}}) table(%{{.*}}, %[[H:.*]], %{{.*}}, %{{.*}}) {
// CHECK:   attn.yield %[[H]] : index
// CHECK: } sizes(32) table(
// CHECK: } sizes(%{{.*}}, 4) normalize @softmax : (tensor<?x?x?x128xbf16>, tensor<?x?x?x128xbf16>) -> (tensor<32xf32>, tensor<?x4xf32>)
func.func @tables(%q: !X, %k: !X, %n: index) -> (tensor<32xf32>, tensor<?x4xf32>) {
  %r:2 = attn.attend dot(%q, %k)
    table(%b, %h, %i, %j) { attn.yield %h : index } sizes(32)
    table(%b, %h, %i, %j) { attn.yield %j, %b : index, index } sizes(%n, 4)
    normalize @softmax : (!X, !X) -> (tensor<32xf32>, tensor<?x4xf32>)
  return %r#0, %r#1 : tensor<32xf32>, tensor<?x4xf32>
}

// CHECK-LABEL: func.func @pair
// CHECK: attn.attend pair(%{{.*}}, %{{.*}}) (%[[X:.*]], %[[Y:.*]], %{{.*}}) {
// CHECK:   arith.addf %[[X]], %[[Y]] : f32
func.func @pair(%q: !X, %k: !X, %v: !X) -> !X {
  %o = attn.attend pair(%q, %k) (%x, %y, %c) {
      %z = arith.addf %x, %y : f32
      attn.yield %z : f32
    } value(%v) normalize @softmax : (!X, !X, !X) -> !X
  return %o : !X
}

// CHECK-LABEL: func.func @two_key_sides
// CHECK: attn.attend dot(%{{.*}}, %{{.*}}, %{{.*}}) value(%{{.*}}, %{{.*}}) normalize @softmax stats [lse, max] mask(%{{.*}}, %{{.*}}, %{{.*}}, %[[J:.*]], %[[K:.*]]) {
// CHECK:   arith.cmpi sle, %[[J]], %[[K]] : index
func.func @two_key_sides(%q: !X, %k: !X, %k2: !X, %v: !X, %v2: !X) -> (!X, !R, !R) {
  %o:3 = attn.attend dot(%q, %k, %k2) value(%v, %v2) normalize @softmax stats [lse, max]
    mask(%b, %h, %i, %j, %k3) {
      %m = arith.cmpi sle, %j, %k3 : index
      attn.yield %m : i1
    } : (!X, !X, !X, !X, !X) -> (!X, !R, !R)
  return %o#0, %o#1, %o#2 : !X, !R, !R
}
