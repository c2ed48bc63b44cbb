// RUN: heddle-compile %s --target=sm_90a --emit=plan | FileCheck %s

!X = tensor<?x?x?x128xbf16>

// What each kernel of a recurrence is for, and for which sizes it runs.
// CHECK-DAG: @recur_0 computes: what each segment of the tokens adds to the state
// CHECK-DAG: @recur_1 computes: segments of the tokens, from what those before leave
// CHECK-DAG: @recur_2 computes: whole sequences, a block for every 32 columns of the state
// CHECK-DAG: @recur_4 computes: whole sequences{{$}}
// CHECK:     @recur_0, @recur_1 run where (!({{.+}} <= machine)) && (3 <= min(floordiv(machine, max((size(o, 1) * size(o, 0)), 1)), floordiv(size(k, 2), 512)))){{$}}
// CHECK:     @recur_4 runs where {{.*}} && !(((size(o, 1) * size(o, 0)) * 2) <= machine)){{$}}
func.func @recur(%q: !X, %k: !X, %v: !X) -> !X {
  %o = attn.recur query(%q) key(%k) value(%v) : (!X, !X, !X) -> !X
  return %o : !X
}
