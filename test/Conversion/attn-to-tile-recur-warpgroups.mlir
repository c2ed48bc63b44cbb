// RUN: heddle-opt %s --split-input-file --attn-to-tile --canonicalize --cse | FileCheck %s

!X = tensor<?x?x?x128xbf16>

// Where products are those of warpgroups a chunk is the rows of two groups. Products that wait for nothing come first, then
// what goes to other threads: the state as a right operand. The sums of gates come from memory (GateSums.h). The decays to the chunk's end go into the transposed keys, which are a left operand.

// CHECK-LABEL: func.func private @gated_1(
// CHECK-SAME:    tile.schedule = "chunks of 128 tokens, 128 columns of a state of 128x128, 8 consuming and 4 copying warps, 2 stages: 232 registers (addresses 40, state 64, scores 64, result 64), 231424 bytes of shared memory (barriers 2048, queries and keys 131072, values 65536, state 32768)"
// CHECK-SAME:    tile.warps = 8
// CHECK:         scf.for {{.*}} iter_args(%[[S:.+]] = %{{.+}}) -> (tensor<128x128xf32>) {
// CHECK:           %[[Q:.+]] = tile.load {{.*}} -> tensor<128x128xbf16>
// CHECK:           %[[K:.+]] = tile.load {{.*}} -> tensor<128x128xbf16>
// CHECK:           %[[V:.+]] = tile.load {{.*}} -> tensor<128x128xbf16>
// CHECK:           %[[A:.+]] = tile.dot %[[Q]], %[[K]], {{.*}} {transB}
// CHECK:           %[[SN:.+]] = arith.truncf %[[S]]
// CHECK:           %[[OTHER:.+]] = tile.load {{.*}} -> tensor<1x128xf32>
// CHECK:           %[[ALL:.+]] = tile.slice %[[OTHER]][0, 127]
// CHECK:           %[[SUMS:.+]] = tile.transpose %[[OTHER]]
// CHECK:           %[[R:.+]] = tile.dot %[[Q]], %[[SN]],
// CHECK:           %[[PN:.+]] = arith.truncf {{.*}} to tensor<128x128xbf16>
// CHECK:           %[[RP:.+]] = arith.mulf %[[R]]
// CHECK:           tile.dot %[[PN]], %[[V]], %[[RP]]
// CHECK:           %[[LEFT:.+]] = arith.subf %{{.+}}, %[[OTHER]] : tensor<1x128xf32>
// CHECK:           math.exp2 %[[LEFT]]
// CHECK:           tile.transpose %[[K]]
// CHECK:           %[[KN:.+]] = arith.truncf
// CHECK:           %[[SP:.+]] = arith.mulf %[[S]]
// CHECK:           %[[NEXT:.+]] = tile.dot %[[KN]], %[[V]], %[[SP]] :
// CHECK:           tile.store
// CHECK:           scf.yield %[[NEXT]]
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true,
    hasRegisterReallocation = true, sharedBytesPerBlock = 232448, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @gated(%q: !X, %k: !X, %v: !X, %g: tensor<?x?x?xf32>) -> !X {
  %o = attn.recur query(%q) key(%k) value(%v) gate(%g) : (!X, !X, !X, tensor<?x?x?xf32>) -> !X
  return %o : !X
}
}

// -----

!X = tensor<?x?x?x128xbf16>

// Queries and keys that the kernel computes pass one barrier with the state, in the room of second slots.

// CHECK-LABEL: func.func private @computed_1(
// CHECK-SAME:    tile.puts_operands
// CHECK-SAME:    tile.schedule = "chunks of 128 tokens
// CHECK:         %[[Q:.+]] = tile.load %arg0[
// CHECK:         math.exp
// CHECK:         %[[K:.+]] = arith.select
// CHECK:         %[[SN:.+]] = arith.truncf
// CHECK:         tile.dot %[[Q]], %[[K]], {{.*}} {transB}
// CHECK:         tile.dot %[[Q]], %[[SN]],
// CHECK:         tile.dot %[[K]], {{.*}} {transA}
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true,
    hasRegisterReallocation = true, sharedBytesPerBlock = 232448, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @computed(%q: !X, %k: !X, %v: !X) -> !X {
  %f = math.exp %k : !X
  %o = attn.recur query(%q) key(%f) value(%v) : (!X, !X, !X) -> !X
  return %o : !X
}
}

// -----

!X = tensor<?x?x?x128xbf16>

// A mass is a column, added up by those who hold the transposed keys, and a row for the queries, which read it beside the first
// product: the second one would leave no registers for it.

// CHECK-LABEL: func.func private @summed_0(
// CHECK:         tile.store %{{.+}}, %{{.+}} column : tensor<128x1xf32>, memref<?x?x?x128xf32,
// CHECK-LABEL: func.func private @summed_1(
// CHECK-SAME:    tile.schedule = "chunks of 128 tokens
// CHECK:         scf.for {{.*}} -> (tensor<128x128xf32>, tensor<128x1xf32>) {
// CHECK:         scf.for {{.*}} iter_args(%{{.+}}, %[[M:.+]] = %{{.+}}) -> (tensor<128x128xf32>, tensor<128x1xf32>) {
// CHECK:           tile.dot {{.*}} {transB}
// CHECK:           %[[ROW:.+]] = tile.transpose %[[M]]
// CHECK:           %[[ALL:.+]] = tile.broadcast %[[ROW]]
// CHECK:           %[[ASKED:.+]] = arith.mulf %{{.+}}, %[[ALL]]
// CHECK:           %[[B:.+]] = tile.reduce sum %[[ASKED]] dim 1
// CHECK:           tile.dot
// CHECK:           %[[W:.+]] = arith.select
// CHECK:           %[[H:.+]] = tile.reduce sum %[[W]] dim 1
// CHECK:           arith.addf %[[B]], %[[H]]
// CHECK:           %[[T:.+]] = tile.transpose %{{.+}} : tensor<128x128xbf16>
// CHECK:           tile.reduce sum {{.*}} dim 1
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true,
    hasRegisterReallocation = true, sharedBytesPerBlock = 232448, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @summed(%q: !X, %k: !X, %v: !X) -> (!X, tensor<?x?x?xf32>) {
  %o, %m = attn.recur query(%q) key(%k) value(%v) stats [mass] : (!X, !X, !X) -> (!X, tensor<?x?x?xf32>)
  return %o, %m : !X, tensor<?x?x?xf32>
}
}

// -----

!V = tensor<?x?x?x128xbf16>
!K = tensor<?x?x?x256xbf16>

// Of more channels than groups have rows the state is tiles, and so are queries and keys. One tile of columns is stored behind the
// first products of the next.

// CHECK-LABEL: func.func private @wide_1(
// CHECK-SAME:    tile.schedule = "chunks of 64 tokens, 128 columns of a state of 256x128 in tiles of 128x64
// CHECK:         %[[A:.+]] = tile.dot {{.*}} {transB} : {{.*}} -> tensor<64x64xf32>
// CHECK:         tile.dot {{.*}}, %[[A]] {transB}
// CHECK-COUNT-2: tile.dot {{.*}} : tensor<64x128xbf16>, tensor<128x64xbf16> -> tensor<64x64xf32>
// CHECK:         tile.dot {{.*}} : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
// CHECK-COUNT-2: tile.dot {{.*}} : tensor<64x128xbf16>, tensor<128x64xbf16> -> tensor<64x64xf32>
// CHECK:         tile.store
// CHECK:         tile.dot
// CHECK-COUNT-4: tile.dot {{.*}} {transA} : tensor<64x128xbf16>, tensor<64x64xbf16> -> tensor<128x64xf32>
// CHECK:         tile.store
// CHECK-LABEL: func.func private @wide_and_summed_0(
// CHECK-NOT:     in tiles of
// CHECK-SAME:    tile.warps = 4
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true,
    hasRegisterReallocation = true, sharedBytesPerBlock = 232448, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @wide(%q: !K, %k: !K, %v: !V) -> !V {
  %o = attn.recur query(%q) key(%k) value(%v) : (!K, !K, !V) -> !V
  return %o : !V
}
func.func @wide_and_summed(%q: !K, %k: !K, %v: !V) -> (!V, tensor<?x?x?xf32>) {
  %o, %m = attn.recur query(%q) key(%k) value(%v) stats [mass] : (!K, !K, !V) -> (!V, tensor<?x?x?xf32>)
  return %o, %m : !V, tensor<?x?x?xf32>
}
}

// -----

!X = tensor<?x?x?x128xbf16>
!F = tensor<?x?x?x128xf32>

// A learned map is stored by a kernel in front, in the type in which it is read; keys that are made of a wider array are not copied, and
// take what every GPU has.

// CHECK-LABEL: func.func @learned(
// CHECK:         memref.alloc(%{{.+}}) : memref<?x?x?x128xbf16>
// CHECK-NOT:     memref<?x?x?x128xf32>
// CHECK-LABEL: func.func private @learned_1(
// CHECK-SAME:    tile.schedule = "chunks of 128 tokens
// CHECK-LABEL: func.func private @converted_0(
// CHECK-SAME:    tile.schedule = "chunks of 64 tokens
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true,
    hasRegisterReallocation = true, sharedBytesPerBlock = 232448, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @learned(%q: !X, %k: !X, %v: !X, %w: tensor<128x128xbf16>, %none: !F, %out: !X) -> !X {
  %f = linalg.contract indexing_maps = [affine_map<(b, h, t, d, c) -> (b, h, t, c)>, affine_map<(b, h, t, d, c) -> (c, d)>,
      affine_map<(b, h, t, d, c) -> (b, h, t, d)>] ins(%k, %w : !X, tensor<128x128xbf16>) outs(%none : !F) -> !F
  %n = linalg.generic {indexing_maps = [affine_map<(b, h, t, d) -> (b, h, t, d)>, affine_map<(b, h, t, d) -> (b, h, t, d)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%f : !F) outs(%out : !X) {
  ^bb0(%x: f32, %acc: bf16):
    %y = arith.truncf %x : f32 to bf16
    linalg.yield %y : bf16
  } -> !X
  %o = attn.recur query(%q) key(%n) value(%v) : (!X, !X, !X) -> !X
  return %o : !X
}
func.func @converted(%q: !X, %k: !F, %v: !X) -> !X {
  %n = arith.truncf %k : !F to !X
  %o = attn.recur query(%q) key(%n) value(%v) : (!X, !X, !X) -> !X
  return %o : !X
}
}

// -----

!X = tensor<?x?x?x128xbf16>

// Without a gate the operands of the state's product fit beside the scores: it is issued before the weights of pairs are computed. With one
// (the first case) it comes last.

// CHECK-LABEL: func.func private @beside_1(
// CHECK:         scf.for {{.*}} iter_args(%[[S:.+]] = %{{.+}}) -> (tensor<128x128xf32>) {
// CHECK:           %[[A:.+]] = tile.dot {{.*}} {transB}
// CHECK:           tile.dot
// CHECK:           %[[NEXT:.+]] = tile.dot {{.*}}, %[[S]] {transA}
// CHECK:           %[[W:.+]] = arith.select %{{.+}}, %[[A]]
// CHECK:           arith.truncf %[[W]]
// CHECK:           tile.dot
// CHECK:           scf.yield %[[NEXT]]
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true,
    hasRegisterReallocation = true, sharedBytesPerBlock = 232448, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @beside(%q: !X, %k: !X, %v: !X) -> !X {
  %o = attn.recur query(%q) key(%k) value(%v) : (!X, !X, !X) -> !X
  return %o : !X
}
}

// -----

!X = tensor<?x?x?x16xbf16>
!K = tensor<?x?x?x160xf32>
!F = tensor<?x?x?x160xbf16>
!V = tensor<?x?x?x128xbf16>

// Where there is room for weights, products of queries and keys with them are computed by the kernel, some columns at a time; the weights are
// loaded in front of the loop. The columns of a state of 160 channels are rows of its products, and scores are weighed before rows read it.

// CHECK-LABEL: func.func @pulled(
// CHECK-NOT:     memref.alloc({{.*}} : memref<?x?x?x160x{{b|f}}
// CHECK-LABEL: func.func private @pulled_1(
// CHECK-SAME:    tile.puts_operands
// CHECK-SAME:    tile.schedule = "chunks of 128 tokens, 128 columns of a state of 160x128 as rows
// CHECK-COUNT-5: tile.load {{.*}} -> tensor<16x32xbf16>
// CHECK:         scf.for {{.*}} iter_args(%[[S:.+]] = %{{.+}}) -> (tensor<128x160xf32>) {
// CHECK-NOT:       tensor<16x32xbf16>
// CHECK-COUNT-5:   tile.dot {{.*}} : tensor<128x16xbf16>, tensor<16x32xbf16> -> tensor<128x32xf32>
// CHECK:           %[[K:.+]] = tile.concat
// CHECK:           %[[SN:.+]] = arith.truncf %[[S]]
// CHECK:           tile.dot %{{.+}}, %[[K]], {{.*}} {transB}
// CHECK:           arith.truncf {{.*}} : tensor<128x128xf32> to tensor<128x128xbf16>
// CHECK:           tile.dot %{{.+}}, %[[SN]], {{.*}} {transB}
// CHECK:           tile.dot %{{.+}}, %[[K]], %[[S]] {transA} : tensor<128x128xbf16>, tensor<128x160xbf16> -> tensor<128x160xf32>
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true,
    hasRegisterReallocation = true, sharedBytesPerBlock = 232448, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @pulled(%k: !X, %v: !V, %w: tensor<16x160xbf16>, %none: !K) -> !V {
  %f = linalg.contract indexing_maps = [affine_map<(b, h, t, d, c) -> (b, h, t, c)>, affine_map<(b, h, t, d, c) -> (c, d)>,
      affine_map<(b, h, t, d, c) -> (b, h, t, d)>] ins(%k, %w : !X, tensor<16x160xbf16>) outs(%none : !K) -> !K
  %n = arith.truncf %f : !K to !F
  %o = attn.recur query(%n) key(%n) value(%v) : (!F, !F, !V) -> !V
  return %o : !V
}
}

// -----

!X = tensor<?x?x?x16xbf16>
!F = tensor<?x?x?x128xbf16>

// Columns that a view reads through a table are not what copies bring.

// CHECK-LABEL: func.func private @chosen_0(
// CHECK-SAME:    tile.schedule = "chunks of 64 tokens
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true,
    hasRegisterReallocation = true, sharedBytesPerBlock = 232448, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @chosen(%q: !F, %k: !X, %v: !F, %table: tensor<128xi32>, %b: index, %h: index, %t: index) -> !F {
  %f = attn.view %k (%i, %j, %n, %c) {
    %x = tensor.extract %table[%c] : tensor<128xi32>
    %place = arith.index_cast %x : i32 to index
    attn.yield %i, %j, %n, %place : index, index, index, index
  } sizes(%b, %h, %t, 128) : !X -> !F
  %o = attn.recur query(%q) key(%f) value(%v) : (!F, !F, !F) -> !F
  return %o : !F
}
}

// -----

!X = tensor<?x?x?x128xbf16>

// What rows are merged with has slots, too: beside them a block owns half of the columns.

// CHECK-LABEL: func.func private @merged_0(
// CHECK-SAME:    tile.schedule = "chunks of 128 tokens, 64 columns of a state of 128x128
// CHECK-SAME:    rows beside 32768
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true,
    hasRegisterReallocation = true, sharedBytesPerBlock = 232448, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @merged(%q: !X, %k: !X, %v: !X, %x: !X) -> !X {
  %o = attn.recur query(%q) key(%k) value(%v) : (!X, !X, !X) -> !X
  %y = arith.addf %o, %x : !X
  return %y : !X
}
}
