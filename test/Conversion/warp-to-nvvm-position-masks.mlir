// RUN: heddle-opt %s --convert-warp-to-nvvm --split-input-file | FileCheck %s

#acc = #warp.frag<acc, warps = 1>
!T = tensor<16x8xf32, #acc>

// A comparison of positions outside of a loop is made beside what it selects there: of one number of the thread, which the
// loop does not let go, and a constant for each register. Rows are 0 and 8 on, columns 0 and 1, the first column is 3.

// CHECK-LABEL: llvm.func @mask
// CHECK: scf.for
// CHECK: %[[D:.+]] = llvm.inline_asm has_side_effects {{.*}}"mov.b32 $0, $1;", "=r,r"
// CHECK-DAG: arith.cmpi sge, %[[D]], %{{c3_i32.*}} :
// CHECK-DAG: arith.cmpi sge, %[[D]], %{{c4_i32.*}} :
// CHECK-DAG: arith.cmpi sge, %[[D]], %{{c-5_i32.*}} :
// CHECK-DAG: arith.cmpi sge, %[[D]], %{{c-4_i32.*}} :
func.func @mask(%o: memref<?x8xf32>, %n: index) attributes {warp.kernel, warp.threads = 32 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant dense<0.0> : !T
  %three = arith.constant dense<3> : tensor<1x8xi32, #warp.slice<0, #acc>>
  %i = tile.iota dim 0 offset %c0 : tensor<16x1xi32, #warp.slice<1, #acc>>
  %j = tile.iota dim 1 offset %c0 : tensor<1x8xi32, #warp.slice<0, #acc>>
  %k = arith.addi %j, %three : tensor<1x8xi32, #warp.slice<0, #acc>>
  %rows = tile.broadcast %i : tensor<16x1xi32, #warp.slice<1, #acc>> -> tensor<16x8xi32, #acc>
  %columns = tile.broadcast %k : tensor<1x8xi32, #warp.slice<0, #acc>> -> tensor<16x8xi32, #acc>
  %seen = arith.cmpi sge, %rows, %columns : tensor<16x8xi32, #acc>
  scf.for %m = %c0 to %n step %c1 {
    %t = tile.load %o[%m, %c0] : memref<?x8xf32> -> !T
    %y = arith.select %seen, %t, %zero : tensor<16x8xi1, #acc>, !T
    tile.store %y, %o[%m, %c0] : !T, memref<?x8xf32>
  }
  return
}

// -----

#acc = #warp.frag<acc, warps = 4>
!T = tensor<64x8xf32, #acc>
!I = tensor<64x8xi32, #acc>

// Where some warps copy, inside a loop or branch, too: row + %first < column + %width is the thread's difference of both (which a number far away from all positions
// does not turn over) below a constant.

// CHECK-LABEL: llvm.func @compare
// CHECK: %[[D:.+]] = llvm.inline_asm has_side_effects {{.*}}"sub.sat.s32 $0, $1, $2;", "=r,r,r"
// CHECK-DAG: arith.cmpi slt, %[[D]], %{{c0_i32.*}} :
// CHECK-DAG: arith.cmpi slt, %[[D]], %{{c1_i32.*}} :
// CHECK-DAG: arith.cmpi slt, %[[D]], %{{c-8_i32.*}} :
// CHECK-DAG: arith.cmpi slt, %[[D]], %{{c-7_i32.*}} :
func.func @compare(%o: memref<?x8xf32>, %first: index, %width: i32)
    attributes {warp.kernel, warp.threads = 256 : i64, warp.shared_bytes = 0 : i64} {
  warp.roles 4 registers 0, 0 consumer {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : !T
  %i = tile.iota dim 0 offset %first : tensor<64x1xi32, #warp.slice<1, #acc>>
  %j = tile.iota dim 1 offset %c0 : tensor<1x8xi32, #warp.slice<0, #acc>>
  %rows = tile.broadcast %i : tensor<64x1xi32, #warp.slice<1, #acc>> -> !I
  %columns = tile.broadcast %j : tensor<1x8xi32, #warp.slice<0, #acc>> -> !I
  %widths = tensor.splat %width : !I
  %ends = arith.addi %columns, %widths : !I
  %seen = arith.cmpi slt, %rows, %ends : !I
  %t = tile.load %o[%c0, %c0] : memref<?x8xf32> -> !T
  %y = arith.select %seen, %t, %zero : tensor<64x8xi1, #acc>, !T
  tile.store %y, %o[%c0, %c0] : !T, memref<?x8xf32>
  } producer {
    %nothing = arith.constant 0 : index
  }
  return
}

// -----

#acc = #warp.frag<acc, warps = 4>
!T = tensor<64x16xf32, #acc>
!I = tensor<1x16xi32, #warp.slice<0, #acc>>

// A thread has columns 0 to 6 and the next, and the same from 8 on: which of them are below 8 is the same for all threads.

// CHECK-LABEL: llvm.func @known
// CHECK-NOT: arith.cmpi slt
func.func @known(%o: memref<?x16xf32>) attributes {warp.kernel, warp.threads = 256 : i64, warp.shared_bytes = 0 : i64} {
  warp.roles 4 registers 0, 0 consumer {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : !T
  %eight = arith.constant dense<8> : !I
  %j = tile.iota dim 1 offset %c0 : !I
  %low = arith.cmpi slt, %j, %eight : !I
  %all = tile.broadcast %low : tensor<1x16xi1, #warp.slice<0, #acc>> -> tensor<64x16xi1, #acc>
  %y = arith.select %all, %zero, %zero : tensor<64x16xi1, #acc>, !T
  } producer {
    %nothing = arith.constant 0 : index
  }
  return
}
