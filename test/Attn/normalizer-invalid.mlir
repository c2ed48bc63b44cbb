// RUN: heddle-opt %s --split-input-file --verify-diagnostics

// C1
// expected-error@+1 {{'attn.normalizer' op expected at least 1 weight, got 0}}
attn.normalizer @n weights(0) sums(0) {
  weight(%s, %b, %h, %i, %j) { attn.yield }
  finish(%b, %h, %i) { attn.yield }
}

// -----
// C1
// expected-error@+1 {{'attn.normalizer' op expected at least 0 sums, got -1}}
"attn.normalizer"() <{sym_name = "n", weights = 1 : i64, sums = -1 : i64}> ({}, {}, {}, {}) : () -> ()

// -----
// C1
// expected-error@+1 {{'attn.normalizer' op expected distinct statistics not called max, got ["max"]}}
attn.normalizer @n weights(1) sums(0) stats ["max"] {
  weight(%s, %b, %h, %i, %j) { attn.yield %s : f32 }
  finish(%b, %h, %i) {
    %one = arith.constant 1.0 : f32
    attn.yield %one, %one : f32, f32
  }
}

// -----
// C2
// expected-error@+1 {{'attn.normalizer' op expected reference and rescale together, got only reference}}
attn.normalizer @n weights(1) sums(0) {
  reference(%s, %b, %h, %i, %j) { attn.yield %s : f32 }
  weight(%s, %m, %b, %h, %i, %j) { attn.yield %s : f32 }
  finish(%m, %b, %h, %i) { attn.yield %m : f32 }
}

// -----
// C2
// expected-error@+1 {{'attn.normalizer' op expected reference and rescale together, got only rescale}}
attn.normalizer @n weights(1) sums(0) {
  rescale(%old, %new) { attn.yield %old : f32 }
  weight(%s, %b, %h, %i, %j) { attn.yield %s : f32 }
  finish(%b, %h, %i) {
    %one = arith.constant 1.0 : f32
    attn.yield %one : f32
  }
}

// -----
// C3
// expected-error@+1 {{'attn.normalizer' op expected weight and finish regions, got neither}}
"attn.normalizer"() <{sym_name = "n", weights = 1 : i64, sums = 0 : i64}> ({}, {}, {}, {}) : () -> ()

// -----
// C3
// expected-error@+1 {{'attn.normalizer' op expected the weight region to yield ('f32', 'f32'), got ('f32')}}
attn.normalizer @n weights(1) sums(1) {
  weight(%s, %b, %h, %i, %j) { attn.yield %s : f32 }
  finish(%l, %b, %h, %i) { attn.yield %l : f32 }
}

// -----
// C3
attn.normalizer @n weights(1) sums(1) {
  weight(%s, %b, %h, %i, %j) { attn.yield %s, %s : f32, f32 }
  // expected-error@+1 {{expected 4 arguments, got 3}}
  finish(%b, %h, %i) { attn.yield %b : index }
}

// -----
// C4
// expected-error-re@+1 {{'attn.normalizer' op expected weight(s, m') = rescale(m, m') * weight(s, m), got {{.*}} and {{.*}} for value 0 at s = {{.*}}, m = {{.*}}, m' = {{.*}}}}
attn.normalizer @n weights(1) sums(0) {
  reference(%s, %b, %h, %i, %j) { attn.yield %s : f32 }
  rescale(%old, %new) {
    %d = arith.subf %new, %old : f32
    %r = math.exp %d : f32
    attn.yield %r : f32
  }
  weight(%s, %m, %b, %h, %i, %j) {
    %d = arith.subf %s, %m : f32
    %w = math.exp %d : f32
    attn.yield %w : f32
  }
  finish(%m, %b, %h, %i) {
    %c = math.exp %m : f32
    attn.yield %c : f32
  }
}

// -----
// C5: the factor must undo the gauge; 1 is only right without a reference.
// expected-error-re@+1 {{'attn.normalizer' op expected results of finish that do not depend on m, got {{.*}} and {{.*}} for value 0 at m = {{.*}}, m' = {{.*}}}}
attn.normalizer @n weights(1) sums(0) {
  reference(%s, %b, %h, %i, %j) { attn.yield %s : f32 }
  rescale(%old, %new) {
    %d = arith.subf %old, %new : f32
    %r = math.exp %d : f32
    attn.yield %r : f32
  }
  weight(%s, %m, %b, %h, %i, %j) {
    %d = arith.subf %s, %m : f32
    %w = math.exp %d : f32
    attn.yield %w : f32
  }
  finish(%m, %b, %h, %i) {
    %one = arith.constant 1.0 : f32
    attn.yield %one : f32
  }
}

// -----
// C4: a sum of squares moves by the square of the factor.
// expected-error-re@+1 {{'attn.normalizer' op expected weight(s, m') = rescale(m, m') * weight(s, m), got {{.*}} and {{.*}} for value 2 at s = {{.*}}, m = {{.*}}, m' = {{.*}}}}
attn.normalizer @n weights(1) sums(2) {
  reference(%s, %b, %h, %i, %j) { attn.yield %s : f32 }
  rescale(%old, %new, %l, %u) {
    %d = arith.subf %old, %new : f32
    %f = math.exp %d : f32
    %l1 = arith.mulf %f, %l : f32
    %u1 = arith.mulf %f, %u : f32
    attn.yield %f, %l1, %u1 : f32, f32, f32
  }
  weight(%s, %m, %b, %h, %i, %j) {
    %d = arith.subf %s, %m : f32
    %w = math.exp %d : f32
    %u = arith.mulf %w, %w : f32
    attn.yield %w, %w, %u : f32, f32, f32
  }
  finish(%m, %l, %u, %b, %h, %i) {
    %one = arith.constant 1.0 : f32
    %c = arith.divf %one, %l : f32
    attn.yield %c : f32
  }
}

// -----
// C4: what moves a total is linear in it.
// expected-error-re@+1 {{'attn.normalizer' op expected rescale to move a total as it moves what is added up, got {{.*}} and {{.*}} for value 1 at m = {{.*}}, m' = {{.*}}}}
attn.normalizer @n weights(1) sums(1) {
  reference(%s, %b, %h, %i, %j) { attn.yield %s : f32 }
  rescale(%old, %new, %l) {
    %d = arith.subf %old, %new : f32
    %f = math.exp %d : f32
    %one = arith.constant 1.0 : f32
    attn.yield %f, %one : f32, f32
  }
  weight(%s, %m, %b, %h, %i, %j) {
    %one = arith.constant 1.0 : f32
    %d = arith.subf %s, %m : f32
    %w = math.exp %d : f32
    attn.yield %w, %one : f32, f32
  }
  finish(%m, %l, %b, %h, %i) {
    %c = math.exp %m : f32
    attn.yield %c : f32
  }
}

// -----
// C3
attn.normalizer @n weights(1) sums(2) {
  reference(%s, %b, %h, %i, %j) { attn.yield %s : f32 }
  // expected-error@+1 {{expected 4 arguments, got 3}}
  rescale(%old, %new, %l) { attn.yield %old : f32 }
}
