// RUN: heddle-opt %s --test-mask-analysis --mlir-print-op-on-diagnostic=false 2>&1 >/dev/null | FileCheck %s

// Keys up to the row.
// CHECK: mask: j <= i
// CHECK: some row sees [0, rowEnd), every row sees [0, rowBegin + 1)
func.func @causal(%b: index, %h: index, %i: index, %j: index) -> i1 {
  %m = arith.cmpi sle, %j, %i : index
  return %m : i1
}

// A run-time window on both sides of a run-time diagonal.
// CHECK: mask: (s0 + i <= s1 + j) and (j <= s0 + s2 + i)
// CHECK: some row sees [s0 + rowBegin - s1, s0 + s2 + rowEnd), every row sees [s0 + rowEnd - s1 - 1, s0 + s2 + rowBegin + 1)
func.func @window(%b: index, %h: index, %i: index, %j: index, %offset: index, %left: index, %right: index) -> i1 {
  %d = arith.addi %i, %offset : index
  %lo = arith.subi %d, %left : index
  %hi = arith.addi %d, %right : index
  %x = arith.cmpi sge, %j, %lo : index
  %y = arith.cmpi sle, %j, %hi : index
  %m = arith.andi %x, %y : i1
  return %m : i1
}

// The same row distance written with an absolute value: two bounds.
// CHECK: mask: max(i - j, j - i) <= 7
// CHECK: some row sees [rowBegin - 7, rowEnd + 7), every row sees [rowEnd - 8, rowBegin + 8)
func.func @distance(%b: index, %h: index, %i: index, %j: index) -> i1 {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %d = arith.subi %i, %j : index
  %n = arith.subi %c0, %d : index
  %a = arith.maxsi %d, %n : index
  %m = arith.cmpi slt, %a, %c8 : index
  return %m : i1
}
