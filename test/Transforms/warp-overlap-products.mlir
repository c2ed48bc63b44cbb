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

// -----

#acc = #warp.frag<acc, warps = 4>
!S = tensor<64x64xf32, #acc>
!P = tensor<64x64xbf16, #acc>
!A = tensor<64x64xbf16, #warp.frag<a, warps = 4>>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

// A slot that the late product shares with another is not kept for an iteration more: the loop stays as it is.

// CHECK-LABEL: func.func @shared_slot
// CHECK-NOT: scf.if
// CHECK: scf.for
// CHECK: %[[V:.+]] = warp.receive
// CHECK: warp.mma %{{.+}}, %[[V]], %{{.+}} {async}
// CHECK: warp.mma %{{.+}}, %[[V]], %{{.+}} {async, transA}
func.func @shared_slot(%q: !Slot, %k: !Slot, %n: index, %zero: !S) -> (!S, !S) attributes {warp.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %ring = warp.ring : !Ring
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%o = %zero, %u = %zero) -> (!S, !S) {
    %v = warp.receive %ring : !Ring -> !Slot
    %s = warp.mma %q, %k, %zero {transB, async} : !Slot, !Slot -> !S
    %p = arith.truncf %s : !S to !P
    %a = warp.convert %p : !P -> !A
    %t = warp.mma %a, %v, %o {async} : !A, !Slot -> !S
    %x = warp.mma %k, %v, %u {transA, async} : !Slot, !Slot -> !S
    scf.yield %t, %x : !S, !S
  }
  return %r#0, %r#1 : !S, !S
}

// -----

#acc = #warp.frag<acc, warps = 4>
!S = tensor<64x256xf32, #acc>
!Left = !warp.slot<64x64xbf16, <swizzle = 128>>
!Right = !warp.slot<256x64xbf16, <swizzle = 128>>

// A thread has 255 registers; the product, what it goes on from and the factors, which its reader alone wants, are 128 each.
// So the factors are made behind the wait.

// CHECK-LABEL: func.func @factors
// CHECK: %[[S:.+]] = warp.mma
// CHECK-NEXT: %[[D:.+]] = warp.wait %[[S]]
// CHECK-NEXT: %[[E:.+]] = math.exp2
// CHECK-NEXT: arith.mulf %[[D]], %[[E]]
module attributes {tile.target = #tile.target<name = "any", isGpu = true, registersPerThread = 255, registersPerUnit = 65536>} {
func.func @factors(%q: !Left, %k: !Right, %d: !S, %zero: !S) -> (!S, !S) attributes {warp.kernel, warp.threads = 128 : i64} {
  %s = warp.mma %q, %k, %zero {transB, async} : !Left, !Right -> !S
  %e = math.exp2 %d : !S
  %p = arith.mulf %s, %e : !S
  return %p, %d : !S, !S
}
}

// -----

#acc = #warp.frag<acc, warps = 4>
!S = tensor<64x64xf32, #acc>
!P = tensor<64x64xbf16, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>>

// A loop reads what it carries, a sum of products, while the next product is under way: what goes in is waited for, too.

// CHECK-LABEL: func.func @carried
// CHECK-SAME: %[[ZERO:[a-z0-9]+]]: tensor
// CHECK: %[[IN:.+]] = warp.wait %[[ZERO]]
// CHECK: scf.for {{.*}} iter_args(%[[S:.+]] = %[[IN]])
// CHECK-NEXT: warp.mma
// CHECK-NEXT: arith.truncf %[[S]]
func.func @carried(%q: !Slot, %k: !Slot, %n: index, %zero: !S) -> !S attributes {warp.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %ring = warp.ring : !Ring
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%s = %zero) -> !S {
    %p = warp.mma %q, %k, %zero {transB, async} : !Slot, !Slot -> !S
    %t = arith.truncf %s : !S to !P
    %w = warp.acquire %ring : !Ring -> !Slot
    warp.put %t to %w[0] : !P to !Slot
    %f = warp.receive %ring : !Ring -> !Slot
    %x = warp.mma %q, %f, %p {async} : !Slot, !Slot -> !S
    scf.yield %x : !S
  }
  return %r : !S
}

// -----


#acc = #warp.frag<acc, warps = 4>
!S = tensor<64x64xf32, #acc>
!P = tensor<64x64xbf16, #acc>
!A = tensor<64x64xbf16, #warp.frag<a, warps = 4>>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>

// What is done in the first iteration only is done before the loop, under what else decides it. A loop that is seldom gone
// through stays as it is.

// CHECK-LABEL: func.func @first
// CHECK-SAME: %[[SOME:[a-z0-9]+]]: i1
// CHECK: scf.for
// CHECK-NOT: scf.if
// CHECK: } {tile.seldom}
// CHECK: scf.if
// CHECK: scf.if %[[SOME]]
// CHECK: arith.negf
// CHECK: scf.for
// CHECK-NOT: arith.negf
// CHECK: return
func.func @first(%q: !Slot, %k: !Slot, %v: !Slot, %m: index, %n: index, %some: i1) -> !S attributes {warp.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant dense<0.0> : !S
  %b = scf.for %i = %c0 to %m step %c1 iter_args(%o = %zero) -> !S {
    %s = warp.mma %q, %k, %zero {transB, async} : !Slot, !Slot -> !S
    %p = arith.truncf %s : !S to !P
    %a = warp.convert %p : !P -> !A
    %t = warp.mma %a, %v, %o {async} : !A, !Slot -> !S
    scf.yield %t : !S
  } {tile.seldom}
  %r = scf.for %i = %m to %n step %c1 iter_args(%o = %b) -> !S {
    %first = arith.cmpi eq, %i, %m : index
    %masked = arith.andi %first, %some : i1
    %s = warp.mma %q, %k, %zero {transB, async} : !Slot, !Slot -> !S
    %e = scf.if %masked -> !S {
      %x = arith.negf %s : !S
      scf.yield %x : !S
    } else {
      scf.yield %s : !S
    }
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
!P = tensor<64x64xbf16, #acc>
!A = tensor<64x64xbf16, #warp.frag<a, warps = 4>>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>>

// What the late product has summed up goes to the first one through a slot: that cannot wait an iteration.

// CHECK-LABEL: func.func @through_a_slot
// CHECK-NOT: scf.if
// CHECK: scf.for
// CHECK: warp.put
// CHECK: warp.mma
// CHECK: warp.mma
func.func @through_a_slot(%q: !Slot, %v: !Slot, %ring: !Ring, %n: index) -> !S attributes {warp.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant dense<0.0> : !S
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%o = %zero) -> !S {
    %x = arith.truncf %o : !S to !P
    %w = warp.acquire %ring : !Ring -> !Slot
    warp.put %x to %w[0] : !P to !Slot
    %k = warp.receive %ring : !Ring -> !Slot
    %s = warp.mma %q, %k, %zero {transB, async} : !Slot, !Slot -> !S
    %p = arith.truncf %s : !S to !P
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

// What nobody reads before a loop with products of its own is waited for there, not behind it.

// CHECK-LABEL: func.func @around_a_loop
// CHECK: scf.for
// CHECK: %[[T:.+]] = warp.mma
// CHECK-NEXT: %[[D:.+]] = warp.wait %[[T]]
// CHECK-NEXT: scf.for
// CHECK: scf.yield %[[D]]
func.func @around_a_loop(%q: !Slot, %k: !Slot, %n: index, %o: memref<64x64xf32>) -> !S attributes {warp.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant dense<0.0> : !S
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%state = %zero) -> !S {
    %t = warp.mma %q, %k, %state {async} : !Slot, !Slot -> !S
    %sum = scf.for %j = %c0 to %n step %c1 iter_args(%s = %zero) -> !S {
      %p = warp.mma %k, %q, %s {async} : !Slot, !Slot -> !S
      scf.yield %p : !S
    }
    tile.store %sum, %o[%c0, %c0] : !S, memref<64x64xf32>
    scf.yield %t : !S
  }
  return %r : !S
}
