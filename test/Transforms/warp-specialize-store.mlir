// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(warp-specialize))' --split-input-file | FileCheck %s

#acc = #warp.frag<acc, warps = 4>
!M = memref<?x64xbf16>
!S = tensor<64x64xf32, #acc>
!N = tensor<64x64xbf16, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Bulk = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>
!Put = !warp.ring<1 of 64x64xbf16, <swizzle = 128>>

// Rows that a step stores go through the slot that the same warps fill next, which is theirs from there on.

// CHECK-LABEL: func.func @rows
// CHECK: %[[ROWS:.+]] = arith.truncf
// CHECK-NEXT: %[[SLOT:.+]] = warp.acquire
// CHECK-NEXT: warp.put %[[ROWS]] to %[[SLOT]][0]
// CHECK-NEXT: tile.store %[[ROWS]]
// CHECK: %[[NEXT:.+]] = arith.mulf
// CHECK-NEXT: warp.put %[[NEXT]] to %[[SLOT]][0]
func.func @rows(%q: !M, %o: !M, %n: index) attributes {warp.kernel, warp.threads = 128 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !S
  %ring = warp.ring : !Bulk
  %other = warp.ring : !Put
  scf.for %i = %c0 to %n step %c64 iter_args(%s = %zero) -> !S {
    %qf = warp.acquire %ring : !Bulk -> !Slot
    warp.copy %q[%i, %c0] to %qf by 16 : !M to !Slot
    %qs = warp.receive %ring : !Bulk -> !Slot
    %r = arith.truncf %s : !S to !N
    tile.store %r, %o[%i, %c0] {warp.pieces} : !N, !M
    %next = arith.mulf %r, %r : !N
    %put = warp.acquire %other : !Put -> !Slot
    warp.put %next to %put[0] : !N to !Slot
    %right = warp.receive %other : !Put -> !Slot
    %p = warp.mma %qs, %right, %zero {async} : !Slot, !Slot -> !S
    %d = warp.wait %p : !S
    scf.yield %d : !S
  }
  return
}

// -----

#acc = #warp.frag<acc, warps = 4>
!M = memref<?x64xbf16>
!S = tensor<64x64xf32, #acc>
!N = tensor<64x64xbf16, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Bulk = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

// A slot that copies fill is the copying warps'.

// CHECK-LABEL: func.func @copied
// CHECK-NOT: warp.put
func.func @copied(%q: !M, %o: !M, %n: index) attributes {warp.kernel, warp.threads = 128 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !S
  %ring = warp.ring : !Bulk
  scf.for %i = %c0 to %n step %c64 iter_args(%s = %zero) -> !S {
    %r = arith.truncf %s : !S to !N
    tile.store %r, %o[%i, %c0] {warp.pieces} : !N, !M
    %qf = warp.acquire %ring : !Bulk -> !Slot
    warp.copy %q[%i, %c0] to %qf by 16 : !M to !Slot
    %qs = warp.receive %ring : !Bulk -> !Slot
    %p = warp.mma %qs, %qs, %zero {transB, async} : !Slot, !Slot -> !S
    %d = warp.wait %p : !S
    scf.yield %d : !S
  }
  return
}
