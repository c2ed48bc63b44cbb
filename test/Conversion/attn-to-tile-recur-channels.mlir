// RUN: heddle-opt %s --attn-to-tile="splits=1" --canonicalize --cse | FileCheck %s
// RUN: heddle-opt %s --attn-to-tile="splits=4" --canonicalize --cse | FileCheck %s --check-prefix=FOUR

!X = tensor<?x?x?x128xbf16>

// With a gate per channel channels are rows: sums of gates are a product with a triangle, of which two columns say how far a
// channel decays in each half of the chunk, and what is done to the state and to queries and keys is one number for each
// channel. Weights are one product. What was carried says at the end whether gates were moderate.

// CHECK-LABEL: func.func @gated(
// CHECK:         %[[MARKS:.+]] = memref.alloc
// CHECK:         scf.if
// CHECK:           tile.launch @gated_0({{.*}}%[[MARKS]])
// CHECK:           tile.launch @gated_1({{.*}}%[[MARKS]])
// CHECK:           tile.launch @gated_2({{.*}}%[[MARKS]])
// CHECK:         }
// CHECK-NEXT:    tile.launch @gated_3({{.*}}%[[MARKS]], %{{.+}})

// CHECK-LABEL: func.func private @gated_2(
// CHECK-SAME:    tile.puts_operands
// CHECK-SAME:    tile.schedule = "chunks of 64 tokens with 128 channels as rows, 128 columns of a state of 128x128, 8 consuming
// CHECK-SAME:    tile.warps = 8
// CHECK:         %[[PATH:.+]] = arith.truncf {{.*}} to tensor<64x64xbf16>
// CHECK:         scf.for {{.*}} iter_args(%[[S:.+]] = %{{.+}}, %[[LAG:.+]] = %{{.+}}, %{{.+}} = %{{.+}}) -> (tensor<128x128xf32>,
// CHECK-COUNT-3:   tile.load {{.*}} -> tensor<64x128xbf16>
// CHECK:           %[[G:.+]] = tile.load {{.*}} -> tensor<64x128xbf16>
// CHECK:           %[[SUMS:.+]] = tile.dot %[[G]], %[[PATH]], {{.*}} {transA}
// CHECK-COUNT-2:   tile.reduce sum {{.*}} dim 1 : tensor<128x64xf32> -> tensor<128x1xf32>
// CHECK:           arith.addf %[[LAG]],
// CHECK:           %[[BEFORE:.+]] = arith.mulf %[[S]],
// CHECK:           %[[SN:.+]] = arith.truncf %[[BEFORE]] : tensor<128x128xf32> to tensor<128x128xbf16>
// CHECK:           math.fma %[[SUMS]],
// CHECK:           %[[Q:.+]] = arith.truncf {{.*}} to tensor<128x64xbf16>
// CHECK:           math.fma %[[SUMS]],
// CHECK:           %[[K:.+]] = arith.truncf {{.*}} to tensor<128x64xbf16>
// CHECK:           %[[SPLIT:.+]] = tile.dot %[[Q]], %[[K]], {{.*}} {transA}
// CHECK:           %[[R:.+]] = tile.dot %[[Q]], %[[SN]], {{.*}} {transA}
// CHECK:           tile.dot %[[K]], %{{.+}}, %[[BEFORE]] : tensor<128x64xbf16>, tensor<64x128xbf16>
// CHECK:           %[[P:.+]] = arith.truncf {{.*}} to tensor<64x64xbf16>
// CHECK:           tile.dot %[[P]], %{{.+}}, %[[R]]
// CHECK:         tile.reduce max {{.*}} dim 0
// CHECK:         memref.store

// Heads where they were not have a kernel that looks at each chunk: where the sums of some channel are beyond 2^-64 in
// either half, there is one product for each bit of a position.

// CHECK-LABEL: func.func private @gated_3(
// CHECK:         %[[MARK:.+]] = memref.load
// CHECK:         %[[IS:.+]] = arith.cmpf one, %[[MARK]],
// CHECK:         %[[COUNT:.+]] = arith.select %[[IS]],
// CHECK:         scf.for %{{.+}} = %{{.+}} to %[[COUNT]] {{.*}} -> (tensor<128x128xf32>) {
// CHECK:           tile.reduce max {{.*}} dim 0
// CHECK:           %[[STRONG:.+]] = arith.cmpf ugt,
// CHECK:           %[[SPLIT:.+]] = tile.dot {{.*}} {transA}
// CHECK:           scf.if %[[STRONG]] -> (tensor<64x64xf32>) {
// CHECK:             tile.dot {{.*}} {transB}
// CHECK:             scf.for
// CHECK-COUNT-2:       tile.dot
// CHECK:             } {tile.seldom}
// CHECK:           } else {
// CHECK-NEXT:        scf.yield %[[SPLIT]]

// Segments leave the sums of every channel.
// FOUR-LABEL: func.func private @gated_0(
// FOUR:         scf.for {{.*}} -> (tensor<128x128xf32>, tensor<128x1xf32>)
// FOUR:         tile.store {{.*}} : tensor<128x128xf32>
// FOUR:         tile.store {{.*}} column : tensor<128x1xf32>, memref<4x?x?x128xf32
// FOUR-LABEL: func.func private @gated_1(
// FOUR:         scf.for {{.*}} -> (tensor<128x128xf32>, tensor<128x128xf32>, tensor<128x1xf32>) {
// FOUR:           tile.load {{.*}} column : memref<4x?x?x128xf32{{.*}} -> tensor<128x1xf32>
// FOUR-LABEL: func.func private @gated_2(
// FOUR:         scf.for {{.*}} -> (tensor<128x128xf32>, tensor<128x128xf32>, tensor<128x1xf32>) {
// FOUR:           tile.load {{.*}} column : memref<4x?x?x128xf32{{.*}} -> tensor<128x1xf32>

// Gates of f32 are two terms for the matrix unit.
// CHECK-LABEL: func.func private @wide_0(
// CHECK-SAME:    128 columns of a state of 128x128
// CHECK:           %[[G:.+]] = tile.load {{.*}} -> tensor<64x128xf32>
// CHECK:           tile.transpose %[[G]]
// CHECK-COUNT-2:   tile.dot {{.*}} : tensor<128x64xbf16>, tensor<64x64xbf16>
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true,
    hasRegisterReallocation = true, sharedBytesPerBlock = 232448, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @gated(%q: !X, %k: !X, %v: !X, %g: !X) -> !X {
  %o = attn.recur query(%q) key(%k) value(%v) gate(%g) : (!X, !X, !X, !X) -> !X
  return %o : !X
}
func.func @wide(%q: !X, %k: !X, %v: !X, %g: tensor<?x?x?x128xf32>) -> !X {
  %o = attn.recur query(%q) key(%k) value(%v) gate(%g) : (!X, !X, !X, tensor<?x?x?x128xf32>) -> !X
  return %o : !X
}
}
