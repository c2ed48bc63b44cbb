// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(warp-take-turns))' --split-input-file | FileCheck %s

#acc = #warp.frag<acc, warps = 8>
!S = tensor<128x64xf32, #acc>
!Left = !warp.slot<128x64xbf16, <swizzle = 128>>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>

// The products that a loop issues before it waits are a burst, which groups of warps take in turn.

// CHECK-LABEL: func.func @burst
// CHECK: scf.for
// CHECK-NEXT: warp.take_turn
// CHECK-NEXT: warp.mma
// CHECK-NEXT: warp.mma
// CHECK-NEXT: warp.pass_turn
// CHECK-NEXT: warp.wait
func.func @burst(%q: !Left, %k: !Slot, %n: index, %zero: !S) -> !S attributes {warp.kernel, warp.threads = 256 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%o = %zero) -> !S {
    %s = warp.mma %q, %k, %zero {transB, async} : !Left, !Slot -> !S
    %t = warp.mma %q, %k, %o {transB, async} : !Left, !Slot -> !S
    %sd = warp.wait %s : !S
    %td = warp.wait %t : !S
    scf.yield %td : !S
  }
  return %r : !S
}

// -----

#acc = #warp.frag<acc, warps = 8>
!S = tensor<128x64xf32, #acc>
!Left = !warp.slot<128x64xbf16, <swizzle = 128>>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>

// One product at a time is no burst.

// CHECK-LABEL: func.func @single
// CHECK-NOT: take_turn
func.func @single(%q: !Left, %k: !Slot, %n: index, %zero: !S) -> !S attributes {warp.kernel, warp.threads = 256 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%o = %zero) -> !S {
    %s = warp.mma %q, %k, %o {transB, async} : !Left, !Slot -> !S
    %sd = warp.wait %s : !S
    scf.yield %sd : !S
  }
  return %r : !S
}

// -----

#acc = #warp.frag<acc, warps = 8>
!S = tensor<128x64xf32, #acc>
!P = tensor<64x64xbf16, #warp.frag<acc, warps = 4>>
!Left = !warp.slot<128x64xbf16, <swizzle = 128>>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>>

// Groups that wait for each other in every iteration take no turns: one of them would wait for ever.

// CHECK-LABEL: func.func @together
// CHECK-NOT: take_turn
func.func @together(%q: !Left, %k: !Slot, %p: !P, %n: index, %zero: !S) -> !S attributes {warp.kernel, warp.threads = 256 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %ring = warp.ring : !Ring
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%o = %zero) -> !S {
    %s = warp.mma %q, %k, %zero {transB, async} : !Left, !Slot -> !S
    %w = warp.acquire %ring : !Ring -> !Slot
    warp.put %p to %w[0] : !P to !Slot
    %f = warp.receive %ring : !Ring -> !Slot
    %t = warp.mma %q, %f, %o {async} : !Left, !Slot -> !S
    %sd = warp.wait %s : !S
    %td = warp.wait %t : !S
    scf.yield %td : !S
  }
  return %r : !S
}
