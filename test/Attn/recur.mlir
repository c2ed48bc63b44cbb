// RUN: heddle-opt %s | heddle-opt | FileCheck %s
// RUN: heddle-opt %s --mlir-print-op-generic | heddle-opt | FileCheck %s
// RUN: heddle-opt %s --verify-attn | FileCheck %s
!Q = tensor<?x8x?x32xbf16>
!K = tensor<?x2x?x32xbf16>
!V = tensor<?x4x?x48xbf16>
!O = tensor<?x8x?x48xbf16>
!R = tensor<?x8x?xf32>
!S = tensor<?x8x32x48xf32>
!Z = tensor<?x8x32xf32>

// CHECK-LABEL: func.func @plain
// CHECK: attn.recur query(%{{.*}}) key(%{{.*}}) value(%{{.*}}) : (tensor<?x8x?x32xbf16>, tensor<?x2x?x32xbf16>, tensor<?x4x?x48xbf16>) -> tensor<?x8x?x48xbf16>
func.func @plain(%q: !Q, %k: !K, %v: !V) -> !O {
  %o = attn.recur query(%q) key(%k) value(%v) : (!Q, !K, !V) -> !O
  return %o : !O
}

// Gates by shape: a head's, a token's (one head for all), a channel's.
// CHECK-LABEL: func.func @gates
// CHECK: gate(%{{.*}}) : ({{.*}}, tensor<8xf32>) ->
// CHECK: gate(%{{.*}}) : ({{.*}}, tensor<?x1x?xf32>) ->
// CHECK: gate(%{{.*}}) : ({{.*}}, tensor<?x2x?x32xbf16>) ->
func.func @gates(%q: !Q, %k: !K, %v: !V, %h: tensor<8xf32>, %t: tensor<?x1x?xf32>, %c: !K) -> (!O, !O, !O) {
  %a = attn.recur query(%q) key(%k) value(%v) gate(%h) : (!Q, !K, !V, tensor<8xf32>) -> !O
  %b = attn.recur query(%q) key(%k) value(%v) gate(%t) : (!Q, !K, !V, tensor<?x1x?xf32>) -> !O
  %d = attn.recur query(%q) key(%k) value(%v) gate(%c) : (!Q, !K, !V, !K) -> !O
  return %a, %b, %d : !O, !O, !O
}

// CHECK-LABEL: func.func @all
// CHECK: %{{.*}}:4 = attn.recur query(%{{.*}}) key(%{{.*}}) value(%{{.*}}) gate(%{{.*}}) segments(%{{.*}}) init(%{{.*}}, %{{.*}}) at(%[[I:.*]]) {
// CHECK:   arith.subi %[[I]], %{{.*}} : index
// CHECK:   attn.yield %{{.*}} : index
// CHECK: } stats [mass] final {note = "kept"} : (
func.func @all(%q: !Q, %k: !K, %v: !V, %g: tensor<?x8x?xf32>, %s: tensor<?x?xi32>, %s0: !S, %z0: !Z, %n: index)
    -> (!O, !R, !S, !Z) {
  %o, %m, %s1, %z1 = attn.recur query(%q) key(%k) value(%v) gate(%g) segments(%s) init(%s0, %z0) at(%i) {
    %t = arith.subi %i, %n : index
    attn.yield %t : index
  } stats [mass] final {note = "kept"}
    : (!Q, !K, !V, tensor<?x8x?xf32>, tensor<?x?xi32>, !S, !Z) -> (!O, !R, !S, !Z)
  return %o, %m, %s1, %z1 : !O, !R, !S, !Z
}

// CHECK-LABEL: func.func @merged
// CHECK: attn.merge (%{{.*}}, %{{.*}}) weights(%[[B:.*]], %[[H:.*]], %[[I:.*]]) {
// CHECK:   tensor.extract %{{.*}}[%[[B]], %[[H]], %[[I]]]
// CHECK:   attn.yield %{{.*}}, %{{.*}} : f32, f32
// CHECK: } : (tensor<?x8x?x48xbf16>, tensor<?x8x?x48xf32>) -> tensor<?x8x?x48xbf16>
func.func @merged(%x: !O, %y: tensor<?x8x?x48xf32>, %m: !R, %alpha: f32) -> !O {
  %o = attn.merge (%x, %y) weights(%b, %h, %i) {
    %w = tensor.extract %m[%b, %h, %i] : !R
    attn.yield %w, %alpha : f32, f32
  } : (!O, tensor<?x8x?x48xf32>) -> !O
  return %o : !O
}
