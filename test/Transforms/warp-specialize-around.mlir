// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(warp-specialize))' | FileCheck %s

#acc = #warp.frag<acc, warps = 4>
!M = memref<?x64xbf16>
!S = tensor<64x64xf32, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

// Around a loop with products, slots that a step's own products read get a second one as long as there is room, first what is copied first:
// its next copy comes while the loop inside runs. Here there is room for five slots.

// CHECK-LABEL: func.func @around
// CHECK: %[[V:.+]] = warp.ring : <1 of
// CHECK-NEXT: %[[Q:.+]] = warp.ring : <2 of
// CHECK-NEXT: %[[K:.+]] = warp.ring : <2 of
// CHECK: } producer {
// CHECK: scf.for
// CHECK: warp.acquire %[[Q]]
// CHECK: warp.acquire %[[V]]
// CHECK: scf.for
// CHECK: warp.acquire %[[K]]
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 42000>} {
func.func @around(%q: !M, %v: !M, %k: !M, %o: memref<?x64xf32>, %n: index) attributes {warp.kernel, warp.threads = 128 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant dense<0.0> : !S
  %values = warp.ring : !Ring
  %rows = warp.ring : !Ring
  %keys = warp.ring : !Ring
  scf.for %i = %c0 to %n step %c1 {
    %qf = warp.acquire %rows : !Ring -> !Slot
    warp.copy %q[%i, %c0] to %qf by 16 : !M to !Slot
    %qs = warp.receive %rows : !Ring -> !Slot
    %vf = warp.acquire %values : !Ring -> !Slot
    warp.copy %v[%i, %c0] to %vf by 16 : !M to !Slot
    %vs = warp.receive %values : !Ring -> !Slot
    %t = warp.mma %qs, %vs, %zero {async} : !Slot, !Slot -> !S
    %first = warp.wait %t : !S
    %sum = scf.for %j = %c0 to %n step %c1 iter_args(%s = %first) -> !S {
      %kf = warp.acquire %keys : !Ring -> !Slot
      warp.copy %k[%j, %c0] to %kf by 16 : !M to !Slot
      %ks = warp.receive %keys : !Ring -> !Slot
      %p = warp.mma %qs, %ks, %s {transB, async} : !Slot, !Slot -> !S
      %d = warp.wait %p : !S
      scf.yield %d : !S
    }
    tile.store %sum, %o[%i, %c0] : !S, memref<?x64xf32>
  }
  return
}
}
