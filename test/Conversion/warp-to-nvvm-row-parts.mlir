// RUN: heddle-opt %s --convert-warp-to-nvvm | FileCheck %s

#acc = #warp.frag<acc, warps = 8>
#a = #warp.frag<a, warps = 8>
!S = tensor<128x64xf32, #acc>
!A = tensor<128x64xbf16, #a>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<2 of 64x64xbf16, <swizzle = 128>, bulk>

// The second group takes its own bounds, says of the slots before and behind them that it has read them, and multiplies none of those.
// CHECK-LABEL: llvm.func @parts
// CHECK: %[[WARP:.+]] = nvvm.shfl.sync idx
// CHECK: %[[GROUP:.+]] = arith.divui %[[WARP]], %c4_i32{{.*}}
// CHECK: %[[LEAST:.+]] = arith.minsi %{{.+}}, %{{.+}} {tile.row_parts} : index
// CHECK: %[[GREATEST:.+]] = arith.maxsi %{{.+}}, %{{.+}} {tile.row_parts} : index
// CHECK: %[[IS_SECOND:.+]] = arith.cmpi eq, %[[GROUP]], %c1_i32
// CHECK: %[[BEGIN:.+]] = arith.select %[[IS_SECOND]]
// CHECK: %[[END:.+]] = arith.select %[[IS_SECOND]]
// CHECK: %[[FIRST:.+]] = scf.for %{{.+}} = %[[LEAST]] to %[[BEGIN]] {{.*}}iter_args(
// CHECK-NOT: wgmma
// CHECK: mbarrier.try_wait
// CHECK: mbarrier.arrive
// CHECK: scf.for %{{.+}} = %[[BEGIN]] to %[[END]] {{.*}}iter_args({{.*}} = %[[FIRST]])
// CHECK: wgmma.mma_async
// CHECK: scf.for %{{.+}} = %[[END]] to %[[GREATEST]]
// CHECK-NOT: wgmma.mma_async
// CHECK: llvm.return
func.func @parts(%c: i32, %b0: index, %b1: index, %e0: index, %e1: index) attributes {warp.kernel, warp.threads = 384 : i64, warp.shared_bytes = 0 : i64} {
  %k = warp.ring {offset = 0, barriers = 16384} : !Ring
  warp.roles 8 registers 240, 24 consumer {
    %one = arith.constant 1 : index
    %none = arith.constant dense<0.0> : !S
    %q = arith.constant dense<1.0> : !A
    %start = arith.constant 0 : i32
    %begin = arith.minsi %b0, %b1 {tile.row_parts} : index
    %end = arith.maxsi %e0, %e1 {tile.row_parts} : index
    %r:2 = scf.for %n = %begin to %end step %one iter_args(%acc = %none, %at = %start) -> (!S, i32) {
      %s = warp.receive %k at %at : !Ring -> !Slot
      %m = warp.mma %q, %s, %acc {transB, async} : !A, !Slot -> !S
      %d = warp.wait %m : !S
      warp.release %k at %at : !Ring
      %next = warp.advance %at of 2
      scf.yield %d, %next : !S, i32
    }
    %last = warp.receive %k at %r#1 : !Ring -> !Slot
  } producer {
    %f = warp.acquire %k at %c : !Ring -> !Slot
  }
  return
}
