// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(warp-specialize))' --split-input-file | FileCheck %s

#acc = #warp.frag<acc, warps = 4>
!M = memref<?x64xbf16>
!S = tensor<64x64xf32, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

// Each role keeps the loops and carries what it reads: the consumer its sum and cursors, the producer the cursor and the
// position of the next copy. A slot that an innermost loop fills again and again gets a second one. It is released when the
// products that read it have been waited for.

// CHECK-LABEL: func.func @roles
// CHECK-SAME: %[[Q:.+]]: memref<?x64xbf16>, %[[K:.+]]: memref<?x64xbf16>, %[[O:.+]]: memref<?x64xf32>, %[[N:.+]]: index)
// CHECK-SAME: warp.threads = 256 : i64
// CHECK: %[[QR:.+]] = warp.ring : <1 of
// CHECK-NEXT: %[[KR:.+]] = warp.ring : <2 of
// CHECK-NEXT: warp.roles 4 registers 0, 0 consumer {
// CHECK: %[[QS:.+]] = warp.receive %[[QR]] at %[[QC:c0_i32[_0-9]*]]
// CHECK: scf.for %{{.+}} = %c0{{.*}} to %[[N]] step %c1{{.*}} iter_args(%[[ACC:.+]] = %{{.+}}, %[[C:.+]] = %c0_i32{{.*}}) -> (tensor<{{.+}}>, i32)
// CHECK-NEXT: %[[KS:.+]] = warp.receive %[[KR]] at %[[C]]
// CHECK-NEXT: %[[NEXT:.+]] = warp.advance %[[C]] of 2
// CHECK-NEXT: %[[P:.+]] = warp.mma %[[QS]], %[[KS]], %[[ACC]]
// CHECK-NEXT: %[[D:.+]] = warp.wait %[[P]]
// CHECK-NEXT: warp.release %[[KR]] at %[[C]]
// CHECK-NEXT: scf.yield %[[D]], %[[NEXT]]
// CHECK: warp.release %[[QR]] at %[[QC]]
// CHECK-NEXT: tile.store
// CHECK-NOT: warp.copy
// CHECK: } producer {
// CHECK: %[[QF:.+]] = warp.acquire %[[QR]] at
// CHECK: warp.copy %[[Q]][%{{.+}}, %{{.+}}] to %[[QF]]
// CHECK: scf.for %{{.+}} = %{{.+}} to %[[N]] step %{{.+}} iter_args(%[[J:.+]] = %{{.+}}, %[[PC:.+]] = %{{.+}}) -> (index, i32)
// CHECK-NEXT: %[[KF:.+]] = warp.acquire %[[KR]] at %[[PC]]
// CHECK-NEXT: warp.copy %[[K]][%[[J]], %{{.+}}] to %[[KF]]
// CHECK-NEXT: %[[PN:.+]] = warp.advance %[[PC]] of 2
// CHECK-NEXT: %[[JN:.+]] = arith.addi %[[J]]
// CHECK-NEXT: scf.yield %[[JN]], %[[PN]]
// CHECK-NOT: warp.mma
// CHECK: return
func.func @roles(%q: !M, %k: !M, %o: memref<?x64xf32>, %n: index) attributes {warp.kernel, warp.threads = 128 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !S
  %rows = warp.ring : !Ring
  %keys = warp.ring : !Ring
  %qf = warp.acquire %rows : !Ring -> !Slot
  warp.copy %q[%c0, %c0] to %qf by 16 : !M to !Slot
  %qs = warp.receive %rows : !Ring -> !Slot
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%s = %zero, %j = %c0) -> (!S, index) {
    %kf = warp.acquire %keys : !Ring -> !Slot
    warp.copy %k[%j, %c0] to %kf by 16 : !M to !Slot
    %ks = warp.receive %keys : !Ring -> !Slot
    %p = warp.mma %qs, %ks, %s {transB, async} : !Slot, !Slot -> !S
    %d = warp.wait %p : !S
    %next = arith.addi %j, %c64 : index
    scf.yield %d, %next : !S, index
  }
  tile.store %r#0, %o[%c0, %c0] : !S, memref<?x64xf32>
  return
}

// -----

!M = memref<?x64xbf16>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

// A branch that uses the ring hands on its cursor, and gets an else for the case in which nothing was used.

// CHECK-LABEL: func.func @branch
// CHECK: consumer {
// CHECK: %[[C:.+]] = scf.if %{{.+}} -> (i32) {
// CHECK: warp.receive
// CHECK: %[[N:.+]] = warp.advance
// CHECK: scf.yield %[[N]] : i32
// CHECK-NEXT: } else {
// CHECK-NEXT: scf.yield %c0_i32
// CHECK: warp.receive %{{.+}} at %[[C]]
func.func @branch(%m: !M, %x: i1) attributes {warp.kernel, warp.threads = 128 : i64} {
  %c0 = arith.constant 0 : index
  %ring = warp.ring : !Ring
  scf.if %x {
    %f = warp.acquire %ring : !Ring -> !Slot
    warp.copy %m[%c0, %c0] to %f by 16 : !M to !Slot
    %s = warp.receive %ring : !Ring -> !Slot
  }
  %g = warp.acquire %ring : !Ring -> !Slot
  warp.copy %m[%c0, %c0] to %g by 16 : !M to !Slot
  %t = warp.receive %ring : !Ring -> !Slot
  return
}

// -----

!M = memref<?x64xbf16>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk, gathered>
!Rows = tensor<64x1xi32, #warp.slice<1, <acc, warps = 4>>>

// Coordinates of rows belong to the role that copies.

// CHECK-LABEL: func.func @gathered
// CHECK: warp.ring : <2 of 64x64xbf16, <swizzle = 128>, bulk, gathered>
// CHECK: consumer {
// CHECK-NOT: tile.gather
// CHECK: warp.receive
// CHECK: } producer {
// CHECK: scf.for
// CHECK: %[[ROWS:.+]] = tile.iota
// CHECK: %[[PAGES:.+]] = tile.gather %{{.+}}[%[[ROWS]]]
// CHECK: warp.acquire
// CHECK: warp.gather %{{.+}}[%[[PAGES]], %{{.+}}]
func.func @gathered(%m: !M, %table: memref<?xi32>, %n: index) attributes {warp.kernel, warp.threads = 128 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %ring = warp.ring : !Ring
  scf.for %i = %c0 to %n step %c1 {
    %row = tile.iota dim 0 offset %i : !Rows
    %page = tile.gather %table[%row] : memref<?xi32>, !Rows -> !Rows
    %f = warp.acquire %ring : !Ring -> !Slot
    warp.gather %m[%page, %c0] to %f : !M, !Rows, index to !Slot
    %s = warp.receive %ring : !Ring -> !Slot
  }
  return
}

// -----

#acc = #warp.frag<acc, warps = 4>
!M = memref<?x64xbf16>
!S = tensor<64x64xf32, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>
!Item = !warp.ring<2 of 1x1xi32, <>, bulk>

// A loop over pieces of work. The producer asks for the next one and sends it; both take it. What it computes for a piece
// it sends, too, so the consumer divides nothing. Two loops one after the other use one ring, with a third slot if it fits.

// CHECK-LABEL: func.func @pieces
// CHECK: %[[NUMBERS:.+]] = warp.ring : <2 of 1x2xi32, <>, bulk>
// CHECK: %[[ITEM:.+]] = warp.ring : <2 of 1x1xi32, <>, bulk>
// CHECK-NEXT: %[[KEYS:.+]] = warp.ring : <3 of 64x64xbf16
// CHECK-NOT: warp.ring :
// CHECK: warp.roles 4
// CHECK: scf.while
// CHECK: do
// CHECK-NOT: arith.divui
// CHECK: %[[GOT:.+]]:2 = warp.take %[[NUMBERS]] at %{{.+}} -> index, index
// CHECK: scf.for %{{.+}} to %[[GOT]]#0
// CHECK: warp.receive %[[KEYS]]
// CHECK: scf.for %{{.+}} to %[[GOT]]#0
// CHECK: warp.receive %[[KEYS]]
// CHECK: tile.store %{{.+}}[%[[GOT]]#1,
// CHECK: warp.take %[[ITEM]]
// CHECK: } producer {
// CHECK: scf.while
// CHECK: do
// CHECK: %[[ROW:.+]] = arith.divui
// CHECK: %[[END:.+]] = memref.load
// CHECK: warp.send %[[END]], %[[ROW]] to %[[NUMBERS]]
// CHECK: %[[NUMBER:.+]] = warp.next_item
// CHECK: scf.for %{{.+}} to %[[END]]
// CHECK: warp.copy
// CHECK: scf.for %{{.+}} to %[[END]]
// CHECK: warp.copy
// CHECK: warp.send %[[NUMBER]] to %[[ITEM]]
// CHECK: warp.take %[[ITEM]]
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 30000>} {
func.func @pieces(%k: !M, %ends: memref<?xindex>, %o: memref<?x64xf32>, %counter: memref<1xi32>, %n: index)
    attributes {warp.kernel, warp.threads = 128 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c7 = arith.constant 7 : index
  %zero = arith.constant dense<0.0> : !S
  %items = warp.ring : !Item
  %keys = warp.ring : !Ring
  %more_keys = warp.ring : !Ring
  %last = scf.while (%item = %c0) : (index) -> index {
    %more = arith.cmpi slt, %item, %n : index
    scf.condition(%more) %item : index
  } do {
  ^bb0(%item: index):
    %number = warp.next_item %counter[%c0] : memref<1xi32>
    %row = arith.divui %item, %c7 : index
    %end = memref.load %ends[%row] : memref<?xindex>
    %a = scf.for %i = %c0 to %end step %c1 iter_args(%s = %zero) -> !S {
      %f = warp.acquire %keys : !Ring -> !Slot
      warp.copy %k[%i, %c0] to %f by 16 : !M to !Slot
      %ks = warp.receive %keys : !Ring -> !Slot
      %p = warp.mma %ks, %ks, %s {transB, async} : !Slot, !Slot -> !S
      %d = warp.wait %p : !S
      scf.yield %d : !S
    }
    %b = scf.for %i = %c0 to %end step %c1 iter_args(%s = %a) -> !S {
      %f = warp.acquire %more_keys : !Ring -> !Slot
      warp.copy %k[%i, %c0] to %f by 16 : !M to !Slot
      %ks = warp.receive %more_keys : !Ring -> !Slot
      %p = warp.mma %ks, %ks, %s {async} : !Slot, !Slot -> !S
      %d = warp.wait %p : !S
      scf.yield %d : !S
    }
    tile.store %b, %o[%row, %c0] : !S, memref<?x64xf32>
    warp.send %number to %items : i32 to !Item
    %taken = warp.take %items : !Item -> i32
    %next = arith.index_cast %taken : i32 to index
    scf.yield %next : index
  }
  return
}
}

// -----

#acc = #warp.frag<acc, warps = 4>
!M = memref<?x64xbf16>
!T = tensor<64x64xbf16, #acc>
!S = tensor<64x64xf32, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

// Where two slots of each ring do not fit, one that is read to registers before the first product has one.

// CHECK-LABEL: func.func @short
// CHECK: warp.ring : <2 of
// CHECK-NEXT: warp.ring : <1 of
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 32768>} {
func.func @short(%m: !M, %o: memref<?x64xf32>, %n: index) attributes {warp.kernel, warp.threads = 128 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant dense<0.0> : !S
  %kr = warp.ring : !Ring
  %gr = warp.ring : !Ring
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %zero) -> !S {
    %gf = warp.acquire %gr : !Ring -> !Slot
    warp.copy %m[%i, %c0] to %gf by 16 : !M to !Slot
    %g = warp.receive %gr : !Ring -> !Slot
    %gt = warp.load %g[0, 0] : !Slot -> !T
    %kf = warp.acquire %kr : !Ring -> !Slot
    warp.copy %m[%i, %c0] to %kf by 16 : !M to !Slot
    %k = warp.receive %kr : !Ring -> !Slot
    %s = warp.mma %k, %k, %acc {transB, async} : !Slot, !Slot -> !S
    %d = warp.wait %s : !S
    %w = arith.extf %gt : !T to !S
    %y = arith.addf %d, %w : !S
    scf.yield %y : !S
  }
  tile.store %r, %o[%c0, %c0] : !S, memref<?x64xf32>
  return
}
}

// -----

#acc = #warp.frag<acc, warps = 4>
!M = memref<?x64xbf16>
!S = tensor<64x64xf32, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

// A step that copies two operands for one product waits for memory: its rings have three slots, if they fit.

// CHECK-LABEL: func.func @two_for_one
// CHECK-COUNT-2: warp.ring : <3 of
// CHECK: warp.roles
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 50176>} {
func.func @two_for_one(%m: !M, %o: memref<?x64xf32>, %n: index) attributes {warp.kernel, warp.threads = 128 : i64} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : !S
  %xr = warp.ring : !Ring
  %yr = warp.ring : !Ring
  scf.for %i = %c0 to %n step %c64 {
    %xf = warp.acquire %xr : !Ring -> !Slot
    warp.copy %m[%i, %c0] to %xf by 16 : !M to !Slot
    %x = warp.receive %xr : !Ring -> !Slot
    %yf = warp.acquire %yr : !Ring -> !Slot
    warp.copy %m[%i, %c0] to %yf by 16 : !M to !Slot
    %y = warp.receive %yr : !Ring -> !Slot
    %p = warp.mma %x, %y, %zero {transB, async} : !Slot, !Slot -> !S
    %d = warp.wait %p : !S
    tile.store %d, %o[%i, %c0] : !S, memref<?x64xf32>
  }
  return
}
}
