// RUN: heddle-opt %s | heddle-opt | FileCheck %s
// RUN: heddle-opt %s --mlir-print-op-generic | heddle-opt | FileCheck %s

// CHECK-LABEL: attn.normalizer @gauged(%t0: tensor<?xf32>, %t1: f32) weights(1) sums(1) stats ["lse"] {
// CHECK-NEXT:    reference(%s, %b, %h, %i, %j) {
// CHECK-NEXT:      attn.yield %s : f32
// CHECK-NEXT:    }
// CHECK-NEXT:    rescale(%old, %new) {
// CHECK:         weight(%s, %m, %b, %h, %i, %j) {
// CHECK:         finish(%m, %r0, %b, %h, %i) {
// CHECK-NEXT:      %[[X:.*]] = tensor.extract %t0[%h] : tensor<?xf32>
// CHECK-NEXT:      arith.mulf %[[X]], %t1 : f32
attn.normalizer @gauged(%t: tensor<?xf32>, %scale: f32) weights(1) sums(1) stats ["lse"] {
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
    %y = arith.mulf %x, %scale : f32
    attn.yield %l, %y : f32, f32
  }
}

// CHECK-LABEL: attn.normalizer @bare weights(2) sums(0) {
// CHECK-NEXT:    weight(%s, %b, %h, %i, %j) {
// CHECK-NEXT:      attn.yield %s, %s : f32, f32
// CHECK-NEXT:    }
// CHECK-NEXT:    finish(%b, %h, %i) {
attn.normalizer @bare weights(2) sums(0) {
  weight(%s, %b, %h, %i, %j) {
    attn.yield %s, %s : f32, f32
  }
  finish(%b, %h, %i) {
    %one = arith.constant 1.0 : f32
    attn.yield %one, %one : f32, f32
  }
}

// A rescale that says what becomes of each sum: of sum w (s - m), for an entropy.

// CHECK-LABEL: attn.normalizer @moved weights(1) sums(2) {
// CHECK:         rescale(%old, %new, %r0, %r1) {
// CHECK:           attn.yield %{{.*}}, %{{.*}}, %{{.*}} : f32, f32, f32
attn.normalizer @moved weights(1) sums(2) {
  reference(%s, %b, %h, %i, %j) {
    attn.yield %s : f32
  }
  rescale(%old, %new, %l, %u) {
    %d = arith.subf %old, %new : f32
    %f = math.exp %d : f32
    %l1 = arith.mulf %f, %l : f32
    %dl = arith.mulf %d, %l1 : f32
    %u1 = math.fma %f, %u, %dl : f32
    attn.yield %f, %l1, %u1 : f32, f32, f32
  }
  weight(%s, %m, %b, %h, %i, %j) {
    %d = arith.subf %s, %m : f32
    %w = math.exp %d : f32
    %u = arith.mulf %w, %d : f32
    attn.yield %w, %w, %u : f32, f32, f32
  }
  finish(%m, %l, %u, %b, %h, %i) {
    %one = arith.constant 1.0 : f32
    %c = arith.divf %one, %l : f32
    attn.yield %c : f32
  }
}
