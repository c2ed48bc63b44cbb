// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(warp-overlap-products))' --split-input-file | FileCheck %s
// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(warp-overlap-products{rotate=false}))' --split-input-file | FileCheck %s --check-prefix=WAIT

#acc = #warp.frag<acc, warps = 4>
!S = tensor<64x64xf32, #acc>
!P = tensor<64x64xbf16, #acc>
!A = tensor<64x64xbf16, #warp.frag<a, warps = 4>>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>

// The late product reads what the first one made: it moves into the next iteration, behind the first one of that. Its
// left operand goes around the loop, and is made again only when the late product has been waited for.

// CHECK-LABEL: func.func @two
// CHECK-SAME: %[[Q:.+]]: !warp.slot{{.+}}, %[[K:.+]]: !warp.slot{{.+}}, %[[V:.+]]: !warp.slot{{.+}}, %[[N:.+]]: index
// CHECK: %[[ANY:.+]] = arith.cmpi slt, %c0, %[[N]]
// CHECK: scf.if %[[ANY]]
// CHECK: %[[S0:.+]] = warp.mma %[[Q]], %[[K]], %[[ZERO:.+]] {async, transB}
// CHECK: %[[D0:.+]] = warp.wait %[[S0]]
// CHECK: math.exp2 %[[D0]]
// CHECK: %[[P0:.+]] = warp.convert
// CHECK: %[[LOOP:.+]]:2 = scf.for %{{.+}} = %{{.+}} to %[[N]] step %c1 iter_args(%[[P:.+]] = %[[P0]], %[[O:.+]] = %[[ZERO]])
// CHECK-DAG: %[[S:.+]] = warp.mma %[[Q]], %[[K]], %[[ZERO]] {async, transB}
// CHECK-DAG: %[[T:.+]] = warp.mma %[[P]], %[[V]], %[[O]] {async}
// CHECK: %[[SD:.+]] = warp.wait %[[S]]
// CHECK: %[[E:.+]] = math.exp2 %[[SD]]
// CHECK: %[[TD:.+]] = warp.wait %[[T]]
// CHECK: %[[PE:.+]] = arith.truncf %[[E]]
// CHECK: %[[PA:.+]] = warp.convert %[[PE]]
// CHECK: scf.yield %[[PA]], %[[TD]]
// CHECK: warp.mma %[[LOOP]]#0, %[[V]], %[[LOOP]]#1 {async}
// CHECK: else
// CHECK-NEXT: scf.yield %[[ZERO]]

// WAIT-LABEL: func.func @two
// WAIT-NOT: scf.if
// WAIT: %[[S:.+]] = warp.mma
// WAIT-NEXT: warp.wait %[[S]]
// WAIT: %[[T:.+]] = warp.mma
// WAIT-NEXT: %[[D:.+]] = warp.wait %[[T]]
// WAIT-NEXT: scf.yield %[[D]]
func.func @two(%q: !Slot, %k: !Slot, %v: !Slot, %n: index) -> !S attributes {warp.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant dense<0.0> : !S
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%o = %zero) -> !S {
    %s = warp.mma %q, %k, %zero {transB, async} : !Slot, !Slot -> !S
    %e = math.exp2 %s : !S
    %p = arith.truncf %e : !S to !P
    %a = warp.convert %p : !P -> !A
    %t = warp.mma %a, %v, %o {async} : !A, !Slot -> !S
    scf.yield %t : !S
  }
  return %r : !S
}

// -----

#acc = #warp.frag<acc, warps = 4>
!S = tensor<64x64xf32, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>

// Products of which none reads what another made stay; one that goes on accumulating needs no wait in between.

// CHECK-LABEL: func.func @sum
// CHECK-NOT: scf.if
// CHECK: %[[S:.+]] = warp.mma
// CHECK-NEXT: %[[T:.+]] = warp.mma %{{.+}}, %{{.+}}, %[[S]]
// CHECK-NEXT: %[[D:.+]] = warp.wait %[[T]]
// CHECK-NEXT: scf.yield %[[D]]
func.func @sum(%q: !Slot, %k: !Slot, %n: index, %zero: !S) -> !S attributes {warp.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%o = %zero) -> !S {
    %s = warp.mma %q, %k, %o {transB, async} : !Slot, !Slot -> !S
    %t = warp.mma %q, %k, %s {transB, async} : !Slot, !Slot -> !S
    scf.yield %t : !S
  }
  return %r : !S
}
