// RUN: heddle-opt %s --split-input-file --attn-link-prelude --attn-to-tile="rows=32 keys=16 split-keys=false" --canonicalize --cse | FileCheck %s

!Q = tensor<?x?x?x24xbf16>
!K = tensor<?x?x?x24xbf16>
!V = tensor<?x?x?x48xbf16>
!O = tensor<?x?x?x48xbf16>

// The grid is computed from sizes; depth and columns are padded to 16; the loop carries reference, sum and accumulator.
// CHECK-LABEL: func.func @plain(
// CHECK:         tile.launch @plain_0(
// CHECK-LABEL: func.func private @plain_0(
// CHECK-SAME:    attributes {tile.kernel}
// CHECK:         scf.forall
// CHECK:           %[[Q:.+]] = tile.load {{.*}} -> tensor<32x32xbf16>
// CHECK:           scf.for {{.*}} -> (tensor<32x1xf32>, tensor<32x1xf32>, tensor<32x48xf32>)
// CHECK:             %[[K:.+]] = tile.load {{.*}} -> tensor<16x32xbf16>
// CHECK:             tile.dot %[[Q]], %[[K]], {{.*}} {transB} : tensor<32x32xbf16>, tensor<16x32xbf16> -> tensor<32x16xf32>
// CHECK:             tile.reduce max
// CHECK:             tile.reduce sum
// CHECK:             tile.dot {{.*}} : tensor<32x16xbf16>, tensor<16x48xbf16> -> tensor<32x48xf32>
// CHECK:           tile.store {{.*}} : tensor<32x48xbf16>
func.func @plain(%q: !Q, %k: !K, %v: !V) -> !O {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax : (!Q, !K, !V) -> !O
  return %o : !O
}

// -----

!T = tensor<?x?x?x32xf32>

// What stands before and after is pulled into the one kernel, at the position of its reader.
// CHECK-LABEL: func.func @pulled(
// CHECK-COUNT-1: tile.launch
// CHECK-NOT:   tile.launch
// CHECK-LABEL: func.func private @pulled_0(
// CHECK:         %[[Q:.+]] = tile.load
// CHECK:         math.tanh %[[Q]]
// CHECK:         scf.for
// CHECK:         scf.yield {{.*}} : tensor<32x32xf32>
// CHECK:         %[[GATE:.+]] = tile.load
// CHECK:         arith.mulf {{.*}}, %[[GATE]]
// CHECK:         tile.store
func.func @pulled(%q: !T, %k: !T, %v: !T, %gate: !T) -> !T {
  %f = math.tanh %q : !T
  %o = attn.attend dot(%f, %k) value(%v) normalize @sigmoid : (!T, !T, !T) -> !T
  %r = arith.mulf %o, %gate : !T
  return %r : !T
}

// -----

!T = tensor<?x?x?x32xf32>

// A mask inside the algebra needs no list; one outside is evaluated by a kernel and listed by another.
// CHECK-LABEL: func.func @outside(
// CHECK:         tile.launch @outside_0
// CHECK:         tile.launch @outside_1
// CHECK:         tile.launch @outside_2
// CHECK-LABEL: func.func private @outside_2(
// CHECK:         scf.for
// CHECK:           %[[ENTRY:.+]] = memref.load {{.*}} : memref<1x1x?x?xi32
// CHECK:           arith.shrui %[[ENTRY]]
func.func @outside(%q: !T, %k: !T, %v: !T, %seen: tensor<?x?xi32>) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax mask(%b, %h, %i, %j) {
    %s = tensor.extract %seen[%i, %j] : tensor<?x?xi32>
    %c0 = arith.constant 0 : i32
    %m = arith.cmpi ne, %s, %c0 : i32
    attn.yield %m : i1
  } : (!T, !T, !T) -> !T
  return %o : !T
}

// -----

!T = tensor<?x?x?x32xf32>

// What a second attend reads of a first goes through memory.
// CHECK-LABEL: func.func @twice(
// CHECK-COUNT-2: tile.launch
func.func @twice(%q: !T, %k: !T, %v: !T) -> !T {
  %a = attn.attend dot(%q, %k) value(%v) normalize @softmax : (!T, !T, !T) -> !T
  %o = attn.attend dot(%a, %k) value(%v) normalize @softmax : (!T, !T, !T) -> !T
  return %o : !T
}
