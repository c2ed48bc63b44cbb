// RUN: heddle-opt %s --convert-warp-to-nvvm --split-input-file | FileCheck %s

!M = memref<?x?x64xbf16, strided<[?, ?, 1], offset: ?>>
!Slot = !warp.slot<64x64xbf16, <swizzle = 64>>
!Ring = !warp.ring<2 of 64x64xbf16, <swizzle = 64>, bulk>

// A tensor map is one more parameter. Full barriers expect one arrival, empty ones every consuming warp. Then a branch on
// the warp, which all its lanes agree on, and each role takes its registers.

// CHECK-LABEL: llvm.func @roles
// CHECK-SAME: %[[MAP:[a-z0-9]+]]: !llvm.ptr {llvm.align = 64 : i64, llvm.byval = !llvm.array<128 x i8>, nvvm.grid_constant}
// CHECK-SAME: nvvm.minctasm = 1 : i32
// CHECK-SAME: warp.consumers = 4 : i64
// CHECK-SAME: warp.tensor_maps = [{argument = 0 : i64, box = array<i64: 1, 64, 32>, swizzle = 64 : i64}]
func.func @roles(%m: !M, %c: i32, %i: index) attributes {warp.kernel, warp.threads = 256 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %ring = warp.ring {offset = 0, barriers = 16384} : !Ring
  // CHECK: [16384]
  // CHECK: nvvm.mbarrier.init %{{.+}}, %{{c1_i32.*}} :
  // CHECK: [16392]
  // CHECK: [16400]
  // CHECK: nvvm.mbarrier.init %{{.+}}, %{{c4_i32.*}} :
  // CHECK: [16408]
  // CHECK: nvvm.fence.mbarrier.init
  // CHECK: nvvm.barrier
  // CHECK: nvvm.shfl.sync idx
  // CHECK: scf.if
  // CHECK: nvvm.setmaxregister increase 240
  // CHECK: mbarrier.try_wait.parity
  // CHECK: @p mbarrier.arrive.shared::cta.b64
  // CHECK: else
  // CHECK: nvvm.setmaxregister decrease 24
  warp.roles 4 registers 240, 24 consumer {
    %s = warp.receive %ring at %c : !Ring -> !Slot
    warp.release %ring at %c : !Ring
  } producer {
    // The writer waits for the other phase. One thread announces all bytes and copies a box of 32 columns for each panel.
    // CHECK: %[[PHASE:.+]] = arith.xori %{{.+}}, %{{c1_i32.*}} : i32
    // CHECK: mbarrier.try_wait.parity{{.*}}, %[[PHASE]]
    %f = warp.acquire %ring at %c : !Ring -> !Slot
    // CHECK: arith.cmpi eq, %{{.+}}, %{{c128_i32.*}} : i32
    // CHECK: mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;", "r,r,~{memory}" %{{.+}}, %{{c8192_i32.*}} :
    // CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %{{.+}}, %[[MAP]], %{{.+}}, box[%{{.+}}, %{{.+}}, %{{.+}}]
    // CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global
    // CHECK-NOT: nvvm.cp.async
    warp.copy %m[%c0, %i, %c0] to %f by 16 : !M to !Slot
    // CHECK: llvm.return
  }
  return
}

// -----

!M = memref<?x64xbf16, strided<[?, 1], offset: ?>>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

// A limit inside the array cuts a box: then all producing threads copy pieces of 16 bytes, with zeros from the limit on, and
// arrive when the products, which read through another proxy, will see them.

// CHECK-LABEL: llvm.func @limit
func.func @limit(%m: !M, %c: i32, %i: index, %n: index) attributes {warp.kernel, warp.threads = 256 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %ring = warp.ring {offset = 0, barriers = 8192} : !Ring
  warp.roles 4 registers 0, 0 consumer {
    // CHECK-NOT: nvvm.setmaxregister
    warp.sync
    // The consumers' own barrier.
    // CHECK: nvvm.barrier id = %{{c1_i32.*}} number_of_threads = %{{c128_i32.*}}
  } producer {
    %f = warp.acquire %ring at %c : !Ring -> !Slot
    // CHECK: %[[BEFORE:.+]] = arith.cmpi sle, %{{.+}}, %[[LIMIT:.+]] : index
    // CHECK: %[[WHOLE:.+]] = arith.cmpi sge, %[[LIMIT]], %{{.+}} : index
    // CHECK: %[[BOX:.+]] = arith.ori %[[BEFORE]], %[[WHOLE]]
    // CHECK: scf.if %[[BOX]]
    // CHECK: nvvm.cp.async.bulk.tensor
    // CHECK: else
    // CHECK: scf.for
    // CHECK: %[[SIZE:.+]] = arith.select %{{.+}}, %{{c16_i32.*}}, %{{c0_i32.*}} : i32
    // CHECK: nvvm.cp.async.shared.global %{{.+}}, %{{.+}}, 16, cache = cg, %[[SIZE]]
    // CHECK: cp.async.wait_all;
    // CHECK-SAME: fence.proxy.async.shared::cta;
    // CHECK: nvvm.barrier id = %{{c2_i32.*}} number_of_threads = %{{c128_i32.*}}
    // CHECK: mbarrier.arrive.shared::cta.b64
    warp.copy %m[%i, %c0] limit(%n) to %f by 16 : !M to !Slot
  }
  return
}

// -----

// Groups of four warps wait each for a barrier of its own, 3 and 4, at which the group before arrives. The last group begins by
// passing the first one's turn.

// CHECK-LABEL: llvm.func @turns
// CHECK: %[[LAST:.+]] = arith.cmpi uge, %{{.+}}, %{{c4_i32.*}} : i32
// CHECK: scf.if %[[LAST]]
// CHECK: bar.arrive $0, $1;
// CHECK: %[[OWN:.+]] = arith.addi %{{.+}}, %{{c3_i32.*}} : i32
// CHECK: nvvm.barrier id = %[[OWN]] number_of_threads = %{{c256_i32.*}}
// CHECK: %[[NEXT:.+]] = arith.remui %{{.+}}, %{{c2_i32.*}} : i32
// CHECK: %[[OTHER:.+]] = arith.addi %[[NEXT]], %{{c3_i32.*}} : i32
// CHECK: bar.arrive $0, $1;{{.*}} %[[OTHER]], %{{c256_i32.*}} :
func.func @turns() attributes {warp.kernel, warp.threads = 384 : i64, warp.shared_bytes = 0 : i64} {
  warp.roles 8 registers 0, 0 consumer {
    warp.take_turn
    warp.pass_turn
  } producer {
  ^bb0:
  }
  return
}

// -----

!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<2 of 64x64xbf16, <swizzle = 128>, bulk>
!S = tensor<64x64xf32, #warp.frag<acc, warps = 4>>
!Tile = tensor<64x64xbf16, #warp.frag<acc, warps = 4>>

// What threads have read is fenced from the bulk copy that comes next; what products alone have read needs nothing.

// CHECK-LABEL: llvm.func @read_by_threads
func.func @read_by_threads(%c: i32) attributes {warp.kernel, warp.threads = 256 : i64, warp.shared_bytes = 0 : i64} {
  %o = arith.constant dense<0.0> : !S
  %loaded = warp.ring {offset = 0, barriers = 32768} : !Ring
  %multiplied = warp.ring {offset = 16384, barriers = 32800} : !Ring
  warp.roles 4 registers 240, 24 consumer {
    // CHECK: nvvm.ldmatrix
    // CHECK: fence.proxy.async.shared::cta
    // CHECK: nvvm.bar.warp.sync
    // CHECK: @p mbarrier.arrive
    %a = warp.receive %loaded at %c : !Ring -> !Slot
    %x = warp.load %a[0, 0] : !Slot -> !Tile
    warp.release %loaded at %c : !Ring
    // CHECK: wgmma.wait_group
    // CHECK-NOT: fence.proxy
    // CHECK: @p mbarrier.arrive
    %b = warp.receive %multiplied at %c : !Ring -> !Slot
    %p = warp.mma %b, %b, %o {async, transB} : !Slot, !Slot -> !S
    %s = warp.wait %p : !S
    warp.release %multiplied at %c : !Ring
  } producer {
  ^bb0:
  }
  return
}
