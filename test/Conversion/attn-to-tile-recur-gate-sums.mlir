// RUN: heddle-opt %s --attn-to-tile="splits=1" --canonicalize --cse | FileCheck %s

!X = tensor<?x?x?x128xbf16>

// Gates of a token and head are added up by a kernel in front, of sixteen heads of a chunk at once: a product of a triangle of
// ones with three narrow terms, the least first. The others read the sums as a row, as a column and as the last of them.

// CHECK-LABEL: func.func @gated(
// CHECK:         %[[SUMS:.+]] = memref.alloc({{.*}} : memref<?x?x?xf32>
// CHECK:         scf.if
// CHECK:           tile.launch @gated_0(%arg3, %[[SUMS]])
// CHECK:         tile.launch @gated_1({{.*}}, %[[SUMS]]
// CHECK-LABEL: func.func private @gated_0(
// CHECK:         tile.gather {{.*}} -> tensor<128x16xf32>
// CHECK:         %[[FIRST:.+]] = arith.truncf %{{.+}} : tensor<128x16xf32> to tensor<128x16xbf16>
// CHECK:         %[[SECOND:.+]] = arith.truncf %{{.+}} : tensor<128x16xf32> to tensor<128x16xbf16>
// CHECK:         %[[THIRD:.+]] = arith.truncf %{{.+}} : tensor<128x16xf32> to tensor<128x16xbf16>
// CHECK:         %[[A:.+]] = tile.dot %[[ONES:.+]], %[[THIRD]], %{{.+}} : tensor<128x128xbf16>, tensor<128x16xbf16>
// CHECK:         %[[B:.+]] = tile.dot %[[ONES]], %[[SECOND]], %[[A]]
// CHECK:         tile.dot %[[ONES]], %[[FIRST]], %[[B]]
// CHECK-COUNT-16: tile.store {{.*}} column : tensor<128x1xf32>
// CHECK-LABEL: func.func private @gated_1(
// CHECK:         scf.for
// CHECK:           %[[ROW:.+]] = tile.load {{.*}} -> tensor<1x128xf32>
// CHECK:           tile.slice %[[ROW]][0, 127]
// CHECK:           tile.transpose %[[ROW]] : tensor<1x128xf32> -> tensor<128x1xf32>
// CHECK-NOT:       tile.reduce
// Where gates lie token by token, a kernel with all columns adds up its own.
// CHECK-LABEL: func.func private @gated_3(
// CHECK:           tile.load {{.*}} -> tensor<1x128xf32>
// CHECK:           tile.reduce sum
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true,
    hasRegisterReallocation = true, sharedBytesPerBlock = 232448, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @gated(%q: !X, %k: !X, %v: !X, %g: tensor<?x?x?xf32>) -> !X {
  %o = attn.recur query(%q) key(%k) value(%v) gate(%g) : (!X, !X, !X, tensor<?x?x?xf32>) -> !X
  return %o : !X
}
}
