// RUN: heddle-opt %s --pass-pipeline="builtin.module(func.func(warp-skip-rows))" | FileCheck %s

!S = tensor<64x64xf32, #warp.frag<acc, warps = 4>>
!R = tensor<64x1xf32, #warp.slice<1, <acc, warps = 4>>>

// Lanes compare what they hold of the maximum; exchange, maximum and factor are computed where a row of the warp needs
// them, and so is the product with the accumulators.
// CHECK-LABEL: func.func @skip
// CHECK:       scf.for {{.*}} iter_args(%[[M:.+]] = %{{.+}}, %[[ACC:.+]] = %{{.+}})
// CHECK-NOT:     tile.reduce
// CHECK:         %[[PART:.+]] = warp.fold max %{{.+}} -> tensor<64x8xf32
// CHECK:         %[[SCALED:.+]] = arith.mulf %[[PART]]
// CHECK:         arith.cmpf ogt, %[[SCALED]]
// CHECK:         %[[SOME:.+]] = warp.any
// CHECK:         %[[R:.+]]:2 = scf.if %[[SOME]]
// CHECK:           tile.reduce max %[[PART]] dim 1
// CHECK:           arith.maxnumf %[[M]]
// CHECK:           math.exp2
// CHECK:         } else {
// CHECK-NEXT:      scf.yield %[[M]], %{{.+}} :
// CHECK:         tile.broadcast %[[R]]#1
// CHECK:         %[[NEW:.+]] = scf.if %[[SOME]]
// CHECK-NEXT:      arith.mulf %[[ACC]]
// CHECK:         } else {
// CHECK-NEXT:      scf.yield %[[ACC]]
// CHECK:         scf.yield %[[R]]#0, %[[NEW]]
func.func @skip(%s: !S, %limit: !R, %n: index, %none: !R, %zero: !S) -> (!R, !S) attributes {warp.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant dense<1.0> : !R
  %scale = arith.constant dense<0.125> : !R
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%m = %none, %acc = %zero) -> (!R, !S) {
    %x = tile.reduce max %s dim 1 : !S -> !R
    %y = arith.mulf %x, %scale : !R
    %rises = arith.cmpf ogt, %y, %limit : !R
    %top = arith.maxnumf %m, %y : !R
    %used = arith.select %rises, %top, %m : tensor<64x1xi1, #warp.slice<1, <acc, warps = 4>>>, !R
    %d = arith.subf %m, %used : !R
    %e = math.exp2 %d : !R
    %f = arith.select %rises, %e, %one : tensor<64x1xi1, #warp.slice<1, <acc, warps = 4>>>, !R
    %b = tile.broadcast %f : !R -> !S
    %scaled = arith.mulf %acc, %b : !S
    scf.yield %used, %scaled : !R, !S
  }
  return %r#0, %r#1 : !R, !S
}

// A factor that is something else than 1 where nothing changes is a factor of every row.
// CHECK-LABEL: func.func @every_row
// CHECK-NOT:   scf.if
func.func @every_row(%s: !S, %limit: !R, %half: !R, %n: index, %zero: !S) -> !S attributes {warp.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %zero) -> !S {
    %x = tile.reduce max %s dim 1 : !S -> !R
    %rises = arith.cmpf ogt, %x, %limit : !R
    %f = arith.select %rises, %x, %half : tensor<64x1xi1, #warp.slice<1, <acc, warps = 4>>>, !R
    %b = tile.broadcast %f : !R -> !S
    %scaled = arith.mulf %acc, %b : !S
    scf.yield %scaled : !S
  }
  return %r : !S
}

// What a fold keeps is not enough for a sum of the tile; and a product keeps the operand that the factor does not repeat.
// CHECK-LABEL: func.func @others
// CHECK-SAME:    %[[S:[a-z0-9]+]]: tensor<64x64xf32
// CHECK:         %[[PART:.+]] = warp.fold max %[[S]]
// CHECK:         scf.if
// CHECK-DAG:       tile.reduce max %[[PART]] dim 1
// CHECK-DAG:       tile.reduce sum %[[S]] dim 1
// CHECK:         %[[OTHER:.+]] = tile.broadcast %arg2
// CHECK:         scf.if
// CHECK:         } else {
// CHECK-NEXT:      scf.yield %[[OTHER]]
func.func @others(%s: !S, %limit: !R, %v: !R, %n: index, %zero: !S) -> !S attributes {warp.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant dense<1.0> : !R
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %zero) -> !S {
    %x = tile.reduce max %s dim 1 : !S -> !R
    %rises = arith.cmpf ogt, %x, %limit : !R
    %sum = tile.reduce sum %s dim 1 : !S -> !R
    %y = arith.mulf %x, %sum : !R
    %f = arith.select %rises, %y, %one : tensor<64x1xi1, #warp.slice<1, <acc, warps = 4>>>, !R
    %other = tile.broadcast %v : !R -> !S
    %b = tile.broadcast %f : !R -> !S
    %scaled = arith.mulf %other, %b : !S
    scf.yield %scaled : !S
  }
  return %r : !S
}
