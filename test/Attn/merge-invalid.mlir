// RUN: heddle-opt %s --split-input-file --verify-diagnostics
// One case per message of attn.merge; the constraint's number stands above it.

// C1
func.func @no_part(%c: f32) {
  // expected-error@+1 {{'attn.merge' op expected at least one part, got none}}
  %o = attn.merge () weights(%b, %h, %i) { attn.yield }
    : () -> tensor<1x4x8x16xf32>
  return
}

// -----
// C1
func.func @part_width(%p0: tensor<1x4x8x24xf32>, %c: f32) {
  // expected-error@+1 {{'attn.merge' op expected parts with the static last extent of 'tensor<1x4x8x16xf32>', got 'tensor<1x4x8x24xf32>'}}
  %o = attn.merge (%p0) weights(%b, %h, %i) { attn.yield %c : f32 }
    : (tensor<1x4x8x24xf32>) -> tensor<1x4x8x16xf32>
  return
}

// -----
// C2
func.func @part_length(%p0: tensor<1x4x9x16xf32>, %c: f32) {
  // expected-error@+1 {{'attn.merge' op expected parts with the extents of 'tensor<1x4x8x16xf32>', got 'tensor<1x4x9x16xf32>'}}
  %o = attn.merge (%p0) weights(%b, %h, %i) { attn.yield %c : f32 }
    : (tensor<1x4x9x16xf32>) -> tensor<1x4x8x16xf32>
  return
}

// -----
// C3
func.func @part_heads(%p0: tensor<1x4x8x16xf32>, %p1: tensor<1x2x8x16xf32>, %c: f32) {
  // expected-error@+1 {{'attn.merge' op expected parts with the extents of 'tensor<1x4x8x16xf32>', got 'tensor<1x2x8x16xf32>'}}
  %o = attn.merge (%p0, %p1) weights(%b, %h, %i) { attn.yield %c, %c : f32, f32 }
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>) -> tensor<1x4x8x16xf32>
  return
}

// -----
// C3
func.func @part_batch(%p0: tensor<3x4x8x16xf32>, %p1: tensor<1x4x8x16xf32>, %c: f32) {
  // expected-error@+1 {{'attn.merge' op expected parts with the extents of 'tensor<3x4x8x16xf32>', got 'tensor<1x4x8x16xf32>'}}
  %o = attn.merge (%p0, %p1) weights(%b, %h, %i) { attn.yield %c, %c : f32, f32 }
    : (tensor<3x4x8x16xf32>, tensor<1x4x8x16xf32>) -> tensor<3x4x8x16xf32>
  return
}

// -----
// C4
func.func @weights(%p0: tensor<1x4x8x16xf32>, %p1: tensor<1x4x8x16xf32>, %c: f32) {
  // expected-error@+1 {{'attn.merge' op expected the weights region to yield ('f32', 'f32'), got ('f32')}}
  %o = attn.merge (%p0, %p1) weights(%b, %h, %i) { attn.yield %c : f32 }
    : (tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32>) -> tensor<1x4x8x16xf32>
  return
}

// -----
// C5
func.func @result_type(%p0: tensor<1x4x8x16xf32>, %c: f32) {
  // expected-error@+1 {{'attn.merge' op result #0 must be 4D tensor of 16-bit float or bfloat16 type or 32-bit float values, but got 'tensor<1x4x8x16xf64>'}}
  %o = attn.merge (%p0) weights(%b, %h, %i) { attn.yield %c : f32 }
    : (tensor<1x4x8x16xf32>) -> tensor<1x4x8x16xf64>
  return
}
