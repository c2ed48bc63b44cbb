// RUN: heddle-opt %s --split-input-file --verify-diagnostics
// One case per message of attn.recur; the constraint's number stands above it.

// C1
func.func @element_types(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xbf16>) {
  // expected-error@+1 {{'attn.recur' op expected query, key and value of one element type, got 'f32' and 'bf16'}}
  %o0 = attn.recur query(%q) key(%k) value(%v)
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xbf16>) -> (tensor<1x4x8x24xf32>)
  return
}

// -----
// C1
func.func @width(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x12xf32>) {
  // expected-error@+1 {{'attn.recur' op expected the last extent of a value operand to be a multiple of 8 up to 512, got 12}}
  %o0 = attn.recur query(%q) key(%k) value(%v)
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x12xf32>) -> (tensor<1x4x8x12xf32>)
  return
}

// -----
// C1
func.func @dynamic_width(%q: tensor<1x4x8x?xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>) {
  // expected-error@+1 {{'attn.recur' op expected the last extent of a query operand to be a multiple of 8 up to 512, got ?}}
  %o0 = attn.recur query(%q) key(%k) value(%v)
    : (tensor<1x4x8x?xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>) -> (tensor<1x4x8x24xf32>)
  return
}

// -----
// C1
func.func @query_and_key(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x32xf32>, %v: tensor<1x2x8x24xf32>) {
  // expected-error@+1 {{'attn.recur' op expected query and key to have one last extent, got 16 and 32}}
  %o0 = attn.recur query(%q) key(%k) value(%v)
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x32xf32>, tensor<1x2x8x24xf32>) -> (tensor<1x4x8x24xf32>)
  return
}

// -----
// C2
func.func @tokens(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x9x24xf32>) {
  // expected-error@+1 {{'attn.recur' op expected tokens of one length, got 8 and 9}}
  %o0 = attn.recur query(%q) key(%k) value(%v)
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x9x24xf32>) -> (tensor<1x4x8x24xf32>)
  return
}

// -----
// C2
func.func @rows(%q: tensor<1x4x9x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>) {
  // expected-error@+1 {{'attn.recur' op expected tokens of one length, got 8 and 9}}
  %o0 = attn.recur query(%q) key(%k) value(%v)
    : (tensor<1x4x9x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>) -> (tensor<1x4x9x24xf32>)
  return
}

// -----
// C2
func.func @segment_length(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>, %s: tensor<1x7xi32>) {
  // expected-error@+1 {{'attn.recur' op expected tokens of one length, got 8 and 7}}
  %o0 = attn.recur query(%q) key(%k) value(%v) segments(%s)
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>, tensor<1x7xi32>) -> (tensor<1x4x8x24xf32>)
  return
}

// -----
// C3
func.func @heads(%q: tensor<1x4x8x16xf32>, %k: tensor<1x3x8x16xf32>, %v: tensor<1x2x8x24xf32>) {
  // expected-error@+1 {{'attn.recur' op expected head extents that divide 4, got 3}}
  %o0 = attn.recur query(%q) key(%k) value(%v)
    : (tensor<1x4x8x16xf32>, tensor<1x3x8x16xf32>, tensor<1x2x8x24xf32>) -> (tensor<1x4x8x24xf32>)
  return
}

// -----
// C3
func.func @gate_heads(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>, %g: tensor<3xf32>) {
  // expected-error@+1 {{'attn.recur' op expected head extents that divide 4, got 3}}
  %o0 = attn.recur query(%q) key(%k) value(%v) gate(%g)
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>, tensor<3xf32>) -> (tensor<1x4x8x24xf32>)
  return
}

// -----
// C3
func.func @batch(%q: tensor<4x4x8x16xf32>, %k: tensor<2x2x8x16xf32>, %v: tensor<1x2x8x24xf32>) {
  // expected-error@+1 {{'attn.recur' op expected batch extents of 1 or 4, got 2}}
  %o0 = attn.recur query(%q) key(%k) value(%v)
    : (tensor<4x4x8x16xf32>, tensor<2x2x8x16xf32>, tensor<1x2x8x24xf32>) -> (tensor<4x4x8x24xf32>)
  return
}

// -----
// C4
func.func @gate_rank(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>, %g: tensor<4x8xf32>) {
  // expected-error@+1 {{'attn.recur' op expected a gate (h), (b, h, t) or (b, h, t, c), got 'tensor<4x8xf32>'}}
  %o0 = attn.recur query(%q) key(%k) value(%v) gate(%g)
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>, tensor<4x8xf32>) -> (tensor<1x4x8x24xf32>)
  return
}

// -----
// C4
func.func @gate_channels(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>, %g: tensor<1x4x8x24xf32>) {
  // expected-error@+1 {{'attn.recur' op expected a gate with the last extent 16 of the keys, got 'tensor<1x4x8x24xf32>'}}
  %o0 = attn.recur query(%q) key(%k) value(%v) gate(%g)
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>, tensor<1x4x8x24xf32>) -> (tensor<1x4x8x24xf32>)
  return
}

// -----
// C5
func.func @results(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>) {
  // expected-error@+1 {{'attn.recur' op expected 2 results, got 1}}
  %o0 = attn.recur query(%q) key(%k) value(%v) stats [mass]
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>) -> (tensor<1x4x8x24xf32>)
  return
}

// -----
// C6
func.func @output_width(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>) {
  // expected-error@+1 {{'attn.recur' op expected a result (b, h, 8, 24) of f16, bf16 or f32, got 'tensor<1x4x8x16xf32>'}}
  %o0 = attn.recur query(%q) key(%k) value(%v)
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>) -> (tensor<1x4x8x16xf32>)
  return
}

// -----
// C6
func.func @output_heads(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>) {
  // expected-error@+1 {{'attn.recur' op expected a result of 1 batches and 4 heads, got 'tensor<1x2x8x24xf32>'}}
  %o0 = attn.recur query(%q) key(%k) value(%v)
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>) -> (tensor<1x2x8x24xf32>)
  return
}

// -----
// C6
func.func @mass_type(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>) {
  // expected-error@+1 {{'attn.recur' op expected a mass (b, h, 8) of f32, got 'tensor<1x4x8xbf16>'}}
  %o0, %o1 = attn.recur query(%q) key(%k) value(%v) stats [mass]
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>) -> (tensor<1x4x8x24xf32>, tensor<1x4x8xbf16>)
  return
}

// -----
// C7
func.func @final_shape(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>) {
  // expected-error@+1 {{'attn.recur' op expected a final state to be a (b, h, 16, 24) tensor of f32, got 'tensor<1x4x24x16xf32>'}}
  %o0, %o1 = attn.recur query(%q) key(%k) value(%v) final
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>) -> (tensor<1x4x8x24xf32>, tensor<1x4x24x16xf32>)
  return
}

// -----
// C7
func.func @final_heads(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>) {
  // expected-error@+1 {{'attn.recur' op expected a result of 1 batches and 4 heads, got 'tensor<1x2x16x24xf32>'}}
  %o0, %o1 = attn.recur query(%q) key(%k) value(%v) final
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>) -> (tensor<1x4x8x24xf32>, tensor<1x2x16x24xf32>)
  return
}

// -----
// C7
func.func @final_mass(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>) {
  // expected-error@+1 {{'attn.recur' op expected a final state's mass to be a (b, h, 16) tensor of f32, got 'tensor<1x4x24xf32>'}}
  %o0, %o1, %o2, %o3 = attn.recur query(%q) key(%k) value(%v) stats [mass] final
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>) -> (tensor<1x4x8x24xf32>, tensor<1x4x8xf32>, tensor<1x4x16x24xf32>, tensor<1x4x24xf32>)
  return
}

// -----
// C7
func.func @initial_shape(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>, %s: tensor<1x4x16x16xf32>) {
  // expected-error@+1 {{'attn.recur' op expected an initial state to be a (b, h, 16, 24) tensor of f32, got 'tensor<1x4x16x16xf32>'}}
  %o0 = attn.recur query(%q) key(%k) value(%v) init(%s)
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>, tensor<1x4x16x16xf32>) -> (tensor<1x4x8x24xf32>)
  return
}

// -----
// C8
func.func @initial_mass(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>, %s: tensor<1x4x16x24xf32>) {
  // expected-error@+1 {{'attn.recur' op expected init to have a state and its mass, got 1 operands}}
  %o0, %o1 = attn.recur query(%q) key(%k) value(%v) init(%s) stats [mass]
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>, tensor<1x4x16x24xf32>) -> (tensor<1x4x8x24xf32>, tensor<1x4x8xf32>)
  return
}

// -----
// C8
func.func @initial_alone(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>, %s: tensor<1x4x16x24xf32>, %z: tensor<1x4x16xf32>) {
  // expected-error@+1 {{'attn.recur' op expected init to have a state alone, got 2 operands}}
  %o0 = attn.recur query(%q) key(%k) value(%v) init(%s, %z)
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>, tensor<1x4x16x24xf32>, tensor<1x4x16xf32>) -> (tensor<1x4x8x24xf32>)
  return
}

// -----
// C9
func.func @at(%q: tensor<1x4x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x24xf32>) {
  // expected-error@+1 {{'attn.recur' op expected the at region to yield ('index'), got ('index', 'index')}}
  %o0 = attn.recur query(%q) key(%k) value(%v) at(%i) { attn.yield %i, %i : index, index }
    : (tensor<1x4x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x24xf32>) -> (tensor<1x4x8x24xf32>)
  return
}

// -----
// Text.
func.func @two_gates(%q: tensor<1x4x8x16xf32>, %g: tensor<4xf32>) {
  // expected-error@+1 {{expected one operand of gate, got 2}}
  %o = attn.recur query(%q) key(%q) value(%q) gate(%g, %g) : () -> ()
  return
}

// -----
// Text.
func.func @three_states(%q: tensor<1x4x8x16xf32>, %g: tensor<4xf32>) {
  // expected-error@+1 {{expected a state and its mass in init, got 3}}
  %o = attn.recur query(%q) key(%q) value(%q) init(%q, %q, %q) : () -> ()
  return
}
