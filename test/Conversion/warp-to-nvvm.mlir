// RUN: heddle-opt %s --convert-warp-to-nvvm --split-input-file | FileCheck %s

// A memref of rank 2 is five slots, a scalar is one; tiles become registers.

// CHECK: llvm.mlir.global external @heddle_shared() {addr_space = 3 : i32, alignment = 1024 : i64} : !llvm.array<0 x i8>
// CHECK-LABEL: llvm.func @scale
// CHECK-SAME: (%[[POINTER:[a-z0-9]+]]: i64, %{{[a-z0-9]+}}: i64, %{{[a-z0-9]+}}: i64, %{{[a-z0-9]+}}: i64, %{{[a-z0-9]+}}: i64, %[[FACTOR:[a-z0-9]+]]: i64)
// CHECK-SAME: nvvm.kernel, nvvm.maxntid = array<i32: 32>
#acc = #warp.frag<acc, warps = 1>
func.func @scale(%m: memref<?x8xf32, strided<[?, 1], offset: ?>>, %f: f32)
    attributes {warp.kernel, warp.threads = 32 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  // CHECK: llvm.inttoptr %[[POINTER]] : i64 to !llvm.ptr<1>
  // CHECK: %[[WORD:.+]] = arith.trunci %[[FACTOR]] : i64 to i32
  // CHECK: %[[SCALAR:.+]] = llvm.bitcast %[[WORD]] : i32 to f32
  // CHECK: nvvm.read.ptx.sreg.ctaid.x
  %x = warp.block_id 0
  // 16 x 8 elements on 32 lanes: four registers.
  // CHECK-COUNT-4: @p ld.global.b32
  %t = tile.load %m[%x, %c0] : memref<?x8xf32, strided<[?, 1], offset: ?>> -> tensor<16x8xf32, #acc>
  %s = tensor.splat %f : tensor<16x8xf32, #acc>
  // CHECK-COUNT-4: arith.mulf %{{.+}}, %[[SCALAR]] : f32
  %y = arith.mulf %t, %s : tensor<16x8xf32, #acc>
  // CHECK-COUNT-4: @p st.global.b32
  tile.store %y, %m[%x, %c0] : tensor<16x8xf32, #acc>, memref<?x8xf32, strided<[?, 1], offset: ?>>
  return
}

// -----

#acc = #warp.frag<acc, warps = 1>
#a = #warp.frag<a, warps = 1>
!Slot = !warp.slot<16x16xbf16, <pad = 16>>
!Ring = !warp.ring<2 of 16x16xbf16, <pad = 16>>

// CHECK-LABEL: llvm.func @product
func.func @product(%m: memref<?x16xbf16>, %o: memref<?x16xf32>, %stage: i32)
    attributes {warp.kernel, warp.threads = 32 : i64, warp.shared_bytes = 2048 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<16x16xf32, #acc>
  // CHECK: %[[SHARED:.+]] = llvm.mlir.addressof @heddle_shared
  // CHECK: %[[RING:.+]] = llvm.getelementptr %[[SHARED]][1024]
  %ring = warp.ring {offset = 1024} : !Ring
  // CHECK: nvvm.barrier
  // CHECK: %[[DISTANCE:.+]] = arith.muli %{{.+}}, %c768_i32
  // CHECK: llvm.getelementptr %[[RING]][%[[DISTANCE]]]
  %free = warp.acquire %ring at %stage : !Ring -> !Slot
  // CHECK: %[[SIZE:.+]] = arith.select %{{.+}}, %c16_i32{{.*}}, %c0_i32
  // CHECK: nvvm.cp.async.shared.global %{{.+}}, %{{.+}}, 16, cache = cg, %[[SIZE]]
  warp.copy %m[%c0, %c0] to %free by 16 : memref<?x16xbf16> to !Slot
  // CHECK: nvvm.cp.async.commit.group
  // CHECK: nvvm.cp.async.wait.group 0
  // CHECK: nvvm.barrier
  %full = warp.receive %ring at %stage : !Ring -> !Slot
  // An ordered receive is an address.
  // CHECK-NOT: nvvm.barrier
  %same = warp.receive %ring at %stage ordered : !Ring -> !Slot
  // The left operand, then two right ones of 8 columns each; stored rows of the right one are k, so it is transposed on the way.
  // CHECK: nvvm.ldmatrix %{{.+}} {eltType = #nvvm.ld_st_matrix_elt_type<b16>, layout = #nvvm.mma_layout<row>, num = 4 : i32
  // CHECK: nvvm.ldmatrix %{{.+}} {eltType = #nvvm.ld_st_matrix_elt_type<b16>, layout = #nvvm.mma_layout<col>, num = 4 : i32
  // CHECK-COUNT-2: nvvm.mma.sync
  // CHECK-NOT: nvvm.mma.sync
  %r = warp.mma %full, %same, %zero : !Slot, !Slot -> tensor<16x16xf32, #acc>
  tile.store %r, %o[%c0, %c0] : tensor<16x16xf32, #acc>, memref<?x16xf32>
  return
}

// -----

// A reduction over columns stays in the quad of lanes that share a row; over rows of a warp it crosses the other lanes.

#acc = #warp.frag<acc, warps = 1>
// CHECK-LABEL: llvm.func @reduce
func.func @reduce(%m: memref<?x8xf32>, %o: memref<?xf32>)
    attributes {warp.kernel, warp.threads = 32 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %t = tile.load %m[%c0, %c0] : memref<?x8xf32> -> tensor<16x8xf32, #acc>
  // CHECK-COUNT-4: llvm.intr.maxnum
  %r = tile.reduce max %t dim 1 : tensor<16x8xf32, #acc> -> tensor<16x1xf32, #warp.slice<1, #acc>>
  // CHECK: arith.addf
  // CHECK: nvvm.shfl.sync bfly
  %c = tile.reduce sum %t dim 0 : tensor<16x8xf32, #acc> -> tensor<1x8xf32, #warp.slice<0, #acc>>
  tile.store %r, %o[%c0] column : tensor<16x1xf32, #warp.slice<1, #acc>>, memref<?xf32>
  tile.store %c, %o[%c0] : tensor<1x8xf32, #warp.slice<0, #acc>>, memref<?xf32>
  return
}

// -----

// Pieces of 16 bytes: the four lanes of a row exchange words, so that each has eight neighbouring columns of one atom.

#acc = #warp.frag<acc, warps = 1>
// CHECK-LABEL: llvm.func @pieces
// CHECK-COUNT-4: nvvm.shfl.sync bfly
// CHECK: st.global.v4.b32
// CHECK-COUNT-4: nvvm.shfl.sync bfly
// CHECK: st.global.v4.b32
// CHECK-NOT: st.global
func.func @pieces(%m: memref<?x32xbf16>, %o: memref<?x32xbf16>)
    attributes {warp.kernel, warp.threads = 32 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %t = tile.load %m[%c0, %c0] : memref<?x32xbf16> -> tensor<16x32xbf16, #acc>
  tile.store %t, %o[%c0, %c0] {warp.pieces} : tensor<16x32xbf16, #acc>, memref<?x32xbf16>
  return
}

// -----

#acc = #warp.frag<acc, warps = 1>

// Columns 8 apart are combined in their thread; a condition of a warp is a vote.
// CHECK-LABEL: llvm.func @some
func.func @some(%m: memref<?x32xf32, strided<[?, 1], offset: ?>>)
    attributes {warp.kernel, warp.threads = 32 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<16x8xf32, #acc>
  %t = tile.load %m[%c0, %c0] : memref<?x32xf32, strided<[?, 1], offset: ?>> -> tensor<16x32xf32, #acc>
  // CHECK-COUNT-12: llvm.intr.maxnum
  // CHECK-NOT: nvvm.shfl
  %part = warp.fold max %t : tensor<16x32xf32, #acc> -> tensor<16x8xf32, #acc>
  // CHECK-COUNT-4: arith.cmpf ogt
  %above = arith.cmpf ogt, %part, %zero : tensor<16x8xf32, #acc>
  // CHECK-COUNT-3: arith.ori
  // CHECK: nvvm.vote.sync any
  %some = warp.any %above : tensor<16x8xi1, #acc>
  scf.if %some {
    tile.store %part, %m[%c0, %c0] : tensor<16x8xf32, #acc>, memref<?x32xf32, strided<[?, 1], offset: ?>>
  }
  return
}
