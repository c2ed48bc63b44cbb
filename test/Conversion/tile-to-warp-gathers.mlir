// RUN: heddle-opt %s --tile-to-warp --canonicalize --cse --split-input-file | FileCheck %s

!M = memref<?x?x64xbf16, strided<[?, ?, 1], offset: ?>>
!Z = tensor<128x64xf32>

// A gather of rows that feeds a product comes to a slot by copies of rows. Where products are warpgroups', the four copying
// warps compute the coordinates, whatever the layouts of the others are: here 96 rows, by three of them. A selection between
// rows and zeros is its mask.

// CHECK-LABEL: func.func @warpgroups
// CHECK: %[[RING:.+]] = warp.ring : <1 of 96x64xbf16, <swizzle = 128>, bulk, gathered>
// CHECK: %[[J:.+]] = tile.iota dim 0 offset %{{.+}} : tensor<96x1xi32, #warp.slice<1, <acc, warps = 3>>>
// CHECK: %[[N:.+]] = arith.divui %[[J]]
// CHECK: %[[PAGE:.+]] = tile.gather %{{.+}}[%[[N]]] : {{.*}} -> tensor<96x1xi32, #warp.slice<1, <acc, warps = 3>>>
// CHECK: %[[ROW:.+]] = arith.remui %[[J]]
// CHECK: %[[SEEN:.+]] = arith.cmpi slt, %[[J]]
// CHECK: %[[FILL:.+]] = warp.acquire %[[RING]]
// CHECK: warp.gather %arg1[%[[PAGE]], %[[ROW]], %c0] mask(%[[SEEN]] : tensor<96x1xi1, #warp.slice<1, <acc, warps = 3>>>) to %[[FILL]]
// CHECK: %[[SLOT:.+]] = warp.receive %[[RING]]
// CHECK: warp.mma %{{.+}}, %[[SLOT]], %{{.+}} {async, transB}
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true>} {
func.func @warpgroups(%q: memref<?x64xbf16, strided<[?, 1]>> {tile.alignment = 16 : i64}, %pool: !M {tile.alignment = 16 : i64},
                      %table: memref<?xi32>, %first: index, %length: i32, %o: memref<?x96xf32>)
    attributes {tile.kernel, tile.warps = 8 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<128x96xf32>
  %size = arith.constant dense<8> : tensor<96x1xi32>
  %rows = tile.load %q[%c0, %c0] : memref<?x64xbf16, strided<[?, 1]>> -> tensor<128x64xbf16>
  %j = tile.iota dim 0 offset %first : tensor<96x1xi32>
  %n = arith.divui %j, %size : tensor<96x1xi32>
  %page = tile.gather %table[%n] : memref<?xi32>, tensor<96x1xi32> -> tensor<96x1xi32>
  %r = arith.remui %j, %size : tensor<96x1xi32>
  %end = tensor.splat %length : tensor<96x1xi32>
  %seen = arith.cmpi slt, %j, %end : tensor<96x1xi32>
  %c = tile.iota dim 1 offset %c0 : tensor<1x64xi32>
  %found = tile.gather %pool[%page, %r, %c] : !M, tensor<96x1xi32>, tensor<96x1xi32>, tensor<1x64xi32> -> tensor<96x64xbf16>
  %wide = tile.broadcast %seen : tensor<96x1xi1> -> tensor<96x64xi1>
  %nothing = arith.constant dense<0.0> : tensor<96x64xbf16>
  %keys = arith.select %wide, %found, %nothing : tensor<96x64xi1>, tensor<96x64xbf16>
  %s = tile.dot %rows, %keys, %zero {transB} : tensor<128x64xbf16>, tensor<96x64xbf16> -> tensor<128x96xf32>
  tile.store %s, %o[%c0, %c0] : tensor<128x96xf32>, memref<?x96xf32>
  return
}
}

// -----

!M = memref<?x?x64xf32, strided<[?, ?, 1], offset: ?>>

// Elsewhere all warps copy, to rows with padding.

// CHECK-LABEL: func.func @all_warps
// CHECK: warp.ring : <1 of 64x64xf32, <pad = 16>>
// CHECK: warp.gather %arg1[%{{.+}}, %arg3, %c0] to %{{.+}} : {{.*}}, tensor<64x1xi32, #warp.slice<1, <acc, warps = 2>>>, index, index to
// CHECK: warp.mma
module attributes {tile.target = #tile.target<name = "any", isGpu = true>} {
func.func @all_warps(%q: memref<?x64xf32, strided<[?, 1]>>, %pool: !M {tile.alignment = 16 : i64}, %table: memref<?xi32>,
                     %row: index, %o: memref<?x64xf32>) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<32x64xf32>
  %rows = tile.load %q[%c0, %c0] : memref<?x64xf32, strided<[?, 1]>> -> tensor<32x64xf32>
  %j = tile.iota dim 0 offset %c0 : tensor<64x1xi32>
  %page = tile.gather %table[%j] : memref<?xi32>, tensor<64x1xi32> -> tensor<64x1xi32>
  %c = tile.iota dim 1 offset %c0 : tensor<1x64xi32>
  %keys = tile.gather %pool[%page, %row, %c] : !M, tensor<64x1xi32>, index, tensor<1x64xi32> -> tensor<64x64xf32>
  %s = tile.dot %rows, %keys, %zero {transB} : tensor<32x64xf32>, tensor<64x64xf32> -> tensor<32x64xf32>
  tile.store %s, %o[%c0, %c0] : tensor<32x64xf32>, memref<?x64xf32>
  return
}
}

// -----

!M = memref<?x64xf32, strided<[?, 1], offset: ?>>

// Not: an array that is not aligned, and coordinates made of what the kernel has computed.

// CHECK-LABEL: func.func @computed
// CHECK-COUNT-2: warp.put
// CHECK-NOT: warp.gather
module attributes {tile.target = #tile.target<name = "any", isGpu = true>} {
func.func @computed(%q: memref<?x64xf32, strided<[?, 1]>>, %unaligned: !M, %pool: !M {tile.alignment = 16 : i64},
                    %where: memref<?x?xi32>, %o: memref<?x64xf32>) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<32x64xf32>
  %rows = tile.load %q[%c0, %c0] : memref<?x64xf32, strided<[?, 1]>> -> tensor<32x64xf32>
  %j = tile.iota dim 0 offset %c0 : tensor<64x1xi32>
  %c = tile.iota dim 1 offset %c0 : tensor<1x64xi32>
  %keys = tile.gather %unaligned[%j, %c] : !M, tensor<64x1xi32>, tensor<1x64xi32> -> tensor<64x64xf32>
  %s = tile.dot %rows, %keys, %zero {transB} : tensor<32x64xf32>, tensor<64x64xf32> -> tensor<32x64xf32>
  %all = tile.load %where[%c0, %c0] : memref<?x?xi32> -> tensor<64x16xi32>
  %most = tile.reduce max %all dim 1 : tensor<64x16xi32> -> tensor<64x1xi32>
  %values = tile.gather %pool[%most, %c] : !M, tensor<64x1xi32>, tensor<1x64xi32> -> tensor<64x64xf32>
  %t = tile.dot %s, %values, %zero : tensor<32x64xf32>, tensor<64x64xf32> -> tensor<32x64xf32>
  tile.store %t, %o[%c0, %c0] : tensor<32x64xf32>, memref<?x64xf32>
  return
}
}
