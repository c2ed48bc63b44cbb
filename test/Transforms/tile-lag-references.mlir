// RUN: heddle-opt %s --split-input-file --pass-pipeline="builtin.module(func.func(tile-lag-references))" | FileCheck %s

!S = tensor<16x32xf32>
!R = tensor<16x1xf32>

// A bound of 2^6 is a difference of 2 where the factor is 2^(3 x). Rows below it keep what they have.
// CHECK-LABEL: func.func @raised
// CHECK:       scf.for {{.*}} iter_args(%[[M:.+]] = %{{.+}}, %[[ACC:.+]] = %{{.+}})
// CHECK:         %[[X:.+]] = tile.reduce max
// CHECK:         %[[TOP:.+]] = arith.maxnumf %[[M]], %[[X]]
// CHECK:         %[[BOUND:.+]] = arith.constant dense<2.000000e+00>
// CHECK:         %[[LIMIT:.+]] = arith.addf %[[M]], %[[BOUND]]
// CHECK:         %[[RISES:.+]] = arith.cmpf ogt, %[[X]], %[[LIMIT]]
// CHECK:         %[[USED:.+]] = arith.select %[[RISES]], %[[TOP]], %[[M]]
// CHECK:         arith.subf %[[M]], %[[USED]]
// CHECK:         %[[F:.+]] = math.exp2
// CHECK:         %[[ONE:.+]] = arith.constant dense<1.000000e+00>
// CHECK:         %[[KEPT:.+]] = arith.select %[[RISES]], %[[F]], %[[ONE]]
// CHECK:         tile.broadcast %[[KEPT]]
// CHECK:         scf.yield %[[USED]]
func.func @raised(%s: !S, %n: index, %none: !R, %zero: !S) -> (!R, !S) attributes {tile.kernel, tile.lag = 6.0 : f32} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %three = arith.constant dense<3.0> : !R
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%m = %none, %acc = %zero) -> (!R, !S) {
    %x = tile.reduce max %s dim 1 : !S -> !R
    %top = arith.maxnumf %m, %x : !R
    %d = arith.subf %m, %top : !R
    %e = arith.mulf %d, %three : !R
    %f = math.exp2 %e : !R
    %b = tile.broadcast %f : !R -> !S
    %scaled = arith.mulf %acc, %b : !S
    scf.yield %top, %scaled : !R, !S
  }
  return %r#0, %r#1 : !R, !S
}

// -----

!S = tensor<16x32xf32>
!R = tensor<16x1xf32>

// No bound, or a difference that something else reads than a factor of carried values: as before.
// CHECK-LABEL: func.func @exact
// CHECK-NOT:   arith.select
func.func @exact(%s: !S, %n: index, %none: !R) -> !R attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%m = %none, %l = %none) -> (!R, !R) {
    %x = tile.reduce max %s dim 1 : !S -> !R
    %top = arith.maxnumf %m, %x : !R
    %d = arith.subf %m, %top : !R
    %f = math.exp2 %d : !R
    %scaled = arith.mulf %l, %f : !R
    scf.yield %top, %scaled : !R, !R
  }
  return %r#1 : !R
}

// CHECK-LABEL: func.func @read_elsewhere
// CHECK-NOT:   arith.select
func.func @read_elsewhere(%s: !S, %n: index, %none: !R) -> !R attributes {tile.kernel, tile.lag = 6.0 : f32} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%m = %none, %l = %none) -> (!R, !R) {
    %x = tile.reduce max %s dim 1 : !S -> !R
    %top = arith.maxnumf %m, %x : !R
    %d = arith.subf %m, %top : !R
    %f = math.exp2 %d : !R
    %sum = arith.addf %l, %f : !R
    scf.yield %top, %sum : !R, !R
  }
  return %r#1 : !R
}

// A sum that moves in its own way reads the factor and the difference, too: of the reference that is used.

// CHECK-LABEL: func.func @moved_sum(
// CHECK:         %[[USED:.+]] = arith.select %[[RISES:.+]], %{{.+}}, %{{.+}} : tensor<16x1xi1>
// CHECK:         %[[D:.+]] = arith.subf %{{.+}}, %[[USED]]
// CHECK:         %[[F:.+]] = math.exp2 %[[D]]
// CHECK:         %[[GUARDED:.+]] = arith.select %{{.+}}, %[[F]], %{{.+}}
// CHECK:         arith.select %[[RISES]], %[[GUARDED]], %{{.+}}
// CHECK:         arith.mulf %{{.+}}, %[[F]]
// CHECK:         math.fma %{{.+}}, %[[D]]
func.func @moved_sum(%s: !S, %n: index, %none: !R, %zero: !R) -> (!R, !R) attributes {tile.kernel, tile.lag = 8.0 : f32} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %outside = arith.constant dense<0.0> : !R
  %r:3 = scf.for %i = %c0 to %n step %c1 iter_args(%m = %none, %l = %zero, %u = %zero) -> (!R, !R, !R) {
    %x = tile.reduce max %s dim 1 : !S -> !R
    %top = arith.maxnumf %m, %x : !R
    %seen = arith.cmpf ogt, %m, %none : !R
    %d = arith.subf %m, %top : !R
    %f = math.exp2 %d : !R
    %guarded = arith.select %seen, %f, %outside : tensor<16x1xi1>, !R
    %scaled = arith.mulf %l, %guarded : !R
    %fu = arith.mulf %u, %f : !R
    %moved = math.fma %l, %d, %fu : !R
    scf.yield %top, %scaled, %moved : !R, !R, !R
  }
  return %r#1, %r#2 : !R, !R
}
