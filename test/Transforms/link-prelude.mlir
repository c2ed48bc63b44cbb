// RUN: heddle-opt %s --attn-link-prelude --split-input-file --verify-diagnostics | FileCheck %s
!X = tensor<1x2x8x16xf32>

// CHECK: attn.normalizer @softmax weights(1) sums(1) stats ["lse"]
// CHECK-NOT: attn.normalizer
// CHECK-LABEL: func.func @one
func.func @one(%x: !X) -> !X {
  %o = attn.attend dot(%x, %x) value(%x) normalize @softmax : (!X, !X, !X) -> !X
  return %o : !X
}

// -----
!X = tensor<1x2x8x16xf32>

// The module's own definition wins, and is not copied a second time.
// CHECK-NOT: attn.normalizer @none
// CHECK: attn.normalizer @sigmoid weights(2) sums(0)
// CHECK-NOT: attn.normalizer @sigmoid
attn.normalizer @sigmoid weights(2) sums(0) {
  weight(%s, %b, %h, %i, %j) { attn.yield %s, %s : f32, f32 }
  finish(%b, %h, %i) {
    %one = arith.constant 1.0 : f32
    attn.yield %one, %one : f32, f32
  }
}
func.func @own(%x: !X) -> !X {
  %o = attn.attend dot(%x, %x) value(%x) normalize @sigmoid : (!X, !X, !X) -> !X
  return %o : !X
}

// -----
!X = tensor<1x2x8x16xf32>

func.func @unknown(%x: !X) -> !X {
  // expected-error@+1 {{expected a normalizer @nowhere in the module or the prelude, got neither}}
  %o = attn.attend dot(%x, %x) value(%x) normalize @nowhere : (!X, !X, !X) -> !X
  return %o : !X
}

// -----
!X = tensor<1x2x8x16xf32>

// Every word of the prelude.
// CHECK-COUNT-8: attn.normalizer
// CHECK-NOT: attn.normalizer
// CHECK-LABEL: func.func @all
func.func @all(%x: !X, %t: tensor<2xf32>) {
  %0 = attn.attend dot(%x, %x) value(%x) normalize @softmax_plus_one : (!X, !X, !X) -> !X
  %1 = attn.attend dot(%x, %x) value(%x) normalize @softmax_sink(%t : tensor<2xf32>) : (!X, !X, !X) -> !X
  %2 = attn.attend dot(%x, %x) value(%x) normalize @sigmoid : (!X, !X, !X) -> !X
  %3 = attn.attend dot(%x, %x) value(%x) normalize @relu : (!X, !X, !X) -> !X
  %4 = attn.attend dot(%x, %x) value(%x) normalize @relu2 : (!X, !X, !X) -> !X
  %5 = attn.attend dot(%x, %x) value(%x) normalize @linear : (!X, !X, !X) -> !X
  %6 = attn.attend dot(%x, %x) value(%x) normalize @signed : (!X, !X, !X) -> !X
  %7 = attn.attend dot(%x, %x) value(%x) normalize @none : (!X, !X, !X) -> !X
  return
}
