// RUN: heddle-opt %s --split-input-file --verify-diagnostics
// One case per message of attn.attend; the constraint's number stands above it.

// C1
func.func @no_dot(%v: tensor<1x2x8x16xf32>) {
  // expected-error@+1 {{'attn.attend' op expected a dot or a pair, got none}}
  %o = attn.attend value(%v) normalize @softmax : (tensor<1x2x8x16xf32>) -> tensor<1x2x8x16xf32>
  return
}

// -----
// C1
func.func @one_operand(%q: tensor<1x2x8x16xf32>) {
  // expected-error@+1 {{'attn.attend' op expected two or three operands in a dot, got 1}}
  %o = attn.attend dot(%q) value(%q) normalize @softmax : (tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>) -> tensor<1x2x8x16xf32>
  return
}

// -----
// C1
func.func @odd_pair(%q: tensor<1x2x8x16xf32>) {
  // expected-error@+1 {{'attn.attend' op expected two operands and a region for each pair, got 2 operands and 0 regions}}
  %o = "attn.attend"(%q, %q, %q) <{dotSizes = array<i32>, valueSizes = array<i32: 1>, normalizer = @n,
    operandSegmentSizes = array<i32: 0, 2, 1, 0, 0, 0>}> ({}, {})
    : (tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>) -> tensor<1x2x8x16xf32>
  return
}

// -----
// C1
func.func @second_value(%q: tensor<1x2x8x16xf32>) {
  // expected-error@+1 {{'attn.attend' op expected one operand in a value, got 2}}
  %o = attn.attend dot(%q, %q) value(%q, %q) normalize @softmax
    : (tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>) -> tensor<1x2x8x16xf32>
  return
}

// -----
// C1
func.func @third_value(%q: tensor<1x2x8x16xf32>) {
  // expected-error@+1 {{'attn.attend' op expected one or two operands in a value, got 3}}
  %o = attn.attend dot(%q, %q, %q) value(%q, %q, %q) normalize @softmax
    : (tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>) -> tensor<1x2x8x16xf32>
  return
}

// -----
// C2
func.func @mixed_elements(%q: tensor<1x2x8x16xf32>, %k: tensor<1x2x8x16xbf16>) {
  // expected-error@+1 {{'attn.attend' op expected the operands of a dot to have one element type, got 'f32' and 'bf16'}}
  %o = attn.attend dot(%q, %k) value(%q) normalize @softmax
    : (tensor<1x2x8x16xf32>, tensor<1x2x8x16xbf16>, tensor<1x2x8x16xf32>) -> tensor<1x2x8x16xf32>
  return
}

// -----
// C2
func.func @width(%q: tensor<1x2x8x12xf32>) {
  // expected-error@+1 {{'attn.attend' op expected the last extent of a dot operand to be a multiple of 8 up to 512, got 12}}
  %o = attn.attend dot(%q, %q) value(%q) normalize @softmax
    : (tensor<1x2x8x12xf32>, tensor<1x2x8x12xf32>, tensor<1x2x8x12xf32>) -> tensor<1x2x8x12xf32>
  return
}

// -----
// C2
func.func @dynamic_width(%q: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x?xf32>) {
  // expected-error@+1 {{'attn.attend' op expected the last extent of a value operand to be a multiple of 8 up to 512, got ?}}
  %o = attn.attend dot(%q, %q) value(%v) normalize @softmax
    : (tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x?xf32>) -> tensor<1x2x8x?xf32>
  return
}

// -----
// C2
func.func @contracted(%q: tensor<1x2x8x16xf32>, %k: tensor<1x2x8x24xf32>) {
  // expected-error@+1 {{'attn.attend' op expected the operands of a dot to have one last extent, got 16 and 24}}
  %o = attn.attend dot(%q, %k) value(%q) normalize @softmax
    : (tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>, tensor<1x2x8x16xf32>) -> tensor<1x2x8x16xf32>
  return
}

// -----
// C3
func.func @key_lengths(%q: tensor<1x2x8x16xf32>, %v: tensor<1x2x9x16xf32>) {
  // expected-error@+1 {{'attn.attend' op expected keys of one length, got 8 and 9}}
  %o = attn.attend dot(%q, %q) value(%v) normalize @softmax
    : (tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x9x16xf32>) -> tensor<1x2x8x16xf32>
  return
}

// -----
// C4
func.func @heads(%q: tensor<1x8x8x16xf32>, %k: tensor<1x3x8x16xf32>) {
  // expected-error@+1 {{'attn.attend' op expected head extents that divide 8, got 3}}
  %o = attn.attend dot(%q, %k) value(%k) normalize @softmax
    : (tensor<1x8x8x16xf32>, tensor<1x3x8x16xf32>, tensor<1x3x8x16xf32>) -> tensor<1x8x8x16xf32>
  return
}

// -----
// C4
func.func @batches(%q: tensor<4x8x8x16xf32>, %k: tensor<2x8x8x16xf32>) {
  // expected-error@+1 {{'attn.attend' op expected batch extents of 1 or 4, got 2}}
  %o = attn.attend dot(%q, %k) value(%k) normalize @softmax
    : (tensor<4x8x8x16xf32>, tensor<2x8x8x16xf32>, tensor<2x8x8x16xf32>) -> tensor<4x8x8x16xf32>
  return
}

// -----
// C5
func.func @results(%q: tensor<1x2x8x16xf32>) {
  // expected-error@+1 {{'attn.attend' op expected 2 results, got 1}}
  %o = attn.attend dot(%q, %q) value(%q) normalize @softmax stats [lse]
    : (tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>) -> tensor<1x2x8x16xf32>
  return
}

// -----
// C6
func.func @result_type(%q: tensor<1x2x8x16xf32>) {
  // expected-error@+1 {{'attn.attend' op expected a value result to be a tensor of rank 4 of f16, bf16 or f32, got 'tensor<1x2x8xf32>'}}
  %o = attn.attend dot(%q, %q) value(%q) normalize @softmax
    : (tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>) -> tensor<1x2x8xf32>
  return
}

// -----
// C6
func.func @result_width(%q: tensor<1x2x8x16xf32>) {
  // expected-error@+1 {{'attn.attend' op expected last extent 16 of a value result, got 'tensor<1x2x8x8xf32>'}}
  %o = attn.attend dot(%q, %q) value(%q) normalize @softmax
    : (tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----
// C6
func.func @covalue_length(%q: tensor<1x2x8x16xf32>, %k: tensor<1x2x9x16xf32>) {
  // expected-error@+1 {{'attn.attend' op expected length 9 of a covalue result, got 'tensor<1x2x8x16xf32>'}}
  %o = attn.attend dot(%q, %k) covalue(%q)
    : (tensor<1x2x8x16xf32>, tensor<1x2x9x16xf32>, tensor<1x2x8x16xf32>) -> tensor<1x2x8x16xf32>
  return
}

// -----
// C7
func.func @stat_type(%q: tensor<1x2x8x16xf32>) {
  // expected-error@+1 {{'attn.attend' op expected a statistic to be a (b, h, i) tensor of f32 of length 8, got 'tensor<1x2x8xbf16>'}}
  %o:2 = attn.attend dot(%q, %q) value(%q) normalize @softmax stats [lse]
    : (tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>) -> (tensor<1x2x8x16xf32>, tensor<1x2x8xbf16>)
  return
}

// -----
// C7
func.func @stat_heads(%q: tensor<1x8x8x16xf32>, %k: tensor<1x2x8x16xf32>) {
  // expected-error@+1 {{'attn.attend' op expected a statistic of 1 batches and 8 heads, got 'tensor<1x2x8xf32>'}}
  %o:2 = attn.attend dot(%q, %k) value(%k) normalize @softmax stats [lse]
    : (tensor<1x8x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>) -> (tensor<1x8x8x16xf32>, tensor<1x2x8xf32>)
  return
}
