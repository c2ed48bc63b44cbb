// RUN: heddle-opt %s --convert-warp-to-nvvm | FileCheck %s

#acc = #warp.frag<acc, warps = 4>
!Rows = tensor<64x64xbf16, #acc>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>

// What a warp has just put to its rows of a slot it stores from there: 8 pieces of 16 bytes a row, 32 lanes, 4 rows at a time. What is
// put elsewhere, or not at all, is stored from registers.

// CHECK-LABEL: llvm.func @rows
func.func @rows(%m: memref<?x64xbf16>, %o: memref<?x64xbf16>, %n: index) attributes {warp.kernel, warp.threads = 128 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %ring = warp.ring {offset = 0} : !warp.ring<1 of 64x64xbf16, <swizzle = 128>>
  %slot = warp.acquire %ring : !warp.ring<1 of 64x64xbf16, <swizzle = 128>> -> !Slot
  %rows = tile.load %m[%c0, %c0] : memref<?x64xbf16> -> !Rows
  // CHECK-COUNT-4: stmatrix
  // CHECK: nvvm.bar.warp.sync
  // CHECK-COUNT-4: ld.shared.v4.b32
  // CHECK: st.global.v4.b32
  warp.put %rows to %slot[0] : !Rows to !Slot
  tile.store %rows, %o[%n, %c0] {warp.pieces} : !Rows, memref<?x64xbf16>
  // CHECK: nvvm.shfl.sync{{ +}}bfly
  // CHECK-NOT: ld.shared.v4.b32
  tile.store %rows, %o[%c0, %c0] {warp.pieces} : !Rows, memref<?x64xbf16>
  return
}
