// RUN: heddle-opt %s --verify-attn --split-input-file --verify-diagnostics
!X = tensor<1x2x8x16xf32>

func.func @dialect(%x: !X) {
  // expected-error@+1 {{expected attn, arith, math, linalg, tensor, scf or func, got memref.alloc}}
  %m = memref.alloc() : memref<4xf32>
  return
}

// -----
// expected-error@+1 {{'func.func' op expected argument 0 to be a tensor of rank 1 or more, index, i32 or f32, got 'tensor<f32>'}}
func.func @argument(%x: tensor<f32>) {
  return
}

// -----
// expected-error@+1 {{'func.func' op expected result 0 to be a tensor of rank 1 or more, got 'f32'}}
func.func @result(%x: f32) -> f32 {
  return %x : f32
}

// -----
// expected-error@+1 {{'func.func' op expected one block, got 2}}
func.func @blocks(%x: f32) {
  // expected-error@+1 {{expected attn, arith, math, linalg, tensor, scf or func, got llvm.br}}
  llvm.br ^next
^next:
  return
}

// -----
!X = tensor<1x2x8x16xf32>
func.func @undefined(%x: !X) -> !X {
  // expected-error@+1 {{'attn.attend' op expected @n to be defined, got no such symbol}}
  %o = attn.attend dot(%x, %x) value(%x) normalize @n : (!X, !X, !X) -> !X
  return %o : !X
}

// -----
!X = tensor<1x2x8x16xf32>
func.func @bounds(%x: !X, %n: index) -> !X {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %o = attn.attend dot(%x, %x) value(%x) score(%s, %b, %h, %i, %j) {
      // expected-error@+1 {{'scf.for' op expected constant bounds in a region on scalars, got <block argument> of type 'index' at index: 1}}
      %y = scf.for %a = %c0 to %n step %c1 iter_args(%z = %s) -> f32 {
        scf.yield %z : f32
      }
      attn.yield %y : f32
    } : (!X, !X, !X) -> !X
  return %o : !X
}

// -----
!X = tensor<1x2x8x16xf32>
func.func @foreign(%x: !X, %n: tensor<4xf32>) -> !X {
  %o = attn.attend dot(%x, %x) value(%x) score(%s, %b, %h, %i, %j) {
      // expected-error@+1 {{'tensor.cast' op expected arith, math, tensor.extract, tensor.dim, scf.if or scf.for in a region on scalars, got tensor.cast}}
      %y = tensor.cast %n : tensor<4xf32> to tensor<?xf32>
      attn.yield %s : f32
    } : (!X, !X, !X) -> !X
  return %o : !X
}

// -----
!X = tensor<1x2x8x16xf32>
func.func @tensors(%x: !X, %n: tensor<4xf32>) -> !X {
  %o = attn.attend dot(%x, %x) value(%x) score(%s, %b, %h, %i, %j) {
      // expected-error@+1 {{'arith.addf' op expected scalars in a region on scalars, got 'tensor<4xf32>'}}
      %y = arith.addf %n, %n : tensor<4xf32>
      attn.yield %s : f32
    } : (!X, !X, !X) -> !X
  return %o : !X
}

// -----
!X = tensor<1x2x8x16xf32>
func.func @accepted(%x: !X, %doc: tensor<?xi32>) -> !X {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %o = attn.attend dot(%x, %x) value(%x) score(%s, %b, %h, %i, %j) {
      %y = scf.for %a = %c0 to %c4 step %c1 iter_args(%z = %s) -> f32 {
        %w = math.exp %z : f32
        scf.yield %w : f32
      }
      attn.yield %y : f32
    } : (!X, !X, !X) -> !X
  return %o : !X
}
