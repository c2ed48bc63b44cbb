// RUN: heddle-opt %s --split-input-file --verify-diagnostics

// C1
func.func @coordinates(%x: tensor<8x16xf32>) {
  // expected-error@+1 {{'attn.view' op expected the coordinate region to yield ('index', 'index'), got ('index')}}
  %y = attn.view %x (%a, %b) { attn.yield %a : index } sizes(8, 16) : tensor<8x16xf32> -> tensor<8x16xf32>
  return
}

// -----
// C1
func.func @positions(%x: tensor<8x16xf32>) {
  // expected-error@+1 {{'attn.accumulate' op expected the coordinate region to take ('index', 'index'), got ('index')}}
  %y = attn.accumulate %x (%a) { attn.yield %a : index } sizes(8) : tensor<8x16xf32> -> tensor<8xf32>
  return
}

// -----
// C2
func.func @sizes(%x: tensor<8xf32>) {
  // expected-error@+1 {{'attn.view' op expected 1 sizes for 'tensor<?xf32>', got 0}}
  %y = "attn.view"(%x) <{operandSegmentSizes = array<i32: 1, 0, 0>}> ({
    ^bb0(%a: index):
      attn.yield %a : index
    }) : (tensor<8xf32>) -> tensor<?xf32>
  return
}

// -----
// C2
func.func @number(%x: tensor<8xf32>) {
  // expected-error@+1 {{expected a value for size 0 of 'tensor<?xf32>', got 8}}
  %y = attn.view %x (%a) { attn.yield %a : index } sizes(8) : tensor<8xf32> -> tensor<?xf32>
  return
}

// -----
// C2
func.func @value(%x: tensor<8xf32>, %n: index) {
  // expected-error@+1 {{expected 8 for size 0 of 'tensor<8xf32>', got a value}}
  %y = attn.view %x (%a) { attn.yield %a : index } sizes(%n) : tensor<8xf32> -> tensor<8xf32>
  return
}

// -----
// C3
func.func @elements(%x: tensor<8xf32>) {
  // expected-error@+1 {{'attn.view' op expected element type 'f32', got 'i32'}}
  %y = attn.view %x (%a) { attn.yield %a : index } sizes(8) : tensor<8xf32> -> tensor<8xi32>
  return
}

// -----
// C4
func.func @lengths_rank(%x: tensor<8x8xf32>, %n: tensor<8xi32>) {
  // expected-error@+1 {{'attn.view' op expected lengths to bound dimension 2 of a tensor of rank 3 or more, got 'tensor<8x8xf32>'}}
  %y = attn.view %x (%a, %b) { attn.yield %a, %b : index, index } sizes(8, 8) lengths(%n : tensor<8xi32>)
    : tensor<8x8xf32> -> tensor<8x8xf32>
  return
}

// -----
// C4
func.func @lengths_count(%x: tensor<2x8x8xf32>, %n: tensor<3xi32>) {
  // expected-error@+1 {{'attn.accumulate' op expected 2 lengths, got 3}}
  %y = attn.accumulate %x (%a, %b, %c) { attn.yield %a, %b, %c : index, index, index } sizes(2, 8, 8)
    lengths(%n : tensor<3xi32>) : tensor<2x8x8xf32> -> tensor<2x8x8xf32>
  return
}

// -----
func.func @not_a_tensor(%x: tensor<8xf32>) {
  // expected-error@+1 {{expected a tensor, got 'f32'}}
  %y = attn.view %x (%a) { attn.yield %a : index } sizes(8) : tensor<8xf32> -> f32
  return
}
