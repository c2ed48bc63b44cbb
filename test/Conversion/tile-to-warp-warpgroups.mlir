// RUN: heddle-opt %s --tile-to-warp --split-input-file | FileCheck %s

!M = memref<?x64xbf16, strided<[?, 1], offset: ?>>
!Z = tensor<64x64xf32>

// Where the target has products of warpgroups and every product of a kernel suits them, operands come to swizzled slots of
// bulk rings. The kernel says for how many warps its tiles are meant. A limit that is the array's own size is left out.

// CHECK-LABEL: func.func @suits
// CHECK-SAME: warp.threads = 128 : i64
// CHECK: %[[RB:.+]] = warp.ring : <1 of 64x64xbf16, <swizzle = 128>, bulk>
// CHECK: %[[RA:.+]] = warp.ring : <1 of 64x64xbf16, <swizzle = 128>, bulk>
// CHECK: warp.copy %{{.+}}[%{{.+}}, %c0] to %{{.+}} by 16
// CHECK: %[[A:.+]] = warp.receive %[[RA]]
// CHECK: warp.copy %{{.+}}[%{{.+}}, %c0] limit(%{{.+}}) to %{{.+}} by 16
// CHECK: %[[B:.+]] = warp.receive %[[RB]]
// CHECK: %[[S:.+]] = warp.mma %[[A]], %[[B]], %{{.+}} {async, transB}
// CHECK: %[[LEFT:.+]] = warp.convert
// CHECK: warp.mma %[[LEFT]], %[[B]], %{{.+}} {async}
// CHECK: tile.store {{.*}}warp.pieces
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true>} {
func.func @suits(%a: !M {tile.alignment = 16 : i64}, %b: !M {tile.alignment = 16 : i64}, %o: !M {tile.alignment = 16 : i64},
                 %n: index) attributes {tile.kernel, tile.warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %rows = memref.dim %a, %c0 : !M
  scf.forall (%x, %y) in (%n, %n) {
    %zero = arith.constant dense<0.0> : !Z
    %at = tile.load %a[%x, %c0] limit(%rows) : !M -> tensor<64x64xbf16>
    %bt = tile.load %b[%y, %c0] limit(%n) : !M -> tensor<64x64xbf16>
    %s = tile.dot %at, %bt, %zero {transB} : tensor<64x64xbf16>, tensor<64x64xbf16> -> !Z
    %p = arith.truncf %s : !Z to tensor<64x64xbf16>
    %r = tile.dot %p, %bt, %zero : tensor<64x64xbf16>, tensor<64x64xbf16> -> !Z
    %t = arith.truncf %r : !Z to tensor<64x64xbf16>
    tile.store %t, %o[%x, %c0] : tensor<64x64xbf16>, !M
  }
  return
}
}

// -----

!M = memref<?x48xbf16, strided<[?, 1], offset: ?>>

// The widest swizzle that divides the rows of a tile: 48 columns are 96 bytes.

// CHECK-LABEL: func.func @narrow
// CHECK-COUNT-2: warp.ring : <1 of 64x48xbf16, <swizzle = 32>, bulk>
// CHECK: warp.mma %{{.+}} {async, transB}
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true>} {
func.func @narrow(%a: !M {tile.alignment = 16 : i64}, %o: memref<?x64xf32>) attributes {tile.kernel, tile.warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %at = tile.load %a[%c0, %c0] : !M -> tensor<64x48xbf16>
  %bt = tile.load %a[%c0, %c0] : !M -> tensor<64x48xbf16>
  %s = tile.dot %at, %bt, %zero {transB} : tensor<64x48xbf16>, tensor<64x48xbf16> -> tensor<64x64xf32>
  tile.store %s, %o[%c0, %c0] : tensor<64x64xf32>, memref<?x64xf32>
  return
}
}

// -----

!M = memref<?x64xbf16, strided<[?, 1], offset: ?>>

// One operand that no tensor map describes, and the whole kernel is as on any target.

// CHECK-LABEL: func.func @unaligned
// CHECK-COUNT-2: warp.ring : <1 of 64x64xbf16, <pad = 16>>
// CHECK: warp.mma %{{.+}}, %{{.+}}, %{{.+}} {transB}
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true>} {
func.func @unaligned(%a: !M {tile.alignment = 16 : i64}, %b: !M, %o: memref<?x64xf32>) attributes {tile.kernel, tile.warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %at = tile.load %a[%c0, %c0] : !M -> tensor<64x64xbf16>
  %bt = tile.load %b[%c0, %c0] : !M -> tensor<64x64xbf16>
  %s = tile.dot %at, %bt, %zero {transB} : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  tile.store %s, %o[%c0, %c0] : tensor<64x64xf32>, memref<?x64xf32>
  return
}
}

// -----

!M = memref<?x64xbf16, strided<[?, 1], offset: ?>>
!B = memref<?x?xbf16, strided<[?, 1], offset: ?>>
!Z = tensor<64x64xf32>

// A large tile that every iteration reads anew for element-wise work comes ahead of time, too, whatever the rows' length.

// CHECK-LABEL: func.func @elementwise
// CHECK: scf.for
// CHECK: warp.copy %arg2[%{{.+}}, %{{.+}}] to %{{.+}} by 16
// CHECK-NEXT: %[[SLOT:.+]] = warp.receive
// CHECK-NEXT: %[[TILE:.+]] = warp.load %[[SLOT]][0, 0] : {{.*}} -> tensor<64x64xbf16, #warp.frag<acc, warps = 4>>
// CHECK: arith.extf %[[TILE]]
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true>} {
func.func @elementwise(%a: !M {tile.alignment = 16 : i64}, %b: !M {tile.alignment = 16 : i64}, %c: !B {tile.alignment = 16 : i64},
                       %o: memref<?x64xf32>, %n: index) attributes {tile.kernel, tile.warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !Z
  %at = tile.load %a[%c0, %c0] : !M -> tensor<64x64xbf16>
  %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %zero) -> !Z {
    %bt = tile.load %b[%j, %c0] : !M -> tensor<64x64xbf16>
    %ct = tile.load %c[%c0, %j] : !B -> tensor<64x64xbf16>
    %s = tile.dot %at, %bt, %zero {transB} : tensor<64x64xbf16>, tensor<64x64xbf16> -> !Z
    %w = arith.extf %ct : tensor<64x64xbf16> to !Z
    %x = arith.addf %s, %w : !Z
    %y = arith.addf %acc, %x : !Z
    scf.yield %y : !Z
  }
  tile.store %r, %o[%c0, %c0] : !Z, memref<?x64xf32>
  return
}
}

// -----

!M = memref<?x64xbf16, strided<[?, 1], offset: ?>>
!G = memref<?x?xf32, strided<[?, 1], offset: ?>>
!Z = tensor<64x64xf32>
!B = tensor<64x64xbf16>

// What products have summed up, and a loop carries, is put to a swizzled slot and read as a right operand; its barrier is
// where it is read. A left operand may be read as its transpose, from the slot that a copy fills or, weighed, in registers,
// which it is packed into at once. A row of numbers that each iteration reads comes ahead, too.

// CHECK-LABEL: func.func @carried
// CHECK-DAG: %[[ROW:.+]] = warp.ring : <1 of 1x64xf32, <>, bulk, gathered>
// CHECK-DAG: %[[RS:.+]] = warp.ring : <1 of 64x64xbf16, <swizzle = 128>>
// CHECK: scf.for {{.*}} iter_args(%[[C:.+]] = %
// CHECK: %[[K:.+]] = warp.receive {{.*}}bulk>
// CHECK: warp.copy {{.*}} by 4
// CHECK: %[[N:.+]] = arith.truncf %[[C]]
// CHECK: %[[W:.+]] = warp.acquire %[[RS]]
// CHECK: warp.put %[[N]] to %[[W]][0]
// CHECK: %[[S:.+]] = warp.receive %[[RS]]
// CHECK-NEXT: %[[R:.+]] = warp.mma %[[K]], %[[S]], %{{.+}} {async}
// CHECK: %[[T:.+]] = warp.load %[[K]][0, 0] transposed
// CHECK: %[[L:.+]] = arith.truncf
// CHECK-NEXT: %[[A:.+]] = warp.convert %[[L]]
// CHECK: %[[X:.+]] = warp.mma %[[A]], %[[K]], %[[C]] {async}
// CHECK: warp.mma %[[K]], %[[K]], %[[X]] {async, transA}
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true>} {
func.func @carried(%k: !M {tile.alignment = 16 : i64}, %g: !G, %o: memref<?x64xf32>, %n: index)
    attributes {tile.kernel, tile.warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant dense<0.0> : !Z
  %last = scf.for %i = %c0 to %n step %c1 iter_args(%s = %zero) -> (!Z) {
    %kt = tile.load %k[%i, %c0] : !M -> !B
    %row = tile.load %g[%i, %c0] : !G -> tensor<1x64xf32>
    %sn = arith.truncf %s : !Z to !B
    %r = tile.dot %kt, %sn, %zero : !B, !B -> !Z
    tile.store %r, %o[%i, %c0] : !Z, memref<?x64xf32>
    %t = tile.transpose %kt : !B -> !B
    %tw = arith.extf %t : !B to !Z
    %w = tile.broadcast %row : tensor<1x64xf32> -> !Z
    %tm = arith.mulf %tw, %w : !Z
    %tn = arith.truncf %tm : !Z to !B
    %x = tile.dot %tn, %kt, %s : !B, !B -> !Z
    %y = tile.dot %kt, %kt, %x {transA} : !B, !B -> !Z
    scf.yield %y : !Z
  }
  tile.store %last, %o[%c0, %c0] : !Z, memref<?x64xf32>
  return
}
}
