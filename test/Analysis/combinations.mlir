// RUN: heddle-opt %s --test-mask-analysis --mlir-print-op-on-diagnostic=false 2>&1 >/dev/null | FileCheck %s

// First keys and a window: two parts.
// CHECK: mask: (j <= i) and ((i <= s0 + j - 1) or (j <= s1 - 1))
// CHECK: some row sees [rowBegin - s0 + 1, rowEnd), every row sees [rowEnd - s0, rowBegin + 1)
// CHECK: some row sees [0, min(s1, rowEnd)), every row sees [0, min(s1, rowBegin + 1))
func.func @sinkAndWindow(%b: index, %h: index, %i: index, %j: index, %window: index, %first: i32) -> i1 {
  %past = arith.cmpi sle, %j, %i : index
  %lo = arith.subi %i, %window : index
  %near = arith.cmpi sgt, %j, %lo : index
  %k = arith.index_cast %j : index to i32
  %isFirst = arith.cmpi slt, %k, %first : i32
  %or = arith.ori %near, %isFirst : i1
  %m = arith.andi %past, %or : i1
  return %m : i1
}

// Terraces of a run-time width; a width that is not positive counts as unknown at run time.
// CHECK: mask: (j floordiv s0) <= (i floordiv s0)
// CHECK: some row sees [0, (0 <= s0 - 1) ? (s0 + (s0 * ((rowEnd - 1) floordiv s0))) : keys)
// CHECK-SAME: every row sees [0, (0 <= s0 - 1) ? (s0 + (s0 * (rowBegin floordiv s0))) : 0)
func.func @terraces(%b: index, %h: index, %i: index, %j: index, %w: index) -> i1 {
  %x = arith.floordivsi %i, %w : index
  %y = arith.floordivsi %j, %w : index
  %m = arith.cmpi sle, %y, %x : index
  return %m : i1
}

// A run-time switch costs no part of its own.
// CHECK: mask: s0 ? (j <= i) : (j <= s1 - 1)
// CHECK: some row sees [0, s0 ? rowEnd : s1), every row sees [0, s0 ? (rowBegin + 1) : s1)
func.func @switch(%b: index, %h: index, %i: index, %j: index, %flag: i1, %prefix: index) -> i1 {
  %past = arith.cmpi sle, %j, %i : index
  %first = arith.cmpi slt, %j, %prefix : index
  %m = arith.select %flag, %past, %first : i1
  return %m : i1
}

// Negation moves inward; exclusive or is two conjunctions.
// CHECK: some row sees [rowBegin + 1, keys), every row sees [rowEnd, keys)
func.func @notPast(%b: index, %h: index, %i: index, %j: index) -> i1 {
  %true = arith.constant true
  %past = arith.cmpi sle, %j, %i : index
  %m = arith.xori %past, %true : i1
  return %m : i1
}

// CHECK: some row sees [s1, s0), every row sees [s1, s0)
// CHECK: some row sees [s0, s1), every row sees [s0, s1)
func.func @oneOfTwo(%b: index, %h: index, %i: index, %j: index, %x: index, %y: index) -> i1 {
  %p = arith.cmpi slt, %j, %x : index
  %q = arith.cmpi slt, %j, %y : index
  %m = arith.xori %p, %q : i1
  return %m : i1
}

// A condition on rows switches whole blocks of rows.
// CHECK: mask: (i <= s0 - 1) and (j <= s0 - 1)
// CHECK: some row sees [0, min(s0, (rowBegin <= s0 - 1) ? keys : 0)), every row sees [0, min(s0, (rowEnd <= s0) ? keys : 0))
func.func @square(%b: index, %h: index, %i: index, %j: index, %s: index) -> i1 {
  %p = arith.cmpi slt, %i, %s : index
  %q = arith.cmpi slt, %j, %s : index
  %m = arith.andi %p, %q : i1
  return %m : i1
}
