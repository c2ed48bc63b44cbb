// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(warp-plan-resources))' --split-input-file --verify-diagnostics | FileCheck %s

!Slot = !warp.slot<16x64xf32, <pad = 16>>
!Ring = !warp.ring<1 of 16x64xf32, <pad = 16>>
!T = tensor<16x64xf32, #warp.frag<acc, warps = 1>>

// Rings in use one after the other share memory; one that is filled before a loop and read in it keeps its own.
// 16 rows of 64 * 4 + 16 bytes are 4352 bytes. A 16x64 tile takes 32 registers of each thread of a warp.

// CHECK-LABEL: func.func @share
// CHECK-SAME: warp.registers = 104 : i64, warp.shared_bytes = 8704 : i64
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 10000>} {
func.func @share(%x: !T, %n: index) -> !T attributes {warp.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // CHECK: warp.ring {offset = 0 : i64}
  // CHECK: warp.ring {offset = 4352 : i64}
  // CHECK: warp.ring {offset = 4352 : i64}
  %kept = warp.ring : !Ring
  %first = warp.ring : !Ring
  %second = warp.ring : !Ring
  %k = warp.acquire %kept : !Ring -> !Slot
  warp.put %x to %k[0] : !T to !Slot
  %kf = warp.receive %kept : !Ring -> !Slot
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%y = %x) -> !T {
    %a = warp.acquire %first : !Ring -> !Slot
    warp.put %y to %a[0] : !T to !Slot
    %af = warp.receive %first : !Ring -> !Slot
    %l = warp.load %af[0, 0] : !Slot -> !T
    %b = warp.acquire %second : !Ring -> !Slot
    warp.put %l to %b[0] : !T to !Slot
    %bf = warp.receive %second : !Ring -> !Slot
    %u = warp.load %bf[0, 0] : !Slot -> !T
    %v = warp.load %kf[0, 0] : !Slot -> !T
    %w = arith.addf %u, %v : !T
    scf.yield %w : !T
  }
  return %r : !T
}
}

// -----

!Ring = !warp.ring<3 of 16x64xf32, <pad = 16>>
module attributes {tile.target = #tile.target<name = "sm_00", isGpu = true, sharedBytesPerBlock = 10000>} {
// expected-error @below {{needs 13056 bytes of shared memory, sm_00 has 10000}}
func.func @large(%s: i32) attributes {warp.kernel} {
  %ring = warp.ring : !Ring
  %a = warp.acquire %ring at %s : !Ring -> !warp.slot<16x64xf32, <pad = 16>>
  return
}
}
