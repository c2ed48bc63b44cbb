// RUN: heddle-opt %s --convert-warp-to-nvvm --split-input-file | FileCheck %s

!M = memref<?x64xbf16, strided<[?, 1], offset: ?>>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>
!Item = !warp.ring<2 of 1x1xi32, <>, bulk>

// Copies without threads: one warp copies, and its lanes meet at every slot; the other three end. Four consuming warps and
// that one read numbers.

// CHECK-LABEL: llvm.func @one_warp
// CHECK: nvvm.mbarrier.init %{{.+}}, %{{c1_i32.*}} :
// CHECK: nvvm.mbarrier.init %{{.+}}, %{{c1_i32.*}} :
// CHECK: nvvm.mbarrier.init %{{.+}}, %{{c5_i32.*}} :
// CHECK: nvvm.mbarrier.init %{{.+}}, %{{c5_i32.*}} :
// CHECK: nvvm.fence.mbarrier.init
func.func @one_warp(%m: !M, %counter: memref<1xi32>, %c: i32, %i: index) attributes {warp.kernel, warp.threads = 256 : i64,
    warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %items = warp.ring {offset = 8192, barriers = 8320} : !Item
  %ring = warp.ring {offset = 0, barriers = 8352} : !Ring
  // CHECK: nvvm.setmaxregister increase
  warp.roles 4 registers 240, 24 consumer {
    // CHECK: mbarrier.try_wait.parity
    // CHECK: llvm.load volatile
    // CHECK: nvvm.bar.warp.sync
    // CHECK: mbarrier.arrive.shared
    // CHECK: nvvm.shfl.sync idx
    %n = warp.take %items at %c : !Item -> i32
    %s = warp.receive %ring at %c : !Ring -> !Slot
    warp.release %ring at %c : !Ring
  } producer {
    // CHECK: nvvm.setmaxregister decrease
    // CHECK: %[[FIRST:.+]] = arith.cmpi eq, %{{.+}}, %{{c4_i32.*}} : i32
    // CHECK: scf.if %[[FIRST]]
    // CHECK: atom.global.add.u32
    %n = warp.next_item %counter[%c0] : memref<1xi32>
    // CHECK: mbarrier.try_wait.parity
    // CHECK-NEXT: nvvm.bar.warp.sync
    %f = warp.acquire %ring at %c : !Ring -> !Slot
    warp.copy %m[%i, %c0] to %f by 16 : !M to !Slot
    // CHECK: mbarrier.try_wait.parity
    // CHECK: llvm.store volatile
    // CHECK: mbarrier.arrive.shared
    warp.send %n to %items at %c : i32 to !Item
    // CHECK: mbarrier.try_wait.parity
    // CHECK: llvm.load volatile
    %t = warp.take %items at %c : !Item -> i32
  }
  return
}

// -----

!M = memref<?x64xbf16, strided<[?, 1], offset: ?>>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>
!Item = !warp.ring<2 of 1x1xi32, <>, bulk>

// Where a limit may have threads copy, four warps do, and all of them meet at every slot.

// CHECK-LABEL: llvm.func @four_warps
// CHECK: nvvm.mbarrier.init %{{.+}}, %{{c8_i32.*}} :
func.func @four_warps(%m: !M, %counter: memref<1xi32>, %c: i32, %i: index, %limit: index) attributes {warp.kernel,
    warp.threads = 256 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %items = warp.ring {offset = 8192, barriers = 8320} : !Item
  %ring = warp.ring {offset = 0, barriers = 8352} : !Ring
  warp.roles 4 registers 240, 24 consumer {
    %n = warp.take %items at %c : !Item -> i32
    %s = warp.receive %ring at %c : !Ring -> !Slot
    warp.release %ring at %c : !Ring
  } producer {
    // CHECK: nvvm.setmaxregister decrease
    // CHECK: mbarrier.try_wait.parity
    // CHECK-NEXT: nvvm.barrier id = %{{c2_i32.*}} number_of_threads = %{{c128_i32.*}}
    %f = warp.acquire %ring at %c : !Ring -> !Slot
    warp.copy %m[%i, %c0] limit(%limit) to %f by 16 : !M to !Slot
    %n = warp.next_item %counter[%c0] : memref<1xi32>
    warp.send %n to %items at %c : i32 to !Item
    %t = warp.take %items at %c : !Item -> i32
  }
  return
}

// -----

!Item = !warp.ring<1 of 1x1xi32, <>>

// Without roles block barriers come before a number is written and before it is read.

// CHECK-LABEL: llvm.func @all_warps
// CHECK: nvvm.barrier
// CHECK: scf.if
// CHECK: llvm.store volatile
// CHECK: nvvm.barrier
// CHECK: llvm.load volatile
func.func @all_warps(%counter: memref<1xi32>, %o: memref<1xi32>) attributes {warp.kernel, warp.threads = 128 : i64,
    warp.shared_bytes = 128 : i64} {
  %c0 = arith.constant 0 : index
  %items = warp.ring {offset = 0} : !Item
  %n = warp.next_item %counter[%c0] : memref<1xi32>
  warp.send %n to %items : i32 to !Item
  %t = warp.take %items : !Item -> i32
  memref.store %t, %o[%c0] : memref<1xi32>
  return
}
