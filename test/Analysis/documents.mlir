// RUN: heddle-opt %s --test-mask-analysis --mlir-print-op-on-diagnostic=false 2>&1 >/dev/null | FileCheck %s

// Equality in a table that does not fall is an interval, found by two searches.
// CHECK: mask: t0[b, i] == t0[b, j]
// CHECK: some row sees [firstKey(t0[b, j] >= t0[b, rowBegin]), firstKey(t0[b, j] >= (t0[b, rowEnd - 1] + 1)))
// CHECK-SAME: every row sees [firstKey(t0[b, j] >= t0[b, rowEnd - 1]), firstKey(t0[b, j] >= (t0[b, rowBegin] + 1)))
// CHECK: relies on t0 nondecreasing along axis 1
// CHECK: depends on b
func.func @documents(%b: index, %h: index, %i: index, %j: index, %t: tensor<?x?xi32>) -> i1 {
  %x = tensor.extract %t[%b, %i] : tensor<?x?xi32>
  %y = tensor.extract %t[%b, %j] : tensor<?x?xi32>
  %m = arith.cmpi eq, %x, %y : i32
  return %m : i1
}

// Entries by row alone need no fact to be true: ends where they rise, a loop over the rows where not.
// CHECK: mask: (t0[h, i] <= j) and (j <= t1[h, i] - 1)
// CHECK: some row sees [t0[h, rowBegin], t1[h, rowEnd - 1]), every row sees [t0[h, rowEnd - 1], t1[h, rowBegin])
// CHECK: relies on t0 nondecreasing along axis 1
// CHECK: relies on t1 nondecreasing along axis 1
// CHECK-NOT: remark: unknown
// CHECK: depends on h
func.func @rowIntervals(%b: index, %h: index, %i: index, %j: index, %t: tensor<?x?xindex>, %u: tensor<?x?xindex>) -> i1 {
  %lo = tensor.extract %t[%h, %i] : tensor<?x?xindex>
  %hi = tensor.extract %u[%h, %i] : tensor<?x?xindex>
  %x = arith.cmpi sge, %j, %lo : index
  %y = arith.cmpi slt, %j, %hi : index
  %m = arith.andi %x, %y : i1
  return %m : i1
}
