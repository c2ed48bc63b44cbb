// RUN: heddle-opt %s --attn-to-tile --canonicalize --cse | FileCheck %s

!X = tensor<?x?x?x64xf32>

// The plan takes one of two functions by the sizes of a call; both write the same arrays.
// CHECK-LABEL: func.func @f(
// CHECK-DAG:     arith.cmpi sge, %[[T:.+]], %c100
// CHECK-DAG:     arith.cmpi sle, %[[T]], %c200
// CHECK-DAG:     arith.cmpi sle, %{{.+}}, %[[MACHINE:.+]] : index
// CHECK:         scf.if
// CHECK:           tile.launch @other_
// CHECK:         } else {
// CHECK:           tile.launch @f_0(
// CHECK-NOT:   func.func {{.*}} attributes {attn.
func.func @f(%q: !X, %k: !X, %v: !X) -> !X {
  %o = attn.recur query(%q) key(%k) value(%v) : (!X, !X, !X) -> !X
  return %o : !X
}
func.func private @other(%q: !X, %k: !X, %v: !X) -> !X attributes {attn.instead_of = @f, attn.share = 8 : i64, attn.tokens = [100, 200]} {
  %o = attn.attend dot(%q, %k) value(%v) mask(%b, %h, %i, %j) {
    %m = arith.cmpi sle, %j, %i : index
    attn.yield %m : i1
  } : (!X, !X, !X) -> !X
  return %o : !X
}
