// RUN: heddle-opt %s --convert-warp-to-nvvm --split-input-file | FileCheck %s

!M = memref<?x?x64xbf16, strided<[?, ?, 1], offset: ?>>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<2 of 64x64xbf16, <swizzle = 128>, bulk, gathered>
!Rows = tensor<64x1xi32, #warp.slice<1, <acc, warps = 4>>>
!Flags = tensor<64x1xi1, #warp.slice<1, <acc, warps = 4>>>

// Every copying thread arrives at the full barrier of a gathered ring when what it has issued has come; a reader lets the
// products see it. Eight lanes copy a row of 128 bytes, four rows at a time, and ask the lanes that know where these lie. A
// register is about eight rows, a warp has two. Coordinates are kept inside.

// CHECK-LABEL: llvm.func @bulk
func.func @bulk(%m: !M, %c: i32, %p: index) attributes {warp.kernel, warp.threads = 256 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %ring = warp.ring {offset = 0, barriers = 16384} : !Ring
  // CHECK: nvvm.mbarrier.init %{{.+}}, %{{c128_i32.*}} :
  // CHECK: nvvm.mbarrier.init %{{.+}}, %{{c128_i32.*}} :
  // CHECK: nvvm.mbarrier.init %{{.+}}, %{{c4_i32.*}} :
  warp.roles 4 registers 0, 0 consumer {
    // CHECK: mbarrier.try_wait
    // CHECK-NEXT: llvm.inline_asm has_side_effects {{.*}}"fence.proxy.async.shared::cta;"
    %s = warp.receive %ring at %c : !Ring -> !Slot
  } producer {
    %row = tile.iota dim 0 offset %c0 : !Rows
    %end = arith.constant dense<50> : !Rows
    %seen = arith.cmpi slt, %row, %end : !Rows
    // CHECK: mbarrier.try_wait
    %f = warp.acquire %ring at %c : !Ring -> !Slot
    // CHECK: arith.minsi
    // CHECK: arith.maxsi
    // CHECK: %[[BYTES:.+]] = arith.select %{{.+}}, %{{c16_i32.*}}, %{{c0_i32.*}} : i32
    // CHECK: nvvm.shfl.sync idx
    // CHECK: nvvm.shfl.sync idx
    // CHECK: %[[SIZE:.+]] = nvvm.shfl.sync idx %{{.+}}, %[[BYTES]], %[[HOLDER:[a-z0-9_]+]], %{{.+}}
    // CHECK: nvvm.cp.async.shared.global %{{.+}}, %{{.+}}, 16, cache = cg, %[[SIZE]]
    // CHECK-COUNT-3: nvvm.cp.async.shared.global
    // CHECK-NOT: nvvm.cp.async
    // CHECK: cp.async.mbarrier.arrive.noinc.shared::cta.b64
    // CHECK: cp.async.wait_all
    warp.gather %m[%p, %row, %c0] mask(%seen : !Flags) to %f : !M, index, !Rows, index to !Slot
  }
  return
}

// -----

!M = memref<?x32xf32, strided<[?, 1], offset: ?>>
!Slot = !warp.slot<32x32xf32, <pad = 16>>
!Ring = !warp.ring<1 of 32x32xf32, <pad = 16>>
!Rows = tensor<32x1xi32, #warp.slice<1, <acc, warps = 2>>>

// Without roles all four warps copy: the two that hold the same rows take turns.

// CHECK-LABEL: llvm.func @shared
// CHECK: %[[SHARE:.+]] = arith.divui %{{.+}}, %{{c2_i32.*}} : i32
// CHECK: %[[FIRST:.+]] = arith.cmpi eq, %[[SHARE]], %{{c0_i32.*}} : i32
// CHECK: scf.if %[[FIRST]]
// CHECK: nvvm.cp.async.shared.global
// CHECK: %[[SECOND:.+]] = arith.cmpi eq, %[[SHARE]], %{{c1_i32.*}} : i32
// CHECK: scf.if %[[SECOND]]
// CHECK-COUNT-3: nvvm.cp.async.shared.global
// CHECK-NOT: nvvm.cp.async.shared
// CHECK: nvvm.cp.async.commit.group
func.func @shared(%m: !M) attributes {warp.kernel, warp.threads = 128 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %ring = warp.ring {offset = 0} : !Ring
  %row = tile.iota dim 0 offset %c0 : !Rows
  %f = warp.acquire %ring : !Ring -> !Slot
  warp.gather %m[%row, %c0] to %f : !M, !Rows, index to !Slot
  %s = warp.receive %ring : !Ring -> !Slot
  return
}

// -----

!M = memref<?x?xf32, strided<[?, 1], offset: ?>>
!Slot = !warp.slot<1x96xf32, <>>
!Ring = !warp.ring<2 of 1x96xf32, <>, bulk, gathered>
!Row = tensor<1x96xf32, #warp.slice<0, <acc, warps = 4>>>

// A row of numbers: each copying thread copies an element, 0 beyond the array, and arrives; nothing but threads reads it.

// CHECK-LABEL: llvm.func @vector
func.func @vector(%m: !M, %c: i32, %i: index, %j: index, %o: memref<?x96xf32>)
    attributes {warp.kernel, warp.threads = 256 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %ring = warp.ring {offset = 0, barriers = 1024} : !Ring
  // CHECK: nvvm.mbarrier.init %{{.+}}, %{{c128_i32.*}} :
  warp.roles 4 registers 0, 0 consumer {
    // CHECK: mbarrier.try_wait
    // CHECK-NOT: fence.proxy
    %s = warp.receive %ring at %c : !Ring -> !Slot
    %r = warp.load %s[0, 0] : !Slot -> !Row
    tile.store %r, %o[%c0, %c0] : !Row, memref<?x96xf32>
  } producer {
    // CHECK: mbarrier.try_wait
    %f = warp.acquire %ring at %c : !Ring -> !Slot
    // CHECK: arith.cmpi slt, %{{.+}}, %{{c96_i32.*}}
    // CHECK: %[[SIZE:.+]] = arith.select %{{.+}}, %{{c4_i32.*}}, %{{c0_i32.*}} : i32
    // CHECK: nvvm.cp.async.shared.global %{{.+}}, %{{.+}}, 4, cache = ca, %[[SIZE]]
    // CHECK: cp.async.mbarrier.arrive.noinc.shared::cta.b64
    warp.copy %m[%i, %j] to %f by 4 : !M to !Slot
  }
  return
}
