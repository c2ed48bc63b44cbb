// The normalizers every module may name without defining them. Embedded into the library; attn-link-prelude copies what
// a module uses. Nothing in C++ knows these words: a normalizer written in a user's module is their equal.

// exp(s) / sum exp(s)
attn.normalizer @softmax weights(1) sums(1) stats ["lse"] {
  reference(%s, %b, %h, %i, %j) {
    attn.yield %s : f32
  }
  rescale(%old, %new) {
    %d = arith.subf %old, %new : f32
    %r = math.exp %d : f32
    attn.yield %r : f32
  }
  weight(%s, %m, %b, %h, %i, %j) {
    %d = arith.subf %s, %m : f32
    %w = math.exp %d : f32
    attn.yield %w, %w : f32, f32
  }
  finish(%m, %l, %b, %h, %i) {
    %one = arith.constant 1.0 : f32
    %c = arith.divf %one, %l : f32
    %g = math.log %l : f32
    %lse = arith.addf %m, %g : f32
    attn.yield %c, %lse : f32, f32
  }
}

// exp(s) / (1 + sum exp(s)): one more key of score 0 that has no value. The larger of m and 0 is taken out of the sum,
// so that neither term overflows: exp(M) (exp(m - M) l + exp(-M)) with M = max(m, 0).
attn.normalizer @softmax_plus_one weights(1) sums(1) stats ["lse"] {
  reference(%s, %b, %h, %i, %j) {
    attn.yield %s : f32
  }
  rescale(%old, %new) {
    %d = arith.subf %old, %new : f32
    %r = math.exp %d : f32
    attn.yield %r : f32
  }
  weight(%s, %m, %b, %h, %i, %j) {
    %d = arith.subf %s, %m : f32
    %w = math.exp %d : f32
    attn.yield %w, %w : f32, f32
  }
  finish(%m, %l, %b, %h, %i) {
    %zero = arith.constant 0.0 : f32
    %top = arith.maximumf %m, %zero : f32
    %dm = arith.subf %m, %top : f32
    %em = math.exp %dm : f32
    %dx = arith.subf %zero, %top : f32
    %ex = math.exp %dx : f32
    %z = math.fma %em, %l, %ex : f32
    %c = arith.divf %em, %z : f32
    %g = math.log %z : f32
    %lse = arith.addf %top, %g : f32
    attn.yield %c, %lse : f32, f32
  }
}

// exp(s) / (exp(t[h]) + sum exp(s)): as above with a key of score t[h].
attn.normalizer @softmax_sink(%t: tensor<?xf32>) weights(1) sums(1) stats ["lse"] {
  reference(%s, %b, %h, %i, %j) {
    attn.yield %s : f32
  }
  rescale(%old, %new) {
    %d = arith.subf %old, %new : f32
    %r = math.exp %d : f32
    attn.yield %r : f32
  }
  weight(%s, %m, %b, %h, %i, %j) {
    %d = arith.subf %s, %m : f32
    %w = math.exp %d : f32
    attn.yield %w, %w : f32, f32
  }
  finish(%m, %l, %b, %h, %i) {
    %x = tensor.extract %t[%h] : tensor<?xf32>
    %top = arith.maximumf %m, %x : f32
    %dm = arith.subf %m, %top : f32
    %em = math.exp %dm : f32
    %dx = arith.subf %x, %top : f32
    %ex = math.exp %dx : f32
    %z = math.fma %em, %l, %ex : f32
    %c = arith.divf %em, %z : f32
    %g = math.log %z : f32
    %lse = arith.addf %top, %g : f32
    attn.yield %c, %lse : f32, f32
  }
}

// sign(s) exp|s| / sum exp|s|; lse is log sum exp|s|.
attn.normalizer @signed weights(1) sums(1) stats ["lse"] {
  reference(%s, %b, %h, %i, %j) {
    %a = math.absf %s : f32
    attn.yield %a : f32
  }
  rescale(%old, %new) {
    %d = arith.subf %old, %new : f32
    %r = math.exp %d : f32
    attn.yield %r : f32
  }
  weight(%s, %m, %b, %h, %i, %j) {
    %zero = arith.constant 0.0 : f32
    %a = math.absf %s : f32
    %d = arith.subf %a, %m : f32
    %r = math.exp %d : f32
    %x = math.copysign %r, %s : f32
    %none = arith.cmpf oeq, %s, %zero : f32
    %w = arith.select %none, %zero, %x : f32
    attn.yield %w, %r : f32, f32
  }
  finish(%m, %l, %b, %h, %i) {
    %one = arith.constant 1.0 : f32
    %c = arith.divf %one, %l : f32
    %g = math.log %l : f32
    %lse = arith.addf %m, %g : f32
    attn.yield %c, %lse : f32, f32
  }
}

// s / sum s
attn.normalizer @linear weights(1) sums(1) {
  weight(%s, %b, %h, %i, %j) {
    attn.yield %s, %s : f32, f32
  }
  finish(%l, %b, %h, %i) {
    %one = arith.constant 1.0 : f32
    %c = arith.divf %one, %l : f32
    attn.yield %c : f32
  }
}

// 1 / (1 + exp(-s))
attn.normalizer @sigmoid weights(1) sums(0) {
  weight(%s, %b, %h, %i, %j) {
    %one = arith.constant 1.0 : f32
    %n = arith.negf %s : f32
    %e = math.exp %n : f32
    %z = arith.addf %one, %e : f32
    %w = arith.divf %one, %z : f32
    attn.yield %w : f32
  }
  finish(%b, %h, %i) {
    %one = arith.constant 1.0 : f32
    attn.yield %one : f32
  }
}

// max(s, 0)
attn.normalizer @relu weights(1) sums(0) {
  weight(%s, %b, %h, %i, %j) {
    %zero = arith.constant 0.0 : f32
    %w = arith.maximumf %s, %zero : f32
    attn.yield %w : f32
  }
  finish(%b, %h, %i) {
    %one = arith.constant 1.0 : f32
    attn.yield %one : f32
  }
}

// max(s, 0)^2
attn.normalizer @relu2 weights(1) sums(0) {
  weight(%s, %b, %h, %i, %j) {
    %zero = arith.constant 0.0 : f32
    %x = arith.maximumf %s, %zero : f32
    %w = arith.mulf %x, %x : f32
    attn.yield %w : f32
  }
  finish(%b, %h, %i) {
    %one = arith.constant 1.0 : f32
    attn.yield %one : f32
  }
}

// s
attn.normalizer @none weights(1) sums(0) {
  weight(%s, %b, %h, %i, %j) {
    attn.yield %s : f32
  }
  finish(%b, %h, %i) {
    %one = arith.constant 1.0 : f32
    attn.yield %one : f32
  }
}
