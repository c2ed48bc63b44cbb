// RUN: heddle-opt %s --tile-sink-scale --canonicalize --cse | FileCheck %s

// CHECK-LABEL: func.func @masked_maximum(
// CHECK-SAME:    %[[S:[^:]+]]: tensor<16x32xf32>
// CHECK:         %[[Y:.+]] = scf.if
// CHECK:           %[[CHOSEN:.+]] = arith.select {{.*}}, %[[S]]
// CHECK:           scf.yield %[[CHOSEN]]
// CHECK:           scf.yield %[[S]]
// CHECK:         %[[MAX:.+]] = tile.reduce max %[[Y]] dim 1
// CHECK:         arith.mulf %[[MAX]], {{.*}} : tensor<16x1xf32>
func.func @masked_maximum(%s: tensor<16x32xf32>, %vis: tensor<16x32xi1>, %part: i1) -> tensor<16x1xf32> {
  %u = arith.constant dense<0.125> : tensor<16x32xf32>
  %inf = arith.constant dense<0xFF800000> : tensor<16x32xf32>
  %x = arith.mulf %s, %u : tensor<16x32xf32>
  %y = scf.if %part -> tensor<16x32xf32> {
    %w = arith.select %vis, %x, %inf : tensor<16x32xi1>, tensor<16x32xf32>
    scf.yield %w : tensor<16x32xf32>
  } else {
    scf.yield %x : tensor<16x32xf32>
  }
  %m = tile.reduce max %y dim 1 : tensor<16x32xf32> -> tensor<16x1xf32>
  return %m : tensor<16x1xf32>
}

// A negative factor turns a maximum into a minimum, so it stays.
// CHECK-LABEL: func.func @negative(
// CHECK:         %[[X:.+]] = arith.mulf
// CHECK:         tile.reduce max %[[X]]
func.func @negative(%s: tensor<16x32xf32>) -> tensor<16x1xf32> {
  %u = arith.constant dense<-0.125> : tensor<16x32xf32>
  %x = arith.mulf %s, %u : tensor<16x32xf32>
  %m = tile.reduce max %x dim 1 : tensor<16x32xf32> -> tensor<16x1xf32>
  return %m : tensor<16x1xf32>
}

// A bound is divided by a factor that is known, and both sides of a branch are scaled alike.

// CHECK-LABEL: func.func @bounded(
// CHECK-SAME:    %[[X:[^:]+]]: tensor<16x32xf32>, %[[IF:[^:]+]]: i1
// CHECK:         %[[CHOSEN:.+]] = scf.if %[[IF]]
// CHECK:           %[[RAISED:.+]] = arith.maximumf %[[X]], %{{.+}}
// CHECK:           scf.yield %[[RAISED]]
// CHECK:           scf.yield %[[X]]
// CHECK:         arith.mulf %[[CHOSEN]]
func.func @bounded(%x: tensor<16x32xf32>, %if: i1) -> tensor<16x32xf32> {
  %half = arith.constant dense<0.5> : tensor<16x32xf32>
  %low = arith.constant dense<-1.0e30> : tensor<16x32xf32>
  %s = arith.mulf %x, %half : tensor<16x32xf32>
  %y = scf.if %if -> (tensor<16x32xf32>) {
    %m = arith.maximumf %s, %low : tensor<16x32xf32>
    scf.yield %m : tensor<16x32xf32>
  } else {
    scf.yield %s : tensor<16x32xf32>
  }
  return %y : tensor<16x32xf32>
}
