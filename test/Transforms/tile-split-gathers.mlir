// RUN: heddle-opt %s --tile-split-gathers --canonicalize --cse --split-input-file | FileCheck %s

!T = memref<?xf32>

// Distances from 15 on are all read at 15: the least distance of 16 rows from %i and 16 columns from %j is %i - %j - 15.

// CHECK-LABEL: func.func @clamped
// CHECK:         scf.for
// CHECK:           %[[LEAST:.+]] = arith.minsi %{{.+}}, %c15_i32
// CHECK:           %[[SAME:.+]] = arith.cmpi eq, %[[LEAST]], %{{.+}} : i32
// CHECK:           scf.if %[[SAME]]
// CHECK:             %[[AT:.+]] = {{.*}}%[[LEAST]] : tensor<1x1xi32>
// CHECK:             %[[ONE:.+]] = tile.gather %{{.+}}[%[[AT]]] : memref<?xf32>, tensor<1x1xi32> -> tensor<1x1xf32>
// CHECK:             %[[ALL:.+]] = tile.broadcast %[[ONE]]
// CHECK:             arith.addf %{{.+}}, %[[ALL]]
// CHECK:           } else {
// CHECK:             tile.gather %{{.+}} : memref<?xf32>, tensor<16x16xi32> -> tensor<16x16xf32>
// CHECK:             arith.addf
func.func @clamped(%t: !T, %i: index, %n: index, %x: tensor<16x16xf32>) -> tensor<16x16xf32> {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %most = arith.constant dense<15> : tensor<16x16xi32>
  %row = tile.iota dim 0 offset %i : tensor<16x1xi32>
  %rows = tile.broadcast %row : tensor<16x1xi32> -> tensor<16x16xi32>
  %r = scf.for %j = %c0 to %n step %c16 iter_args(%acc = %x) -> tensor<16x16xf32> {
    %column = tile.iota dim 1 offset %j : tensor<1x16xi32>
    %columns = tile.broadcast %column : tensor<1x16xi32> -> tensor<16x16xi32>
    %d = arith.subi %rows, %columns : tensor<16x16xi32>
    %near = arith.minsi %d, %most : tensor<16x16xi32>
    %g = tile.gather %t[%near] : !T, tensor<16x16xi32> -> tensor<16x16xf32>
    %s = arith.addf %acc, %g : tensor<16x16xf32>
    scf.yield %s : tensor<16x16xf32>
  }
  return %r : tensor<16x16xf32>
}

// -----

!T = memref<?xf32>

// Different distances are never the same number.

// CHECK-LABEL: func.func @distances
// CHECK-NOT:     scf.if
func.func @distances(%t: !T, %n: index, %x: tensor<1x16xf32>) -> tensor<1x16xf32> {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %r = scf.for %j = %c0 to %n step %c16 iter_args(%acc = %x) -> tensor<1x16xf32> {
    %column = tile.iota dim 1 offset %j : tensor<1x16xi32>
    %g = tile.gather %t[%column] : !T, tensor<1x16xi32> -> tensor<1x16xf32>
    %s = arith.addf %acc, %g : tensor<1x16xf32>
    scf.yield %s : tensor<1x16xf32>
  }
  return %r : tensor<1x16xf32>
}
