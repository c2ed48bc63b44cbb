// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(warp-specialize))' --split-input-file | FileCheck %s

#acc = #warp.frag<acc, warps = 4>
!M = memref<?x64xbf16>
!S = tensor<64x64xf32, #acc>
!N = tensor<64x64xbf16, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

// What a step stores goes through the slot of the left operand of its product, which is released behind the store.

// CHECK-LABEL: func.func @rows
// CHECK: %[[LEFT:.+]] = warp.receive %[[RING:.+]] at %[[CURSOR:[^ ]+]] :
// CHECK: warp.wait
// CHECK: %[[ROWS:.+]] = arith.truncf
// CHECK-NEXT: warp.put %[[ROWS]] to %[[LEFT]][0]
// CHECK-NEXT: tile.store %[[ROWS]]
// CHECK-NEXT: warp.release %[[RING]] at %[[CURSOR]]
func.func @rows(%q: !M, %o: !M, %n: index) attributes {warp.kernel, warp.threads = 128 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !S
  %ring = warp.ring : !Ring
  %other = warp.ring : !Ring
  scf.for %i = %c0 to %n step %c64 {
    %qf = warp.acquire %ring : !Ring -> !Slot
    warp.copy %q[%i, %c0] to %qf by 16 : !M to !Slot
    %qs = warp.receive %ring : !Ring -> !Slot
    %kf = warp.acquire %other : !Ring -> !Slot
    warp.copy %q[%i, %c0] to %kf by 16 : !M to !Slot
    %ks = warp.receive %other : !Ring -> !Slot
    %p = warp.mma %qs, %ks, %zero {transB, async} : !Slot, !Slot -> !S
    %d = warp.wait %p : !S
    %r = arith.truncf %d : !S to !N
    tile.store %r, %o[%i, %c0] {warp.pieces} : !N, !M
  }
  return
}

// -----

#acc = #warp.frag<acc, warps = 4>
!M = memref<?x64xbf16>
!S = tensor<64x64xf32, #acc>
!N = tensor<64x64xbf16, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

// A right operand is read by all warps: its slot is not anybody's own.

// CHECK-LABEL: func.func @right
// CHECK-NOT: warp.put
func.func @right(%q: !M, %o: !M, %n: index) attributes {warp.kernel, warp.threads = 128 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !S
  %ring = warp.ring : !Ring
  scf.for %i = %c0 to %n step %c64 {
    %qf = warp.acquire %ring : !Ring -> !Slot
    warp.copy %q[%i, %c0] to %qf by 16 : !M to !Slot
    %qs = warp.receive %ring : !Ring -> !Slot
    %p = warp.mma %qs, %qs, %zero {transB, async} : !Slot, !Slot -> !S
    %d = warp.wait %p : !S
    %r = arith.truncf %d : !S to !N
    tile.store %r, %o[%i, %c0] {warp.pieces} : !N, !M
  }
  return
}
