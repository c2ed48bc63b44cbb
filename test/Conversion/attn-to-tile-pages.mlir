// RUN: heddle-opt %s --attn-link-prelude --attn-to-tile="rows=32 keys=16 splits=1" --canonicalize --cse | FileCheck %s

!Q = tensor<?x?x?x32xf32>
!POOL64 = tensor<?x?x64x32xf32>
!POOL8 = tensor<?x?x8x32xf32>

// A page holds whole blocks of keys: a block is read by a load from its page, whose number is kept inside of the pool.
// CHECK-LABEL: func.func private @whole_blocks_0(
// CHECK-SAME:    %{{[^:]+}}: memref<?x?x?x32xf32{{.*}}>, %[[POOL:[^:]+]]: memref<?x?x64x32xf32{{.*}}>, %[[TABLE:[^:]+]]: memref<?x?xi32
// CHECK-DAG:     %[[C0:.+]] = arith.constant 0 : index
// CHECK:         scf.for
// CHECK-NOT:       tile.gather
// CHECK:           %[[FIRST:.+]] = arith.muli %{{.+}}, %c16
// CHECK:           %[[PART:.+]] = arith.divui %[[FIRST]], %c64
// CHECK:           %[[ENTRY:.+]] = memref.load %[[TABLE]][%{{.+}}, %[[PART]]]
// CHECK:           %[[PAGE:.+]] = arith.index_cast %[[ENTRY]]
// CHECK:           %[[LOW:.+]] = arith.minsi %[[PAGE]]
// CHECK:           %[[KEPT:.+]] = arith.maxsi %[[LOW]], %[[C0]]
// CHECK:           %[[KEYS:.+]] = tile.load %[[POOL]][%[[KEPT]], %{{.+}}, %{{.+}}, %[[C0]]] limit(
// CHECK-NOT:       arith.select
// CHECK:           tile.dot %{{.+}}, %[[KEYS]], %{{.+}} {transB}
func.func @whole_blocks(%q: !Q, %pool: !POOL64, %table: tensor<?x?xi32>, %lengths: tensor<?xi32>, %keys: index) -> !Q {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %B = tensor.dim %q, %c0 : !Q
  %H = tensor.dim %pool, %c1 : !POOL64
  %k = attn.view %pool (%b, %h, %t, %c) {
    %n = arith.divui %t, %c64 : index
    %e = tensor.extract %table[%b, %n] : tensor<?x?xi32>
    %p = arith.index_cast %e : i32 to index
    %r = arith.remui %t, %c64 : index
    attn.yield %p, %h, %r, %c : index, index, index, index
  } sizes(%B, %H, %keys, 32) lengths(%lengths) : !POOL64 -> !Q
  %o = attn.attend dot(%q, %k) value(%k) normalize @softmax : (!Q, !Q, !Q) -> !Q
  return %o : !Q
}

// A block spans pages: rows are gathered.
// CHECK-LABEL: func.func private @spans_pages_0(
// CHECK:         tile.gather
func.func @spans_pages(%q: !Q, %pool: !POOL8, %table: tensor<?x?xi32>, %lengths: tensor<?xi32>, %keys: index) -> !Q {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %B = tensor.dim %q, %c0 : !Q
  %H = tensor.dim %pool, %c1 : !POOL8
  %k = attn.view %pool (%b, %h, %t, %c) {
    %n = arith.divui %t, %c8 : index
    %e = tensor.extract %table[%b, %n] : tensor<?x?xi32>
    %p = arith.index_cast %e : i32 to index
    %r = arith.remui %t, %c8 : index
    attn.yield %p, %h, %r, %c : index, index, index, index
  } sizes(%B, %H, %keys, 32) lengths(%lengths) : !POOL8 -> !Q
  %o = attn.attend dot(%q, %k) value(%k) normalize @softmax : (!Q, !Q, !Q) -> !Q
  return %o : !Q
}
