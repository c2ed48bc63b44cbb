// RUN: heddle-opt %s --test-mask-analysis --mlir-print-op-on-diagnostic=false 2>&1 >/dev/null | FileCheck %s

// A table of pairs is outside of the algebra; what stands beside it still bounds the keys.
// CHECK: mask: (j <= i) and t0[i, j]
// CHECK: some row sees [0, rowEnd), every row sees none
// CHECK: unknown: not solved for j: t0[i, j]
func.func @pairs(%b: index, %h: index, %i: index, %j: index, %t: tensor<?x?xi1>) -> i1 {
  %past = arith.cmpi sle, %j, %i : index
  %e = tensor.extract %t[%i, %j] : tensor<?x?xi1>
  %m = arith.andi %past, %e : i1
  return %m : i1
}

// Neither is a number that is not an integer.
// CHECK: unknown: expected an integer operation of the mask algebra, got arith.cmpf
func.func @real(%b: index, %h: index, %i: index, %j: index, %t: tensor<?xf32>, %u: tensor<?xf32>) -> i1 {
  %x = tensor.extract %t[%i] : tensor<?xf32>
  %y = tensor.extract %u[%j] : tensor<?xf32>
  %m = arith.cmpf olt, %x, %y : f32
  return %m : i1
}

// Every fourth key: no block is empty or full, so that looking at the pairs would find nothing.
// CHECK: mask: ((i - j) rem 4) == 0
// CHECK: some row sees [0, keys), every row sees none
// CHECK-NOT: remark: unknown
func.func @strided(%b: index, %h: index, %i: index, %j: index) -> i1 {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %d = arith.subi %i, %j : index
  %r = arith.remsi %d, %c4 : index
  %m = arith.cmpi eq, %r, %c0 : index
  return %m : i1
}

// A period of the size of blocks is another matter.
// CHECK: mask: ((i - j) rem 128) == 0
// CHECK: unknown: not solved for j: (i - j) rem 128
func.func @farStrided(%b: index, %h: index, %i: index, %j: index) -> i1 {
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  %d = arith.subi %i, %j : index
  %r = arith.remsi %d, %c128 : index
  %m = arith.cmpi eq, %r, %c0 : index
  return %m : i1
}
