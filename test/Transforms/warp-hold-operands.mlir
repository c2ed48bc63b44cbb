// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(warp-hold-operands))' --split-input-file | FileCheck %s

#acc = #warp.frag<acc, warps = 4>
!S = tensor<64x64xf32, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

// 64x64 scores take 32 registers, the left operand 16.

// CHECK-LABEL: func.func @held
// CHECK: %[[Q:.+]] = warp.receive
// CHECK-NEXT: %[[A:.+]] = warp.load %[[Q]][0, 0] : {{.+}} -> tensor<64x64xbf16, #warp.frag<a, warps = 4>>
// CHECK: scf.for
// CHECK: warp.mma %[[A]], %{{.+}}, %{{.+}} {async, transB}
module attributes {tile.target = #tile.target<name = "any", isGpu = true, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @held(%k: !Slot, %n: index, %zero: !S) -> !S attributes {warp.kernel, warp.threads = 128 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %ring = warp.ring : !Ring
  %q = warp.receive %ring : !Ring -> !Slot
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%o = %zero) -> !S {
    %s = warp.mma %q, %k, %o {transB, async} : !Slot, !Slot -> !S
    %d = warp.wait %s : !S
    scf.yield %d : !S
  }
  return %r : !S
}
}

// -----

#acc = #warp.frag<acc, warps = 4>
!S = tensor<64x64xf32, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

// The same with too few registers.

// CHECK-LABEL: func.func @full
// CHECK-NOT: warp.load
// CHECK: warp.mma %{{.+}}, %{{.+}}, %{{.+}} {async, transB} : !warp.slot
module attributes {tile.target = #tile.target<name = "any", isGpu = true, registersPerUnit = 65536, registersPerThread = 72>} {
func.func @full(%k: !Slot, %n: index, %zero: !S) -> !S attributes {warp.kernel, warp.threads = 128 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %ring = warp.ring : !Ring
  %q = warp.receive %ring : !Ring -> !Slot
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%o = %zero) -> !S {
    %s = warp.mma %q, %k, %o {transB, async} : !Slot, !Slot -> !S
    %d = warp.wait %s : !S
    scf.yield %d : !S
  }
  return %r : !S
}
}

// -----

#acc = #warp.frag<acc, warps = 4>
!S = tensor<64x64xf32, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

// Read once, or as a right operand: left where it is.

// CHECK-LABEL: func.func @once
// CHECK-NOT: warp.load
// CHECK: return
module attributes {tile.target = #tile.target<name = "any", isGpu = true, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @once(%zero: !S) -> !S attributes {warp.kernel, warp.threads = 128 : i64} {
  %ring = warp.ring : !Ring
  %q = warp.receive %ring : !Ring -> !Slot
  %s = warp.mma %q, %q, %zero {transB, async} : !Slot, !Slot -> !S
  %d = warp.wait %s : !S
  return %d : !S
}
}
