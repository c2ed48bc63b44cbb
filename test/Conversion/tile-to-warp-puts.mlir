// RUN: heddle-opt %s --tile-to-warp --split-input-file | FileCheck %s

!M = memref<?x64xbf16, strided<[?, 1], offset: ?>>
!T = tensor<64x64xbf16>
!Z = tensor<64x64xf32>

// Where sizes leave room for it, operands that are computed of copies are put where products of warpgroups read them, a left
// one as its transpose, too.

// CHECK-LABEL: func.func @computed
// CHECK-SAME: tile.puts_operands
// CHECK: %[[X:.+]] = warp.load %{{.+}}[0, 0] transposed : <64x64xbf16, <swizzle = 128>>
// CHECK: warp.put %{{.+}} to %{{.+}}[0] : tensor<64x64xbf16, {{.+}}> to <64x64xbf16, <swizzle = 128>>
// CHECK: %[[S:.+]] = warp.receive %{{.+}} : <1 of 64x64xbf16, <swizzle = 128>>
// CHECK: warp.mma %[[S]], %[[S]], %{{.+}} {async, transA}
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true>} {
func.func @computed(%a: !M {tile.alignment = 16 : i64}, %o: memref<?x64xf32>) attributes {tile.kernel, tile.puts_operands, tile.warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : !Z
  %t = tile.load %a[%c0, %c0] : !M -> !T
  %u = tile.transpose %t : !T -> !T
  %w = arith.extf %u : !T to !Z
  %e = math.exp2 %w : !Z
  %n = arith.truncf %e : !Z to !T
  %p = tile.dot %t, %t, %zero {transB} : !T, !T -> !Z
  %r = tile.dot %n, %n, %p {transA} : !T, !T -> !Z
  tile.store %r, %o[%c0, %c0] : !Z, memref<?x64xf32>
  return
}
}

// -----

!M = memref<?x64xbf16, strided<[?, 1], offset: ?>>
!T = tensor<64x64xbf16>
!Z = tensor<64x64xf32>

// So is a left operand that is made of copies alone and that several products read; what else reads it reads the slot again.

// CHECK-LABEL: func.func @left
// CHECK: warp.put
// CHECK: %[[S:.+]] = warp.receive %{{.+}} : <1 of 64x64xbf16, <swizzle = 128>>
// CHECK: warp.mma %[[S]], %[[A:.+]], %{{.+}} {async}
// CHECK: %[[X:.+]] = warp.load %[[S]][0, 0]
// CHECK: arith.extf %[[X]]
// CHECK: warp.mma %[[S]], %[[A]], %{{.+}} {async, transB}
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true>} {
func.func @left(%a: !M {tile.alignment = 16 : i64}, %o: memref<?x64xf32>) attributes {tile.kernel, tile.puts_operands, tile.warps = 4 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : !Z
  %t = tile.load %a[%c0, %c0] : !M -> !T
  %n = arith.negf %t : !T
  %p = tile.dot %n, %t, %zero : !T, !T -> !Z
  %w = arith.extf %n : !T to !Z
  %e = arith.addf %w, %p : !Z
  %r = tile.dot %n, %t, %e {transB} : !T, !T -> !Z
  tile.store %r, %o[%c0, %c0] : !Z, memref<?x64xf32>
  return
}
}

// -----

!M = memref<?x64xf32, strided<[?, 1], offset: ?>>
!T = tensor<64x64xf32>

// A loop that is seldom gone through reads a transpose again, which would take registers all the way to it.

// CHECK-LABEL: func.func @again
// CHECK: %[[X:.+]] = warp.load %[[S:[0-9]+]][0, 0] transposed
// CHECK: scf.for
// CHECK-NEXT: %[[Y:.+]] = warp.load %[[S]][0, 0] transposed
// CHECK-NEXT: math.exp2 %[[Y]]
// CHECK: {tile.seldom}
module attributes {tile.target = #tile.target<name = "any", isGpu = true>} {
func.func @again(%a: !M, %o: memref<?x64xf32>, %n: index) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %t = tile.load %a[%c0, %c0] : !M -> !T
  %u = tile.transpose %t : !T -> !T
  %r = scf.for %j = %c0 to %n step %c1 iter_args(%x = %u) -> !T {
    %e = math.exp2 %u : !T
    %y = arith.addf %x, %e : !T
    scf.yield %y : !T
  } {tile.seldom}
  tile.store %r, %o[%c0, %c0] : !T, memref<?x64xf32>
  return
}
}
