// RUN: heddle-opt %s --attn-to-tile --canonicalize --cse | FileCheck %s
// RUN: heddle-opt %s --attn-to-tile="splits=1" --canonicalize --cse | FileCheck %s --check-prefix=ONE
// RUN: heddle-opt %s --attn-to-tile="splits=4" --canonicalize --cse | FileCheck %s --check-prefix=FOUR

!X = tensor<?x?x?x128xbf16>

// Where a block for each head leaves multiprocessors without work, and segments of at least 512 tokens give them some, the
// tokens are divided, in two kernels with a workspace between them; else blocks own half or a quarter of the columns, as
// long as all run at a time. In front of them all sums of gates are made.

// CHECK-LABEL: func.func @few(
// CHECK:         %[[MACHINE:.+]] = tile.machine
// CHECK:         %[[EACH:.+]] = arith.divsi %[[MACHINE]],
// CHECK:         %[[SEGMENTS:.+]] = arith.minsi %[[EACH]],
// CHECK:         %[[DIVIDED:.+]] = arith.cmpi sge, %[[SEGMENTS]], %c3
// CHECK:         %[[COUNT:.+]] = arith.select %[[DIVIDED]], %[[SEGMENTS]], %c0
// CHECK:         memref.alloc(%[[COUNT]], {{.*}} : memref<?x?x?x128x128xf32>
// CHECK:         memref.alloc(%[[COUNT]], {{.*}} : memref<?x?x?xf32>
// CHECK:         scf.if %[[DIVIDED]] {
// CHECK:           tile.launch @few_1(
// CHECK:           tile.launch @few_2(
// CHECK:         } else {
// CHECK:           arith.cmpi sle, %{{.+}}, %[[MACHINE]]
// CHECK:           scf.if
// CHECK-COUNT-3:   tile.launch
// What a segment adds to nothing, from its end, and the sum of its gates; nobody asks for those of the last one.
// CHECK-LABEL: func.func private @few_1(
// CHECK:         %[[LAST:.+]] = arith.subi %{{.+}}, %c1
// CHECK:         scf.forall {{.*}} in (%[[LAST]],
// CHECK:         scf.for %[[N:.+]] = {{.*}} iter_args(%[[S:.+]] = %{{.+}}, %[[LATER:.+]] = %{{.+}}) -> (tensor<128x128xf32>, tensor<1x1xf32>)
// CHECK:           arith.subi %{{.+}}, %[[N]]
// CHECK-NOT:       transB
// CHECK:           arith.addf %{{.+}}, %[[LATER]]
// CHECK:           tile.dot {{.*}}, %[[S]] :
// CHECK:         tile.store {{.*}} : tensor<128x128xf32>
// CHECK:         memref.store
// What those before a segment add, in order, the next one loaded ahead, and then its rows.
// CHECK-LABEL: func.func private @few_2(
// CHECK:         tile.load {{.*}} -> tensor<128x128xf32>
// CHECK:         memref.load
// CHECK:         %[[BEFORE:.+]]:3 = scf.for {{.*}} -> (tensor<128x128xf32>, tensor<128x128xf32>, f32) {
// CHECK:           arith.minsi
// CHECK:           tile.load {{.*}} -> tensor<128x128xf32>
// CHECK:           memref.load
// CHECK:         scf.for {{.*}} iter_args(%{{.+}} = %[[BEFORE]]#0)
// CHECK:           tile.dot {{.*}} {transB}
// CHECK-LABEL: func.func private @few_3(
// CHECK:         tile.load {{.*}} -> tensor<128x32xbf16>

// ONE-LABEL: func.func @few(
// ONE:         memref.alloc({{.*}} : memref<?x?x?xf32>
// ONE-NOT:     memref.alloc
// ONE-COUNT-4: tile.launch

// FOUR-LABEL: func.func @few(
// FOUR:         memref.alloc({{.*}} : memref<4x?x?x128x128xf32>
// FOUR:         tile.launch @few_1(
// FOUR:         tile.launch @few_2(
// FOUR-NOT:     tile.launch
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true,
    hasRegisterReallocation = true, sharedBytesPerBlock = 232448, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @few(%q: !X, %k: !X, %v: !X, %g: tensor<?x?x?xf32>) -> !X {
  %o = attn.recur query(%q) key(%k) value(%v) gate(%g) : (!X, !X, !X, tensor<?x?x?xf32>) -> !X
  return %o : !X
}
}
