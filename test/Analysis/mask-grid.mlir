// RUN: heddle-opt %s --test-mask-analysis --mlir-print-op-on-diagnostic=false 2>&1 >/dev/null | FileCheck %s

// A window of 3 columns around the row's and of 2 lines up to it, on lines of 64: a truth for each axis.
// CHECK: grid: ? x 64
// CHECK: axis 0 mask: (j <= i) and (i <= j + 1)
// CHECK: some row sees [rowBegin - 1, rowEnd), every row sees [rowEnd - 2, rowBegin + 1)
// CHECK: axis 1 mask: (i <= j + 1) and (j <= i + 1)
func.func @window(%b: index, %h: index, %i: index, %j: index) -> i1 {
  %one = arith.constant 1 : index
  %columns = arith.constant 64 : index
  %y = arith.floordivsi %i, %columns : index
  %line = arith.muli %y, %columns : index
  %x = arith.subi %i, %line : index
  %v = arith.floordivsi %j, %columns : index
  %u = arith.remui %j, %columns : index
  %above = arith.subi %y, %one : index
  %past = arith.cmpi sle, %v, %y : index
  %near = arith.cmpi sge, %v, %above : index
  %left = arith.subi %x, %one : index
  %right = arith.addi %x, %one : index
  %from = arith.cmpi sge, %u, %left : index
  %to = arith.cmpi sle, %u, %right : index
  %lines = arith.andi %past, %near : i1
  %inside = arith.andi %from, %to : i1
  %mask = arith.andi %lines, %inside : i1
  return %mask : i1
}

// Three axes, and blocks of 4 on the middle one: what it is divided by within an axis is no bound of the grid.
// CHECK: grid: ? x 8 x 16
// CHECK: axis 0 mask: i == j
// CHECK: axis 1 mask: (i floordiv 4) == (j floordiv 4)
// CHECK: axis 2 mask: j <= i
func.func @volume(%b: index, %h: index, %i: index, %j: index) -> i1 {
  %four = arith.constant 4 : index
  %columns = arith.constant 16 : index
  %lines = arith.constant 8 : index
  %iu = arith.floordivsi %i, %columns : index
  %ix = arith.remui %i, %columns : index
  %iy = arith.remui %iu, %lines : index
  %iz = arith.floordivsi %iu, %lines : index
  %ju = arith.floordivsi %j, %columns : index
  %jx = arith.remui %j, %columns : index
  %jy = arith.remui %ju, %lines : index
  %jz = arith.floordivsi %ju, %lines : index
  %ib = arith.floordivsi %iy, %four : index
  %jb = arith.floordivsi %jy, %four : index
  %z = arith.cmpi eq, %iz, %jz : index
  %y = arith.cmpi eq, %ib, %jb : index
  %x = arith.cmpi sle, %jx, %ix : index
  %zy = arith.andi %z, %y : i1
  %mask = arith.andi %zy, %x : i1
  return %mask : i1
}

// A position as a whole is of every axis, and so is a pair of coordinates.
// CHECK-NOT: remark: grid
func.func @past(%b: index, %h: index, %i: index, %j: index) -> i1 {
  %columns = arith.constant 64 : index
  %x = arith.remui %i, %columns : index
  %u = arith.remui %j, %columns : index
  %same = arith.cmpi eq, %x, %u : index
  %past = arith.cmpi sle, %j, %i : index
  %mask = arith.andi %same, %past : i1
  return %mask : i1
}
