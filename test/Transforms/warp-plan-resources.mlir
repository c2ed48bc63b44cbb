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

// -----

!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<2 of 64x64xbf16, <swizzle = 128>, bulk>
!Small = !warp.slot<16x64xf32, <pad = 16>>

// Bulk rings never share memory; swizzled slots start at multiples of 1024. Behind everything lie the barriers, two of 8 bytes
// a slot. Two consuming groups of warps and one that copies are launched with 168 registers each, and divide three times that.

// CHECK-LABEL: func.func @roles
// CHECK-SAME: warp.shared_bytes = 37184 : i64
// CHECK: warp.ring {barriers = 37120 : i64, offset = 0 : i64}
// CHECK: warp.ring {barriers = 37152 : i64, offset = 16384 : i64}
// CHECK: warp.ring {offset = 32768 : i64} : <1 of 16x64xf32
// CHECK: warp.roles 8 registers 232, 40
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 100000,
    registersPerUnit = 65536, registersPerThread = 255, hasRegisterReallocation = true>} {
func.func @roles(%s: i32) attributes {warp.kernel, warp.threads = 384 : i64} {
  %k = warp.ring : !Ring
  %v = warp.ring : !Ring
  %r = warp.ring : !warp.ring<1 of 16x64xf32, <pad = 16>>
  warp.roles 8 registers 0, 0 consumer {
    %ks = warp.receive %k at %s : !Ring -> !Slot
    %w = warp.acquire %r : !warp.ring<1 of 16x64xf32, <pad = 16>> -> !Small
  } producer {
    %ks = warp.acquire %v at %s : !Ring -> !Slot
  }
  return
}
}

// -----

// Four groups are launched with 128 registers each.

// CHECK-LABEL: func.func @twelve
// CHECK: warp.roles 12 registers 152, 56
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 100000,
    registersPerUnit = 65536, registersPerThread = 255, hasRegisterReallocation = true>} {
func.func @twelve() attributes {warp.kernel, warp.threads = 512 : i64} {
  warp.roles 12 registers 0, 0 consumer { warp.sync } producer { warp.sync }
  return
}
}

// -----

// Without such instructions, everybody keeps what the block is launched with.

// CHECK-LABEL: func.func @fixed
// CHECK: warp.roles 8 registers 0, 0
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 100000,
    registersPerUnit = 65536, registersPerThread = 255>} {
func.func @fixed() attributes {warp.kernel, warp.threads = 384 : i64} {
  warp.roles 8 registers 240, 24 consumer { warp.sync } producer { warp.sync }
  return
}
}

// -----

// What an asynchronous product reads is in use until somebody waits for it.

!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>>
!Parts = !warp.slot<4x1xf32, <>>
!PartsRing = !warp.ring<1 of 4x1xf32, <>>
!S = tensor<64x64xf32, #warp.frag<acc, warps = 4>>

// CHECK-LABEL: func.func @awaited
// CHECK: warp.ring {offset = 0 : i64} : <1 of 64x64xbf16
// CHECK: warp.ring {offset = 8192 : i64} : <1 of 4x1xf32
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 100000>} {
func.func @awaited(%t: tensor<64x64xbf16, #warp.frag<acc, warps = 4>>, %o: !S, %x: tensor<64x1xf32, #warp.slice<1, <acc, warps = 4>>>)
    attributes {warp.kernel} {
  %ring = warp.ring : !Ring
  %other = warp.ring : !PartsRing
  %w = warp.acquire %ring : !Ring -> !Slot
  warp.put %t to %w[0] : tensor<64x64xbf16, #warp.frag<acc, warps = 4>> to !Slot
  %k = warp.receive %ring : !Ring -> !Slot
  %s = warp.mma %k, %k, %o {async} : !Slot, !Slot -> !S
  %p = warp.acquire %other : !PartsRing -> !Parts
  %m = warp.reduce max %x via %p : tensor<64x1xf32, #warp.slice<1, <acc, warps = 4>>> via !Parts -> tensor<1x1xf32, #warp.uniform>
  %done = warp.wait %s : !S
  return
}
}
