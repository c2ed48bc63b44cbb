// RUN: heddle-opt %s --tile-to-base-2 --canonicalize --cse | FileCheck %s

// CHECK-LABEL: func.func @difference(
// CHECK-SAME:    %[[X:[^:]+]]: tensor<16x32xf32>, %[[M:[^:]+]]: tensor<16x1xf32>, %[[S:[^:]+]]: f32
// CHECK-DAG:     %[[LOG2E:.+]] = arith.constant 1.44269502 : f32
// CHECK:         %[[PRODUCT:.+]] = arith.mulf %[[M]]
// CHECK:         %[[NEGATIVE:.+]] = arith.negf %[[PRODUCT]]
// CHECK:         %[[ADDEND:.+]] = tile.broadcast %[[NEGATIVE]]
// CHECK:         %[[FACTOR:.+]] = arith.mulf %[[S]], %[[LOG2E]] : f32
// CHECK:         %[[SPLAT:.+]] = tensor.splat %[[FACTOR]]
// CHECK:         %[[POWER:.+]] = math.fma %[[X]], %[[SPLAT]], %[[ADDEND]]
// CHECK:         math.exp2 %[[POWER]]
func.func @difference(%x: tensor<16x32xf32>, %m: tensor<16x1xf32>, %s: f32) -> tensor<16x32xf32> {
  %u = tensor.splat %s : tensor<16x32xf32>
  %a = arith.mulf %x, %u : tensor<16x32xf32>
  %b = tile.broadcast %m : tensor<16x1xf32> -> tensor<16x32xf32>
  %d = arith.subf %a, %b : tensor<16x32xf32>
  %e = math.exp %d : tensor<16x32xf32>
  return %e : tensor<16x32xf32>
}

// A quotient by a constant is a product, and a sum with a scaled tile is one operation.

// CHECK-LABEL: func.func @contracted(
// CHECK-SAME:    %[[X:[^:]+]]: tensor<16x32xf32>, %[[Y:[^:]+]]: tensor<16x32xf32>
// CHECK-DAG:     %[[QUARTER:.+]] = arith.constant dense<2.500000e-01>
// CHECK-NOT:     arith.divf
// CHECK:         %[[SUM:.+]] = math.fma %[[X]], %[[QUARTER]], %[[Y]]
// CHECK:         return %[[SUM]]
func.func @contracted(%x: tensor<16x32xf32>, %y: tensor<16x32xf32>) -> tensor<16x32xf32> {
  %c = arith.constant dense<4.0> : tensor<16x32xf32>
  %q = arith.divf %x, %c : tensor<16x32xf32>
  %r = arith.addf %y, %q : tensor<16x32xf32>
  return %r : tensor<16x32xf32>
}

// A product that only a sum reads may be fused with it.

// CHECK-LABEL: func.func @summed(
// CHECK-SAME:    %[[X:[^:]+]]: tensor<16x32xf32>, %[[Y:[^:]+]]: tensor<16x32xf32>
// CHECK:         %[[PRODUCT:.+]] = arith.mulf %[[X]], %[[Y]] fastmath<contract>
// CHECK:         tile.reduce sum %[[PRODUCT]] dim 1
func.func @summed(%x: tensor<16x32xf32>, %y: tensor<16x32xf32>) -> tensor<16x1xf32> {
  %p = arith.mulf %x, %y : tensor<16x32xf32>
  %r = tile.reduce sum %p dim 1 : tensor<16x32xf32> -> tensor<16x1xf32>
  return %r : tensor<16x1xf32>
}
