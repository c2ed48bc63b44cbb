// RUN: heddle-opt %s --test-mask-analysis --mlir-print-op-on-diagnostic=false 2>&1 >/dev/null | FileCheck %s

// Within a class the condition that made it is true, and the rest counts positions of the class.
// CHECK: mask: (((i - j) rem 4) == 0) and (j <= i)
// CHECK: part:
// CHECK: rows r + 4*i, keys r + 4*j
// CHECK: mask: j <= i
// CHECK: some row sees [0, rowEnd), every row sees [0, rowBegin + 1)
func.func @dilated(%b: index, %h: index, %i: index, %j: index) -> i1 {
  %zero = arith.constant 0 : index
  %m = arith.constant 4 : index
  %distance = arith.subi %i, %j : index
  %rest = arith.remsi %distance, %m : index
  %same = arith.cmpi eq, %rest, %zero : index
  %past = arith.cmpi sle, %j, %i : index
  %mask = arith.andi %same, %past : i1
  return %mask : i1
}

// Keys of another class than their rows: by a shift that only the run knows. A window of s1 positions is one of a sixth
// of them in the class.
// CHECK: part:
// CHECK: rows r + 6*i, keys s0 + r - 6*((s0 + r) floordiv 6) + 6*j
// CHECK: mask: 6*i + 6*((s0 + r) floordiv 6) <= s0 + s1 + 6*j - 1
// CHECK: some row sees [((s0 + r) floordiv 6) + ((-s0 - s1 + 1) ceildiv 6) + rowBegin, keys), every row sees [((s0 + r) floordiv 6) + ((-s0 - s1 + 1) ceildiv 6) + rowEnd - 1, keys)
func.func @shifted(%b: index, %h: index, %i: index, %j: index, %shift: index, %window: index) -> i1 {
  %zero = arith.constant 0 : index
  %m = arith.constant 6 : index
  %moved = arith.addi %i, %shift : index
  %apart = arith.subi %moved, %j : index
  %rest = arith.remsi %apart, %m : index
  %same = arith.cmpi eq, %rest, %zero : index
  %distance = arith.subi %i, %j : index
  %near = arith.cmpi slt, %distance, %window : index
  %mask = arith.andi %near, %same : i1
  return %mask : i1
}

// Of positions, which are not negative, the remainders themselves may be compared.
// CHECK: part:
// CHECK: rows r + 5*i, keys r + 5*j
// CHECK: mask: 1
func.func @remainders(%b: index, %h: index, %i: index, %j: index) -> i1 {
  %m = arith.constant 5 : index
  %x = arith.remsi %i, %m : index
  %y = arith.remsi %j, %m : index
  %mask = arith.cmpi eq, %x, %y : index
  return %mask : i1
}

// A remainder that is never negative, spelled with a select; rows and keys mirrored.
// CHECK: part:
// CHECK: rows r + 3*i, keys 2*r - 3*((2*r) floordiv 3) + 3*j
// CHECK: mask: 1
func.func @mirrored(%b: index, %h: index, %i: index, %j: index) -> i1 {
  %zero = arith.constant 0 : index
  %m = arith.constant 3 : index
  %sum = arith.addi %i, %j : index
  %rest = arith.remsi %sum, %m : index
  %up = arith.addi %rest, %m : index
  %isNegative = arith.cmpi slt, %rest, %zero : index
  %modulo = arith.select %isNegative, %up, %rest : index
  %mask = arith.cmpi eq, %modulo, %zero : index
  return %mask : i1
}

// A union: the class without what the other part sees, and the other part.
// CHECK: part:
// CHECK: rows r + 128*i, keys r + 128*j
// CHECK: mask: j <= i - 1
// CHECK: some row sees [0, rowEnd - 1), every row sees [0, rowBegin)
// CHECK: part:
// CHECK: mask: (j <= i) and (i <= j + 127)
// CHECK: some row sees [rowBegin - 127, rowEnd), every row sees [rowEnd - 128, rowBegin + 1)
func.func @strided(%b: index, %h: index, %i: index, %j: index) -> i1 {
  %zero = arith.constant 0 : index
  %m = arith.constant 128 : index
  %past = arith.cmpi sle, %j, %i : index
  %distance = arith.subi %i, %j : index
  %near = arith.cmpi slt, %distance, %m : index
  %rest = arith.remsi %distance, %m : index
  %same = arith.cmpi eq, %rest, %zero : index
  %either = arith.ori %near, %same : i1
  %mask = arith.andi %past, %either : i1
  return %mask : i1
}

// No class: j with a factor that has no inverse, and a divisor of the run.
// CHECK: mask: ((i + 2*j) rem 4) == 0
// CHECK-NOT: part:
// CHECK: mask: ((i - j) rem s0) == 0
// CHECK-NOT: part:
func.func @twice(%b: index, %h: index, %i: index, %j: index) -> i1 {
  %zero = arith.constant 0 : index
  %two = arith.constant 2 : index
  %m = arith.constant 4 : index
  %twice = arith.muli %j, %two : index
  %sum = arith.addi %i, %twice : index
  %rest = arith.remsi %sum, %m : index
  %mask = arith.cmpi eq, %rest, %zero : index
  return %mask : i1
}
func.func @divisor(%b: index, %h: index, %i: index, %j: index, %m: index) -> i1 {
  %zero = arith.constant 0 : index
  %distance = arith.subi %i, %j : index
  %rest = arith.remsi %distance, %m : index
  %mask = arith.cmpi eq, %rest, %zero : index
  return %mask : i1
}
