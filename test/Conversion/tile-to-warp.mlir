// RUN: heddle-opt %s --tile-to-warp --split-input-file | FileCheck %s

// Loads that feed a dot are copied to shared memory, 16 bytes at a time where the argument allows; a computed left operand
// stays in registers; the layout follows from the shape.

!M = memref<?x64xbf16, strided<[?, 1], offset: ?>>

// CHECK-LABEL: func.func @products
// CHECK-SAME: (%[[A:[a-z0-9]+]]: memref<{{[^>]+>}}> {tile.alignment = 16 : i64}, %[[B:[a-z0-9]+]]: memref
// CHECK-SAME: attributes {warp.kernel, warp.threads = 64 : i64}
module attributes {tile.target = #tile.target<name = "any", isGpu = true>} {
func.func @products(%a: !M {tile.alignment = 16 : i64}, %b: !M, %o: memref<?x64xf32>, %n: index) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  // CHECK: %[[RING_B:.+]] = warp.ring : <1 of 64x64xbf16, <pad = 16>>
  // CHECK: %[[RING_A:.+]] = warp.ring : <1 of 32x64xbf16, <pad = 16>>
  scf.forall (%x, %y) in (%n, %n) {
    // CHECK-DAG: %[[X:.+]] = warp.block_id 0
    // CHECK-DAG: %[[Y:.+]] = warp.block_id 1
    %zero = arith.constant dense<0.0> : tensor<32x64xf32>
    // CHECK: %[[FREE_A:.+]] = warp.acquire %[[RING_A]]
    // CHECK: warp.copy %[[A]][%[[X]], %c0] to %[[FREE_A]] by 16
    // CHECK: %[[FULL_A:.+]] = warp.receive %[[RING_A]]
    %at = tile.load %a[%x, %c0] : !M -> tensor<32x64xbf16>
    // CHECK: warp.copy %[[B]][%[[Y]], %c0] to %{{.+}} by 2
    // CHECK: %[[FULL_B:.+]] = warp.receive %[[RING_B]]
    %bt = tile.load %b[%y, %c0] : !M -> tensor<64x64xbf16>
    // CHECK: %[[S:.+]] = warp.mma %[[FULL_A]], %[[FULL_B]], %{{.+}} {transB} : {{.+}} -> tensor<32x64xf32, #warp.frag<acc, warps = 2>>
    %s = tile.dot %at, %bt, %zero {transB} : tensor<32x64xbf16>, tensor<64x64xbf16> -> tensor<32x64xf32>
    // CHECK: %[[P:.+]] = arith.truncf %[[S]]
    %p = arith.truncf %s : tensor<32x64xf32> to tensor<32x64xbf16>
    // CHECK: %[[LEFT:.+]] = warp.convert %[[P]] : tensor<32x64xbf16, #warp.frag<acc, warps = 2>> -> tensor<32x64xbf16, #warp.frag<a, warps = 2>>
    // CHECK: %[[O:.+]] = warp.mma %[[LEFT]], %[[FULL_B]]
    %r = tile.dot %p, %bt, %zero : tensor<32x64xbf16>, tensor<64x64xbf16> -> tensor<32x64xf32>
    // CHECK: tile.store %[[O]], %{{.+}}[%[[X]], %c0] : tensor<32x64xf32, #warp.frag<acc, warps = 2>>
    tile.store %r, %o[%x, %c0] : tensor<32x64xf32>, memref<?x64xf32>
  }
  return
}
}

// -----

// What crosses threads goes through shared memory; a slice of whole atoms only renames registers.

// CHECK-LABEL: func.func @moves
module attributes {tile.target = #tile.target<name = "any", isGpu = true>} {
func.func @moves(%m: memref<?x64xf32>, %o: memref<?x64xf32>, %v: memref<?xf32>, %n: index) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  scf.forall (%x) in (%n) {
    // CHECK: %[[T:.+]] = tile.load
    %t = tile.load %m[%x, %c0] : memref<?x64xf32> -> tensor<64x64xf32>
    // CHECK: warp.put %[[T]] to %{{.+}}[0]
    // CHECK: %[[SLOT:.+]] = warp.receive
    // CHECK: warp.load %[[SLOT]][0, 0] transposed
    %tr = tile.transpose %t : tensor<64x64xf32> -> tensor<64x64xf32>
    // CHECK: tile.slice %[[T]][0, 16]
    %s0 = tile.slice %t[0, 16] : tensor<64x64xf32> -> tensor<64x32xf32>
    // CHECK: warp.load %[[SLOT]][3, 5] :
    %s1 = tile.slice %t[3, 5] : tensor<64x64xf32> -> tensor<16x32xf32>
    // CHECK: warp.reduce sum %[[T]] via %{{.+}} -> tensor<1x64xf32, #warp.slice<0, <acc, warps = 4>>>
    %r = tile.reduce sum %t dim 0 : tensor<64x64xf32> -> tensor<1x64xf32>
    // CHECK: tile.reduce max %[[T]] dim 1 : {{.+}} -> tensor<64x1xf32, #warp.slice<1, <acc, warps = 4>>>
    %c = tile.reduce max %t dim 1 : tensor<64x64xf32> -> tensor<64x1xf32>
    // Written and read: other threads read what this one writes.
    // CHECK: warp.sync
    // CHECK-NEXT: tile.store
    // CHECK-NEXT: warp.sync
    tile.store %tr, %m[%x, %c0] : tensor<64x64xf32>, memref<?x64xf32>
    // CHECK: tile.store
    // CHECK-NOT: warp.sync
    tile.store %s0, %o[%x, %c0] : tensor<64x32xf32>, memref<?x64xf32>
    tile.store %s1, %o[%x, %c0] : tensor<16x32xf32>, memref<?x64xf32>
    tile.store %r, %v[%c0] : tensor<1x64xf32>, memref<?xf32>
    tile.store %c, %v[%x] column : tensor<64x1xf32>, memref<?xf32>
  }
  return
}
}
