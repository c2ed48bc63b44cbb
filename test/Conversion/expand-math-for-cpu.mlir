// RUN: heddle-opt %s --expand-math-for-cpu | FileCheck %s

// CHECK-LABEL: func.func @exp2
// CHECK-NOT:     math.exp
// CHECK-COUNT-5: math.fma {{.*}} : vector<8xf32>
// CHECK:         arith.shli {{.*}} : vector<8xi32>
// CHECK:         arith.select
// CHECK-NOT:     math.exp
func.func @exp2(%x: vector<8xf32>) -> vector<8xf32> {
  %r = math.exp2 %x : vector<8xf32>
  return %r : vector<8xf32>
}

// What is computed in f64 is left for libm.
// CHECK-LABEL: func.func @reference
// CHECK:         math.exp %{{.*}} : f64
// CHECK:         math.log %{{.*}} : f64
func.func @reference(%x: f64) -> f64 {
  %r = math.exp %x : f64
  %l = math.log %r : f64
  return %l : f64
}

// Rounding to bf16 is integer arithmetic.
// CHECK-LABEL: func.func @round
// CHECK-NOT:     arith.truncf
func.func @round(%x: vector<8xf32>) -> vector<8xbf16> {
  %r = arith.truncf %x : vector<8xf32> to vector<8xbf16>
  return %r : vector<8xbf16>
}
