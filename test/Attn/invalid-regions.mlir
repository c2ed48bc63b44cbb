// RUN: heddle-opt %s --split-input-file --verify-diagnostics
// Messages of attn.attend about its regions, tables, statistics and normalizer.
!X = tensor<1x2x8x16xf32>

// C8
func.func @table_type(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected a table to be a tensor of floats of rank 1 or more, got 'tensor<4xi32>'}}
  %o = attn.attend dot(%q, %q) table(%b, %h, %i, %j) { attn.yield %h : index } sizes(4) : (!X, !X) -> tensor<4xi32>
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C8
func.func @table_sizes(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected 1 table sizes, got 0}}
  %o = "attn.attend"(%q, %q) <{dotSizes = array<i32: 2>, valueSizes = array<i32>,
    operandSegmentSizes = array<i32: 2, 0, 0, 0, 0, 0>}> ({}, {}, {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      attn.yield %h : index
    }) : (!X, !X) -> tensor<?xf32>
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C8
func.func @table_number(%q: !X) {
  // expected-error@+1 {{expected 8 for size 0 of 'tensor<8xf32>', got 4}}
  %o = attn.attend dot(%q, %q) table(%b, %h, %i, %j) { attn.yield %h : index } sizes(4) : (!X, !X) -> tensor<8xf32>
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C8
func.func @table_rank(%q: !X) {
  // expected-error@+1 {{expected the sizes of 'tensor<8x8xf32>', got 1}}
  %o = attn.attend dot(%q, %q) table(%b, %h, %i, %j) { attn.yield %h : index } sizes(8) : (!X, !X) -> tensor<8x8xf32>
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C8
func.func @table_coordinates(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected the table region to yield ('index'), got ('index', 'index')}}
  %o = attn.attend dot(%q, %q) table(%b, %h, %i, %j) { attn.yield %h, %i : index, index } sizes(8) : (!X, !X) -> tensor<8xf32>
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C9
func.func @score_names(%q: !X) {
  %o = attn.attend dot(%q, %q) value(%q) normalize @softmax
    // expected-error@+1 {{expected 5 arguments, got 4}}
    score(%s, %b, %i, %j) { attn.yield %s : f32 } : (!X, !X, !X) -> !X
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C9
func.func @score_takes(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected the score region to take ('f32', 'index', 'index', 'index', 'index'), got ('f32')}}
  %o = "attn.attend"(%q, %q, %q) <{dotSizes = array<i32: 2>, valueSizes = array<i32: 1>,
    operandSegmentSizes = array<i32: 2, 0, 1, 0, 0, 0>}> ({
    ^bb0(%s: f32):
      attn.yield %s : f32
    }, {}) : (!X, !X, !X) -> !X
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C9
func.func @score_yields(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected the score region to yield ('f32', 'f32'), got ('f32')}}
  %o:2 = attn.attend dot(%q, %q) value(%q) value(%q)
    score(%s, %b, %h, %i, %j) { attn.yield %s : f32 } : (!X, !X, !X, !X) -> (!X, !X)
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C9
func.func @score_absent(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected a score region for 2 weights, got none}}
  %o:2 = attn.attend dot(%q, %q) value(%q) value(%q) : (!X, !X, !X, !X) -> (!X, !X)
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C10
func.func @mask_yields(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected the mask region to yield ('i1'), got ('index')}}
  %o = attn.attend dot(%q, %q) value(%q) mask(%b, %h, %i, %j) { attn.yield %i : index } : (!X, !X, !X) -> !X
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C11
func.func @pair_yields(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected the pair region to yield ('f32'), got ('index')}}
  %o = attn.attend pair(%q, %q) (%x, %y, %c) { attn.yield %c : index } value(%q) : (!X, !X, !X) -> !X
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C12
func.func @stats_alone(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected a normalizer for statistics, got none}}
  %o:2 = attn.attend dot(%q, %q) value(%q) stats [lse] : (!X, !X, !X) -> (!X, tensor<1x2x8xf32>)
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C12
func.func @stats_twice(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected distinct statistics, got lse twice}}
  %o:3 = attn.attend dot(%q, %q) value(%q) normalize @n stats [lse, lse] : (!X, !X, !X) -> (!X, tensor<1x2x8xf32>, tensor<1x2x8xf32>)
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C12
attn.normalizer @bare weights(1) sums(0) {
  weight(%s, %b, %h, %i, %j) { attn.yield %s : f32 }
  finish(%b, %h, %i) {
    %one = arith.constant 1.0 : f32
    attn.yield %one : f32
  }
}
func.func @unknown_stat(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected a statistic of @bare, got max}}
  %o:2 = attn.attend dot(%q, %q) value(%q) normalize @bare stats [max] : (!X, !X, !X) -> (!X, tensor<1x2x8xf32>)
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C12
attn.normalizer @bare weights(1) sums(0) {
  weight(%s, %b, %h, %i, %j) { attn.yield %s : f32 }
  finish(%b, %h, %i) {
    %one = arith.constant 1.0 : f32
    attn.yield %one : f32
  }
}
func.func @rank_without_reference(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected a statistic of @bare, got count.2}}
  %o:2 = attn.attend dot(%q, %q) value(%q) normalize @bare stats [count.2] : (!X, !X, !X) -> (!X, tensor<1x2x8xf32>)
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C12
attn.normalizer @bare weights(1) sums(0) {
  weight(%s, %b, %h, %i, %j) { attn.yield %s : f32 }
  finish(%b, %h, %i) {
    %one = arith.constant 1.0 : f32
    attn.yield %one : f32
  }
}
func.func @rank_from_one(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected a statistic of @bare, got max.0}}
  %o:2 = attn.attend dot(%q, %q) value(%q) normalize @bare stats [max.0] : (!X, !X, !X) -> (!X, tensor<1x2x8xf32>)
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C13
func.func @not_a_normalizer(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected @not_a_normalizer to be a normalizer, got func.func}}
  %o = attn.attend dot(%q, %q) value(%q) normalize @not_a_normalizer : (!X, !X, !X) -> !X
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C13
attn.normalizer @scaled(%t: tensor<?xf32>) weights(1) sums(0) {
  weight(%s, %b, %h, %i, %j) { attn.yield %s : f32 }
  finish(%b, %h, %i) {
    %x = tensor.extract %t[%h] : tensor<?xf32>
    attn.yield %x : f32
  }
}
func.func @arguments(%q: !X, %t: tensor<2xi32>) {
  // expected-error@+1 {{'attn.attend' op expected arguments ('tensor<?xf32>') for @scaled, got ('tensor<2xi32>')}}
  %o = attn.attend dot(%q, %q) value(%q) normalize @scaled(%t : tensor<2xi32>) : (!X, !X, !X) -> !X
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C13
func.func @arguments_alone(%q: !X, %t: tensor<2xf32>) {
  // expected-error@+1 {{'attn.attend' op expected a normalizer for its arguments, got none}}
  %o = "attn.attend"(%q, %q, %q, %t) <{dotSizes = array<i32: 2>, valueSizes = array<i32: 1>,
    operandSegmentSizes = array<i32: 2, 0, 1, 0, 0, 1>}> ({}, {}) : (!X, !X, !X, tensor<2xf32>) -> !X
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// text
func.func @operand_types(%q: !X) {
  // expected-error@+1 {{expected 3 operand types, got 2}}
  %o = attn.attend dot(%q, %q) value(%q) normalize @softmax : (!X, !X) -> !X
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// text
func.func @result_types(%q: !X) {
  // expected-error@+1 {{expected at least 1 result types, got 0}}
  attn.attend dot(%q, %q) value(%q) normalize @softmax : (!X, !X, !X) -> ()
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C14
func.func @lag_of_nothing(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected a normalizer beside lag, got none}}
  %o = attn.attend dot(%q, %q) value(%q) {lag = 8.0 : f32} : (!X, !X, !X) -> !X
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C14
func.func @long_lag(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected lag above 0 and at most 15, got 1.600000e+01 : f32}}
  %o = attn.attend dot(%q, %q) value(%q) normalize @softmax {lag = 16.0 : f32} : (!X, !X, !X) -> !X
  return
}

// -----
!X = tensor<1x2x8x16xf32>
// C14
func.func @lagging_max(%q: !X) {
  // expected-error@+1 {{'attn.attend' op expected no statistic max beside lag, got one}}
  %o:2 = attn.attend dot(%q, %q) value(%q) normalize @softmax stats [max] {lag = 8.0 : f32} : (!X, !X, !X) -> (!X, tensor<1x2x8xf32>)
  return
}

// -----
!X = tensor<1x2x8x16xf32>
func.func @lag_of_another_type(%q: !X) {
  // expected-error@+1 {{expected lag of type f32, got 8 : i64}}
  %o = attn.attend dot(%q, %q) value(%q) normalize @softmax {lag = 8} : (!X, !X, !X) -> !X
  return
}
