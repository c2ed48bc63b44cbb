// RUN: heddle-opt %s --convert-tile-to-cpu --canonicalize --cse --split-input-file | FileCheck %s

!Array = memref<?x?xf32, strided<[?, 1], offset: ?>>

// The parameters of contract 3, and one pass for an element-wise chain and the reduction over it.
// CHECK-LABEL: func.func @scaled_sum
// CHECK-SAME:    %{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64)
// CHECK-COUNT-1: arith.mulf {{.*}} : vector<16xf32>
// CHECK:         arith.addf {{.*}} : vector<16xf32>
// CHECK-NOT:     arith.mulf {{.*}} : vector<16xf32>
// CHECK-NOT:     tile.
func.func @scaled_sum(%a: !Array, %o: !Array, %s: f32) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.forall (%i) in (%c1) {
    %x = tile.load %a[%i, %c0] : !Array -> tensor<16x32xf32>
    %f = tensor.splat %s : tensor<16x32xf32>
    %y = arith.mulf %x, %f : tensor<16x32xf32>
    %r = tile.reduce sum %y dim 1 : tensor<16x32xf32> -> tensor<16x1xf32>
    tile.store %y, %o[%i, %c0] : tensor<16x32xf32>, !Array
    tile.store %r, %o[%i, %c0] : tensor<16x1xf32>, !Array
  }
  return
}

// -----

!Array = memref<?x?xf32, strided<[?, 1], offset: ?>>

// A loop-carried sum of products is updated in the buffer that carries it: rows of six by sixteen, no copies.
// CHECK-LABEL: func.func @carried
// CHECK-COUNT-3: memref.alloca
// CHECK-NOT:     memref.alloca
// CHECK:         scf.for
// CHECK:           vector.fma {{.*}} : vector<8xf32>
// CHECK-NOT:     memref.alloca
func.func @carried(%a: !Array, %b: !Array, %o: !Array, %n: index) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.forall (%i) in (%c1) {
    %z = arith.constant dense<0.0> : tensor<12x16xf32>
    %r = scf.for %k = %c0 to %n step %c1 iter_args(%s = %z) -> (tensor<12x16xf32>) {
      %x = tile.load %a[%k, %c0] : !Array -> tensor<12x8xf32>
      %y = tile.load %b[%k, %c0] : !Array -> tensor<8x16xf32>
      %t = tile.dot %x, %y, %s : tensor<12x8xf32>, tensor<8x16xf32> -> tensor<12x16xf32>
      scf.yield %t : tensor<12x16xf32>
    }
    tile.store %r, %o[%i, %c0] : tensor<12x16xf32>, !Array
  }
  return
}

// -----

// CHECK-LABEL: func.func @plan
// CHECK-SAME:    tile.plan
func.func @plan() attributes {tile.plan} {
  return
}
