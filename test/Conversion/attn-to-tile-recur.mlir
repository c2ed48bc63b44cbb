// RUN: heddle-opt %s --split-input-file --attn-to-tile="chunk=32 value-columns=32 split-keys=false" --canonicalize --cse | FileCheck %s

!Q = tensor<?x?x?x24xbf16>
!V = tensor<?x?x?x48xbf16>

// A block owns columns of the state and goes over the tokens: scores masked, the state read, the chunk added, the state
// carried on.
// CHECK-LABEL: func.func @plain(
// CHECK:         tile.launch @plain_0(
// CHECK-LABEL: func.func private @plain_0(
// CHECK-SAME:    attributes {tile.kernel, tile.part = "whole sequences, a block for every 32 columns of the state"}
// CHECK:         scf.forall (%[[SLICE:.+]], %[[H:.+]], %[[B:.+]]) in (2,
// CHECK:           scf.for {{.*}} iter_args(%[[S:.+]] = %{{.+}}) -> (tensor<32x32xf32>) {
// CHECK:             %[[Q:.+]] = tile.load {{.*}} -> tensor<32x32xbf16>
// CHECK:             %[[K:.+]] = tile.load {{.*}} -> tensor<32x32xbf16>
// CHECK:             %[[V:.+]] = tile.load {{.*}} -> tensor<32x32xbf16>
// CHECK:             %[[A:.+]] = tile.dot %[[Q]], %[[K]], {{.*}} {transB}
// CHECK:             %[[SN:.+]] = arith.truncf %[[S]]
// CHECK:             %[[O:.+]] = tile.dot %[[Q]], %[[SN]],
// CHECK:             %[[P:.+]] = arith.select %{{.+}}, %[[A]]
// CHECK:             %[[PN:.+]] = arith.truncf %[[P]]
// CHECK:             %[[OO:.+]] = tile.dot %[[PN]], %[[V]], %[[O]]
// CHECK:             %[[NEXT:.+]] = tile.dot %[[K]], %[[V]], %[[S]] {transA}
// CHECK:             tile.store
// CHECK:             scf.yield %[[NEXT]]
func.func @plain(%q: !Q, %k: !Q, %v: !V) -> !V {
  %o = attn.recur query(%q) key(%k) value(%v) : (!Q, !Q, !V) -> !V
  return %o : !V
}

// -----

!X = tensor<?x?x?x32xf32>
!S = tensor<?x?x32x32xf32>

// A gate per token: read as a column and made a row; exponents are differences of sums that start in the chunk. What makes
// the keys is pulled in, and zero behind the end. The state comes from memory and goes there.
// CHECK-LABEL: func.func private @gated_0(
// CHECK:         %[[S0:.+]] = tile.load {{.*}} -> tensor<32x32xf32>
// CHECK:         %[[LOOP:.+]] = scf.for {{.*}} iter_args(%{{.+}} = %[[S0]])
// CHECK:           %[[E:.+]] = math.exp %
// CHECK:           %[[K:.+]] = arith.select %{{.+}}, %[[E]],
// CHECK:           tile.dot {{.*}} {transB}
// CHECK:           %[[G:.+]] = tile.load {{.*}} column {{.*}} -> tensor<32x1xf32>
// CHECK:           arith.maximumf
// CHECK-DAG:       tile.reduce sum {{.*}} dim 0
// CHECK-DAG:       tile.reduce sum {{.*}} dim 1
// CHECK:           math.exp2 {{.*}} : tensor<32x1xf32>
// CHECK:           math.exp2 {{.*}} : tensor<32x32xf32>
// CHECK:         tile.store %[[LOOP]],
func.func @gated(%q: !X, %k: !X, %v: !X, %g: tensor<?x?x?xf32>, %s: !S) -> (!X, !S) {
  %f = math.exp %k : !X
  %o, %s1 = attn.recur query(%q) key(%f) value(%v) gate(%g) init(%s) final
    : (!X, !X, !X, tensor<?x?x?xf32>, !S) -> (!X, !S)
  return %o, %s1 : !X, !S
}

// -----

!X = tensor<?x?x?x32xf32>

// A gate per channel: one product for each bit of a position in the chunk.
// CHECK-LABEL: func.func private @channels_0(
// CHECK:         scf.for
// CHECK-COUNT-5:   tile.dot {{.*}} {transB}
// CHECK-NOT:       transB
// CHECK:           transA
func.func @channels(%q: !X, %k: !X, %v: !X, %g: !X) -> !X {
  %o = attn.recur query(%q) key(%k) value(%v) gate(%g) : (!X, !X, !X, !X) -> !X
  return %o : !X
}

// -----

!X = tensor<?x?x1x32xf32>
!S = tensor<?x?x32x32xf32>

// One token: no products.
// CHECK-LABEL: func.func private @step_0(
// CHECK-NOT:     tile.dot
// CHECK-NOT:     scf.for {{.*}}
// CHECK:         tile.reduce sum {{.*}} dim 0 : tensor<32x32xf32> -> tensor<1x32xf32>
func.func @step(%q: !X, %k: !X, %v: !X, %g: tensor<?xf32>, %s: !S) -> (!X, !S) {
  %o, %s1 = attn.recur query(%q) key(%k) value(%v) gate(%g) init(%s) final
    : (!X, !X, !X, tensor<?xf32>, !S) -> (!X, !S)
  return %o, %s1 : !X, !S
}

// -----

!X = tensor<?x?x?x32xf32>
!R = tensor<?x?x?xf32>

// A merge of what an attend and a recur make belongs to the later kernel, the mass that it divides by included.
// CHECK-LABEL: func.func @merged(
// CHECK-COUNT-2: tile.launch
// CHECK-NOT:     tile.launch
// CHECK-LABEL: func.func private @merged_1(
// CHECK:         arith.divf
// CHECK:         tile.store
// CHECK-NOT:     tile.store
attn.normalizer @n weights(1) sums(0) {
  weight(%s, %b, %h, %i, %j) {
    attn.yield %s : f32
  }
  finish(%b, %h, %i) {
    %one = arith.constant 1.0 : f32
    attn.yield %one : f32
  }
}
func.func @merged(%q: !X, %k: !X, %v: !X, %alpha: f32) -> !X {
  %x = attn.attend dot(%q, %k) value(%v) normalize @n mask(%b, %h, %i, %j) {
    %d = arith.cmpi eq, %i, %j : index
    attn.yield %d : i1
  } : (!X, !X, !X) -> !X
  %y, %mass = attn.recur query(%q) key(%k) value(%v) stats [mass] : (!X, !X, !X) -> (!X, !R)
  %one = arith.constant 1.0 : f32
  %o = attn.merge (%x, %y) weights(%b, %h, %i) {
    %z = tensor.extract %mass[%b, %h, %i] : !R
    %w = arith.divf %one, %z : f32
    attn.yield %alpha, %w : f32, f32
  } : (!X, !X) -> !X
  return %o : !X
}

// -----

!X = tensor<?x?x?x32xf32>

// Rows that lag behind: blocks of rows carry the state and its chunk, pass by chunks, and read the one where they end.
// CHECK-LABEL: func.func private @behind_0(
// CHECK:         scf.for {{.*}} -> (tensor<32x32xf32>, index) {
// CHECK:           %[[PAST:.+]]:2 = scf.for {{.*}} -> (tensor<32x32xf32>, tensor<32x32xf32>) {
// CHECK:             arith.cmpi ult, {{.*}} : tensor<32x1xi32>
// CHECK:             tile.dot {{.*}} {transA}
// CHECK:           }
// CHECK:           tile.dot {{.*}}, %[[PAST]]#0,
// CHECK:           tile.store
// CHECK:           scf.yield %[[PAST]]#0, %{{.*}} : tensor<32x32xf32>, index
func.func @behind(%q: !X, %k: !X, %v: !X, %n: index) -> !X {
  %o = attn.recur query(%q) key(%k) value(%v) at(%i) {
    %t = arith.subi %i, %n : index
    attn.yield %t : index
  } : (!X, !X, !X) -> !X
  return %o : !X
}

// -----

!X = tensor<?x?x?x32xf32>

// Of gates per channel a row's decays go to the last token that it has seen, those of keys to the middle that both split at.
// CHECK-LABEL: func.func private @lagging_channels_0(
// CHECK:         arith.cmpi ult, {{.*}} : tensor<32x1xi32>
// CHECK-COUNT-2: math.exp2 {{.*}} : tensor<32x32xf32>
func.func @lagging_channels(%q: !X, %k: !X, %v: !X, %g: !X) -> !X {
  %o = attn.recur query(%q) key(%k) value(%v) gate(%g) at(%i) {
    %c = arith.constant 2 : index
    %t = arith.divui %i, %c : index
    attn.yield %t : index
  } : (!X, !X, !X, !X) -> !X
  return %o : !X
}
