// RUN: heddle-compile %s --target=cpu:generic --explain | FileCheck %s
// RUN: heddle-compile %s --target=cpu:generic --emit=plan --schedule=rows=64,keys=64 | FileCheck %s --check-prefix=PLAN

!T = tensor<?x?x?x32xf32>

// CHECK:      mask in @strided
// CHECK-NEXT:   mask: (j <= i) and ((i <= j + 15) or (((i - j) rem 16) == 0))
// CHECK:        a part that long rows have kernels of their own for
// CHECK-NEXT:     rows r + 16*i, keys r + 16*j
// CHECK-NEXT:     mask: j <= i - 1
// CHECK:        a part that long rows have kernels of their own for
// CHECK-NEXT:     mask: (j <= i) and (i <= j + 15)

// Rows of a class, that of all rows, and no state where they are not taken by classes.
// PLAN:     entry strided
// PLAN:     buffer3 bytes {{.*}} ? 1 : 0)
// PLAN:     launch strided_2 grid((ceildiv(ceildiv(size(q, 2), 16), 64) * 16),
// PLAN-SAME: address q,
// PLAN:     launch strided_3 grid(ceildiv(size(q, 2), 64),
func.func @strided(%q: !T, %k: !T, %v: !T) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax mask(%b, %h, %i, %j) {
    %zero = arith.constant 0 : index
    %m = arith.constant 16 : index
    %past = arith.cmpi sle, %j, %i : index
    %distance = arith.subi %i, %j : index
    %near = arith.cmpi slt, %distance, %m : index
    %rest = arith.remsi %distance, %m : index
    %same = arith.cmpi eq, %rest, %zero : index
    %either = arith.ori %near, %same : i1
    %mask = arith.andi %past, %either : i1
    attn.yield %mask : i1
  } : (!T, !T, !T) -> !T
  return %o : !T
}
