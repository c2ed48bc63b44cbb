// RUN: heddle-opt %s --split-input-file --attn-to-tile --verify-diagnostics

!X = tensor<?x?x?x32xf32>
func.func @backwards(%q: !X, %k: !X, %v: !X, %n: index) -> !X {
  // expected-error@+1 {{'attn.recur' op expected rows that read at positions that never fall; lower it with attn-to-loops}}
  %o = attn.recur query(%q) key(%k) value(%v) at(%i) {
    %t = arith.subi %n, %i : index
    attn.yield %t : index
  } : (!X, !X, !X) -> !X
  return %o : !X
}
