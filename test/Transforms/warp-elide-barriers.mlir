// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(warp-elide-barriers))' --split-input-file | FileCheck %s

!Slot = !warp.slot<16x16xbf16, <pad = 16>>
!Ring = !warp.ring<1 of 16x16xbf16, <pad = 16>>
!Acc = tensor<16x16xf32, #warp.frag<acc, warps = 1>>

// CHECK-LABEL: func.func @barriers
// CHECK-SAME: %[[A:[a-z0-9]+]]: !warp.ring{{.+}}, %[[B:[a-z0-9]+]]: !warp.ring{{.+}}, %{{.+}}: memref
func.func @barriers(%a: !Ring, %b: !Ring, %m: memref<?x16xbf16>, %i: index, %acc: !Acc) -> !Acc attributes {warp.kernel} {
  // Nothing has read since the first acquire, so the second has nothing to wait for.
  // CHECK: warp.acquire %[[A]] :
  %s0 = warp.acquire %a : !Ring -> !Slot
  warp.copy %m[%i, %i] to %s0 by 16 : memref<?x16xbf16> to !Slot
  // CHECK: warp.acquire %[[B]] ordered :
  %s1 = warp.acquire %b : !Ring -> !Slot
  warp.copy %m[%i, %i] to %s1 by 16 : memref<?x16xbf16> to !Slot
  // CHECK: warp.receive %[[A]] :
  %f0 = warp.receive %a : !Ring -> !Slot
  // CHECK: warp.receive %[[B]] ordered :
  %f1 = warp.receive %b : !Ring -> !Slot
  %r = warp.mma %f0, %f1, %acc : !Slot, !Slot -> !Acc
  // The product has read.
  // CHECK: warp.acquire %[[A]] :
  %s2 = warp.acquire %a : !Ring -> !Slot
  return %r : !Acc
}

// -----

!Bulk = !warp.ring<1 of 16x64xbf16, <swizzle = 128>, bulk>
!Slot = !warp.slot<16x64xf32, <pad = 16>>
!Ring = !warp.ring<1 of 16x64xf32, <pad = 16>>

// The barriers of a bulk ring order its own slots: they neither need another's nor replace it.

// CHECK-LABEL: func.func @bulk
// CHECK: warp.acquire %{{.+}} at %{{[a-z0-9]+}} :
// CHECK: warp.receive %{{.+}} at %{{[a-z0-9]+}} :
// CHECK: warp.acquire %{{[a-z0-9]+}} :
// CHECK: warp.receive %{{.+}} at %{{[a-z0-9]+}} :
func.func @bulk(%c: i32) attributes {warp.kernel} {
  %bulk = warp.ring : !Bulk
  %ring = warp.ring : !Ring
  %f = warp.acquire %bulk at %c : !Bulk -> !warp.slot<16x64xbf16, <swizzle = 128>>
  %s = warp.receive %bulk at %c : !Bulk -> !warp.slot<16x64xbf16, <swizzle = 128>>
  %a = warp.acquire %ring : !Ring -> !Slot
  %t = warp.receive %bulk at %c : !Bulk -> !warp.slot<16x64xbf16, <swizzle = 128>>
  return
}

// -----

!Bulk = !warp.ring<1 of 16x16xbf16, <swizzle = 32>, bulk>
!BulkSlot = !warp.slot<16x16xbf16, <swizzle = 32>>
!Slot = !warp.slot<16x16xbf16, <pad = 16>>
!Ring = !warp.ring<1 of 16x16xbf16, <pad = 16>>
!Tile = tensor<16x16xbf16, #warp.frag<acc, warps = 1>>

// Reading a bulk slot is nobody else's business; and a branch goes on from where it is: what one of its sides puts, the next
// receive waits for.

// CHECK-LABEL: func.func @branches
// CHECK-SAME: %[[A:[a-z0-9]+]]: !warp.ring{{[^%]+}}, %[[B:[a-z0-9]+]]: !warp.ring{{[^%]+}}, %{{[a-z0-9]+}}: i32
func.func @branches(%a: !Ring, %b: !Ring, %c: i32, %condition: i1, %bulk: !Bulk) attributes {warp.kernel} {
  // CHECK: warp.acquire %[[A]] :
  %w = warp.acquire %a : !Ring -> !Slot
  %f = warp.receive %bulk at %c : !Bulk -> !BulkSlot
  %t = warp.load %f[0, 0] : !BulkSlot -> !Tile
  // CHECK: warp.acquire %[[B]] ordered :
  %x = warp.acquire %b : !Ring -> !Slot
  warp.put %t to %w[0] : !Tile to !Slot
  // CHECK: warp.receive %[[A]] :
  %g = warp.receive %a : !Ring -> !Slot
  scf.if %condition {
    // CHECK: warp.receive %[[A]] ordered :
    %h = warp.receive %a : !Ring -> !Slot
  }
  // CHECK: warp.receive %[[A]] ordered :
  %i = warp.receive %a : !Ring -> !Slot
  scf.if %condition {
    warp.put %t to %x[0] : !Tile to !Slot
  }
  // CHECK: warp.receive %[[B]] :
  %j = warp.receive %b : !Ring -> !Slot
  return
}

// -----

!Slot = !warp.slot<64x16xbf16, <pad = 16>>
!Ring = !warp.ring<1 of 64x16xbf16, <pad = 16>>
!Parts = !warp.slot<4x1xf32, <>>
!PartsRing = !warp.ring<1 of 4x1xf32, <>>
!Tile = tensor<64x16xbf16, #warp.frag<acc, warps = 4>>
!Column = tensor<64x1xf32, #warp.slice<1, <acc, warps = 4>>>

// A reduction across warps has a barrier of its own, which is one for what has been put before it.

// CHECK-LABEL: func.func @reduced
// CHECK: warp.reduce
// CHECK-NEXT: warp.receive %{{.+}} ordered :
func.func @reduced(%ring: !Ring, %parts: !PartsRing, %t: !Tile, %x: !Column) attributes {warp.kernel} {
  %w = warp.acquire %ring : !Ring -> !Slot
  warp.put %t to %w[0] : !Tile to !Slot
  %p = warp.acquire %parts : !PartsRing -> !Parts
  %m = warp.reduce max %x via %p : !Column via !Parts -> tensor<1x1xf32, #warp.uniform>
  %r = warp.receive %ring : !Ring -> !Slot
  return
}

// -----

!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>>
!Tile = tensor<64x64xbf16, #warp.frag<acc, warps = 4>>
!S = tensor<64x64xf32, #warp.frag<acc, warps = 4>>

// An asynchronous product reads until somebody has waited for it, whatever barriers come before that.

// CHECK-LABEL: func.func @awaited
// CHECK: warp.wait
// CHECK-NEXT: warp.acquire %{{.+}} :
func.func @awaited(%ring: !Ring, %t: !Tile, %o: !S) attributes {warp.kernel} {
  %w = warp.acquire %ring : !Ring -> !Slot
  warp.put %t to %w[0] : !Tile to !Slot
  %k = warp.receive %ring : !Ring -> !Slot
  %s = warp.mma %k, %k, %o {async} : !Slot, !Slot -> !S
  warp.sync
  %done = warp.wait %s : !S
  %again = warp.acquire %ring : !Ring -> !Slot
  return
}
