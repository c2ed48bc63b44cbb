// RUN: heddle-opt %s --attn-to-loops --split-input-file --verify-diagnostics

func.func @unknown(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %c1 = arith.constant 1 : index
  %z = arith.constant 0.0 : f32
  // expected-error@+1 {{'tensor.pad' op expected an operation with reference semantics, got tensor.pad}}
  %y = tensor.pad %x low[0, 0] high[0, 0] {
  ^bb0(%i: index, %j: index):
    tensor.yield %z : f32
  } : tensor<4x4xf32> to tensor<4x4xf32>
  return %y : tensor<4x4xf32>
}

// -----
!X = tensor<1x2x8x16xf32>
func.func @undefined(%x: !X) -> !X {
  // expected-error@+1 {{'attn.attend' op expected @n to be defined, got no such symbol}}
  %o = attn.attend dot(%x, %x) value(%x) normalize @n : (!X, !X, !X) -> !X
  return %o : !X
}

// -----
func.func @device_size(%x: tensor<?xi32>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %e = tensor.extract %x[%c0] : tensor<?xi32>
  // expected-error@+1 {{expected a size to be integer arithmetic on sizes and arguments, got}}
  %n = tensor.extract %x[%c0] : tensor<?xi32>
  %m = arith.index_cast %n : i32 to index
  %z = arith.constant 0.0 : f32
  %y = tensor.splat %z[%m] : tensor<?xf32>
  return %y : tensor<?xf32>
}
