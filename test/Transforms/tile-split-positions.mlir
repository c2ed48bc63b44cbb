// RUN: heddle-opt %s --tile-split-positions --canonicalize --cse | FileCheck %s

// s + a * (j - i): the columns' part, from the block's first row on, is added to each element; the rows' part is subtracted
// once for each row, behind the mask and the maximum, together with what is subtracted anyway.

// CHECK-LABEL: func.func @slope(
// CHECK-SAME: %[[S:[a-z0-9]+]]: tensor<16x32xf32>, %[[A:[a-z0-9]+]]: f32, %[[FIRST:[a-z0-9]+]]: index, %[[KEY:[a-z0-9]+]]: index
// CHECK-DAG: %[[APART:.+]] = arith.subi %[[KEY]], %[[FIRST]]
// CHECK-DAG: tile.iota {{.*}}%[[APART]]
// CHECK: %[[BIAS:.+]] = tile.broadcast %{{.+}} : tensor<1x32xf32> -> tensor<16x32xf32>
// CHECK: %[[SUM:.+]] = arith.addf %[[S]], %[[BIAS]]
// CHECK: %[[SEEN:.+]] = arith.select %{{.+}}, %[[SUM]], %{{.+}}
// CHECK: %[[MAX:.+]] = tile.reduce max %[[SEEN]] dim 1
// CHECK: %[[M:.+]] = arith.subf %[[MAX]], %[[ROWS:.+]] : tensor<16x1xf32>
// CHECK: %[[BOTH:.+]] = arith.addf %[[ROWS]], %[[M]] : tensor<16x1xf32>
// CHECK: %[[REPEATED:.+]] = tile.broadcast %[[BOTH]]
// CHECK: arith.subf %[[SEEN]], %[[REPEATED]] : tensor<16x32xf32>
func.func @slope(%s: tensor<16x32xf32>, %a: f32, %first: index, %key: index, %seen: tensor<16x32xi1>) -> tensor<16x32xf32> {
  %inf = arith.constant dense<0xFF800000> : tensor<16x32xf32>
  %i = tile.iota dim 0 offset %first : tensor<16x1xi32>
  %j = tile.iota dim 1 offset %key : tensor<1x32xi32>
  %is = tile.broadcast %i : tensor<16x1xi32> -> tensor<16x32xi32>
  %js = tile.broadcast %j : tensor<1x32xi32> -> tensor<16x32xi32>
  %d = arith.subi %js, %is : tensor<16x32xi32>
  %f = arith.sitofp %d : tensor<16x32xi32> to tensor<16x32xf32>
  %as = tensor.splat %a : tensor<16x32xf32>
  %y = math.fma %as, %f, %s : tensor<16x32xf32>
  %w = arith.select %seen, %y, %inf : tensor<16x32xi1>, tensor<16x32xf32>
  %m = tile.reduce max %w dim 1 : tensor<16x32xf32> -> tensor<16x1xf32>
  %ms = tile.broadcast %m : tensor<16x1xf32> -> tensor<16x32xf32>
  %r = arith.subf %w, %ms : tensor<16x32xf32>
  return %r : tensor<16x32xf32>
}

// The same where a product is added, on either side.

// CHECK-LABEL: func.func @added(
// CHECK: %[[BIAS:.+]] = tile.broadcast %{{.+}} : tensor<1x32xf32> -> tensor<16x32xf32>
// CHECK: %[[SUM:.+]] = arith.addf %{{.+}}, %[[BIAS]]
// CHECK: tile.reduce max %[[SUM]] dim 1
// CHECK: %[[SCALED:.+]] = math.fma %{{.+}}, %{{.+}}, %[[BIAS]]
// CHECK: tile.reduce max %[[SCALED]] dim 1
func.func @added(%s: tensor<16x32xf32>, %scale: tensor<16x32xf32>, %a: f32, %first: index, %key: index) -> (tensor<16x1xf32>, tensor<16x1xf32>) {
  %i = tile.iota dim 0 offset %first : tensor<16x1xi32>
  %j = tile.iota dim 1 offset %key : tensor<1x32xi32>
  %is = tile.broadcast %i : tensor<16x1xi32> -> tensor<16x32xi32>
  %js = tile.broadcast %j : tensor<1x32xi32> -> tensor<16x32xi32>
  %d = arith.subi %js, %is : tensor<16x32xi32>
  %f = arith.sitofp %d : tensor<16x32xi32> to tensor<16x32xf32>
  %as = tensor.splat %a : tensor<16x32xf32>
  %p = arith.mulf %as, %f : tensor<16x32xf32>
  %y = arith.addf %s, %p : tensor<16x32xf32>
  %m = tile.reduce max %y dim 1 : tensor<16x32xf32> -> tensor<16x1xf32>
  %x = arith.mulf %s, %scale : tensor<16x32xf32>
  %z = arith.addf %p, %x : tensor<16x32xf32>
  %n = tile.reduce max %z dim 1 : tensor<16x32xf32> -> tensor<16x1xf32>
  return %m, %n : tensor<16x1xf32>, tensor<16x1xf32>
}

// A sum over columns does not let the rows' part through, nor does a select against a finite number.

// CHECK-LABEL: func.func @stays(
// CHECK: %[[D:.+]] = arith.subf
// CHECK: tile.reduce sum %[[D]]
// CHECK: arith.select %{{.+}}, %[[D]]
func.func @stays(%x: tensor<16x32xf32>, %row: tensor<16x1xf32>, %seen: tensor<16x32xi1>) -> (tensor<16x1xf32>, tensor<16x32xf32>) {
  %zero = arith.constant dense<0.0> : tensor<16x32xf32>
  %rows = tile.broadcast %row : tensor<16x1xf32> -> tensor<16x32xf32>
  %d = arith.subf %x, %rows : tensor<16x32xf32>
  %s = tile.reduce sum %d dim 1 : tensor<16x32xf32> -> tensor<16x1xf32>
  %w = arith.select %seen, %d, %zero : tensor<16x32xi1>, tensor<16x32xf32>
  return %s, %w : tensor<16x1xf32>, tensor<16x32xf32>
}
