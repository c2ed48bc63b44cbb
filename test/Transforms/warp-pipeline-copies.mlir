// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(warp-pipeline-copies))' --split-input-file | FileCheck %s

!M = memref<?x64xbf16>
!Slot = !warp.slot<32x64xbf16, <pad = 16>>
!Ring = !warp.ring<1 of 32x64xbf16, <pad = 16>>
!Acc = tensor<32x32xf32, #warp.frag<acc, warps = 2>>

// CHECK-LABEL: func.func @ahead
// CHECK-SAME: %[[M:[a-z0-9]+]]: memref<?x64xbf16>, %[[N:[a-z0-9]+]]: index
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 100000>} {
func.func @ahead(%m: !M, %n: index, %zero: !Acc) -> !Acc attributes {warp.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c32 = arith.constant 32 : index
  // CHECK: %[[RING:.+]] = warp.ring : <2 of 32x64xbf16, <pad = 16>>
  %ring = warp.ring : !Ring
  // CHECK: scf.if
  // CHECK: %[[FIRST:.+]] = arith.muli %c0, %c32
  // CHECK: %[[SLOT:.+]] = warp.acquire %[[RING]] at %c0_i32 :
  // CHECK: warp.copy %[[M]][%[[FIRST]], %c0] to %[[SLOT]] by 16
  // CHECK: scf.for %[[I:.+]] = %c0 to %[[N]] step %c1 iter_args(%{{.+}} = %{{.+}}, %[[STAGE:.+]] = %c0_i32)
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %zero) -> !Acc {
    %j = arith.muli %i, %c32 : index
    %free = warp.acquire %ring : !Ring -> !Slot
    warp.copy %m[%j, %c0] to %free by 16 : !M to !Slot
    %full = warp.receive %ring : !Ring -> !Slot
    // CHECK: %[[FULL:.+]] = warp.receive %[[RING]] at %[[STAGE]] :
    // CHECK: %[[NEXT:.+]] = arith.addi %[[I]], %c1
    // CHECK: %[[OTHER:.+]] = arith.subi %c1_i32, %[[STAGE]]
    // CHECK: scf.if
    // CHECK: arith.muli %[[NEXT]], %c32
    // CHECK: warp.acquire %[[RING]] at %[[OTHER]] ordered
    // CHECK: warp.copy
    // CHECK: warp.mma %[[FULL]], %[[FULL]]
    %s = warp.mma %full, %full, %acc {transB} : !Slot, !Slot -> !Acc
    scf.yield %s : !Acc
  }
  return %r : !Acc
}
}

// -----

// Two slots of each ring would leave room for one block a multiprocessor, one slot for two. The slots are read one after
// the other, so each is filled again while the other is read.

!M = memref<?x64xbf16>
!Slot = !warp.slot<32x64xbf16, <pad = 16>>
!Ring = !warp.ring<1 of 32x64xbf16, <pad = 16>>
!Score = tensor<32x32xf32, #warp.frag<acc, warps = 2>>
!Acc = tensor<32x64xf32, #warp.frag<acc, warps = 2>>

// CHECK-LABEL: func.func @in_turn
// CHECK-SAME: %[[K:[a-z0-9]+]]: memref<?x64xbf16>, %[[V:[a-z0-9]+]]: memref<?x64xbf16>, %[[N:[a-z0-9]+]]: index
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 30000, sharedBytesPerUnit = 30000,
                                              registersPerUnit = 65536, registersPerThread = 255>} {
func.func @in_turn(%k: !M, %v: !M, %n: index, %zero: !Acc) -> !Acc attributes {warp.kernel, warp.threads = 64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c32 = arith.constant 32 : index
  %none = arith.constant dense<0.0> : !Score
  // CHECK: %[[KEYS:.+]] = warp.ring : <1 of
  // CHECK: %[[VALUES:.+]] = warp.ring : <1 of
  %keys = warp.ring : !Ring
  %values = warp.ring : !Ring
  // CHECK: %[[ANY:.+]] = arith.cmpi slt, %c0, %[[N]]
  // CHECK: scf.if %[[ANY]]
  // CHECK: %[[FREE:.+]] = warp.acquire %[[KEYS]] :
  // CHECK: warp.copy %[[K]]
  // CHECK-NOT: warp.copy
  // CHECK: scf.for %[[I:.+]] = %c0 to %[[N]] step %c1 iter_args(%{{.+}} = %{{.+}})
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %zero) -> !Acc {
    %j = arith.muli %i, %c32 : index
    %a = warp.acquire %keys : !Ring -> !Slot
    warp.copy %k[%j, %c0] to %a by 16 : !M to !Slot
    %full = warp.receive %keys : !Ring -> !Slot
    // CHECK: %[[FULL:.+]] = warp.receive %[[KEYS]] :
    // CHECK: %[[HERE:.+]] = arith.muli %[[I]], %c32
    // CHECK: warp.acquire %[[VALUES]] ordered
    // CHECK: warp.copy %[[V]][%[[HERE]], %c0]
    // CHECK: warp.mma %[[FULL]], %[[FULL]]
    // CHECK: warp.convert
    // CHECK: %[[OTHER:.+]] = warp.receive %[[VALUES]] :
    // CHECK: scf.if
    // CHECK: arith.muli %{{.+}}, %c32
    // CHECK: warp.acquire %[[KEYS]] ordered
    // CHECK: warp.copy %[[K]]
    // CHECK: warp.mma %{{.+}}, %[[OTHER]]
    %s = warp.mma %full, %full, %none {transB} : !Slot, !Slot -> !Score
    %p = arith.truncf %s : !Score to tensor<32x32xbf16, #warp.frag<acc, warps = 2>>
    %w = warp.convert %p : tensor<32x32xbf16, #warp.frag<acc, warps = 2>> -> tensor<32x32xbf16, #warp.frag<a, warps = 2>>
    %b = warp.acquire %values : !Ring -> !Slot
    warp.copy %v[%j, %c0] to %b by 16 : !M to !Slot
    %other = warp.receive %values : !Ring -> !Slot
    %o = warp.mma %w, %other, %acc : tensor<32x32xbf16, #warp.frag<a, warps = 2>>, !Slot -> !Acc
    scf.yield %o : !Acc
  }
  return %r : !Acc
}
}

// -----

// Where the next tile depends on what this iteration computes, or on memory that the kernel writes, nothing moves.

!M = memref<?x64xbf16>
!Slot = !warp.slot<32x64xbf16, <pad = 16>>
!Ring = !warp.ring<1 of 32x64xbf16, <pad = 16>>

// CHECK-LABEL: func.func @carried
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 100000>} {
func.func @carried(%m: !M, %next: memref<?xindex>, %n: index) -> index attributes {warp.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // CHECK: warp.ring : <1 of
  %ring = warp.ring : !Ring
  // CHECK-NOT: scf.if
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%j = %c0) -> index {
    %free = warp.acquire %ring : !Ring -> !Slot
    warp.copy %m[%j, %c0] to %free by 16 : !M to !Slot
    %full = warp.receive %ring : !Ring -> !Slot
    %k = memref.load %next[%j] : memref<?xindex>
    scf.yield %k : index
  }
  return %r : index
}
}

// -----

// Bulk rings belong to roles.

!M = memref<?x64xbf16>
!Slot = !warp.slot<32x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 32x64xbf16, <swizzle = 128>, bulk>

// CHECK-LABEL: func.func @bulk
// CHECK: warp.ring : <1 of
// CHECK-NOT: scf.if
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 100000>} {
func.func @bulk(%m: !M, %n: index, %c: i32) attributes {warp.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %ring = warp.ring : !Ring
  scf.for %i = %c0 to %n step %c1 {
    %free = warp.acquire %ring at %c : !Ring -> !Slot
    warp.copy %m[%i, %c0] to %free by 16 : !M to !Slot
    %full = warp.receive %ring at %c : !Ring -> !Slot
  }
  return
}
}

// -----

!M = memref<?x?x64xbf16>
!Slot = !warp.slot<32x64xbf16, <pad = 16>>
!Ring = !warp.ring<1 of 32x64xbf16, <pad = 16>>
!Acc = tensor<32x32xf32, #warp.frag<acc, warps = 2>>
!Rows = tensor<32x1xi32, #warp.slice<1, <acc, warps = 2>>>

// A gather goes ahead with what finds its rows: a table that is only read.

// CHECK-LABEL: func.func @gather
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 100000>} {
func.func @gather(%m: !M, %table: memref<?xi32>, %n: index, %zero: !Acc) -> !Acc attributes {warp.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // CHECK: %[[RING:.+]] = warp.ring : <2 of 32x64xbf16, <pad = 16>>
  %ring = warp.ring : !Ring
  // CHECK: scf.if
  // CHECK: tile.gather
  // CHECK: warp.gather
  // CHECK: scf.for
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %zero) -> !Acc {
    // CHECK: warp.receive
    // CHECK: %[[NEXT:.+]] = arith.addi
    // CHECK: scf.if
    // CHECK: %[[ROWS:.+]] = tile.iota dim 0 offset %[[NEXT]]
    // CHECK: %[[PAGES:.+]] = tile.gather %{{.+}}[%[[ROWS]]]
    // CHECK: %[[FREE:.+]] = warp.acquire %[[RING]] at %{{.+}} ordered
    // CHECK: warp.gather %{{.+}}[%[[PAGES]], %c0, %c0] to %[[FREE]]
    %row = tile.iota dim 0 offset %i : !Rows
    %page = tile.gather %table[%row] : memref<?xi32>, !Rows -> !Rows
    %free = warp.acquire %ring : !Ring -> !Slot
    warp.gather %m[%page, %c0, %c0] to %free : !M, !Rows, index, index to !Slot
    %full = warp.receive %ring : !Ring -> !Slot
    %s = warp.mma %full, %full, %acc {transB} : !Slot, !Slot -> !Acc
    scf.yield %s : !Acc
  }
  return %r : !Acc
}
}
