// RUN: heddle-opt %s --expand-math-for-cpu | FileCheck %s
// RUN: heddle-opt %s --expand-math-for-cpu="scale-by-power=true avx512-bf16=true" | FileCheck %s --check-prefix=POWER

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

// An angle is one polynomial, the sign of the second coordinate, and no division by 0.
// CHECK-LABEL:    func.func @angle
// CHECK:          arith.maximumf %{{.*}}, %cst{{.*}} : vector<8xf32>
// CHECK-NEXT:     arith.divf
// CHECK-COUNT-11: arith.mulf
// CHECK:          math.copysign %{{.*}}, %arg0 : vector<8xf32>
// CHECK-NOT:      math.atan
func.func @angle(%y: vector<8xf32>, %x: vector<8xf32>) -> vector<8xf32> {
  %r = math.atan2 %y, %x : vector<8xf32>
  return %r : vector<8xf32>
}

// A power of a negative base is that of its size, with a sign where the exponent is odd; a constant exponent may be a product.
// CHECK-LABEL: func.func @power
// CHECK:       math.absf %arg0
// CHECK:       arith.negf
// CHECK-NOT:   math.powf
// CHECK:       %[[SQUARE:.+]] = arith.mulf %arg0, %arg0
// CHECK:       return %{{.+}}, %[[SQUARE]]
func.func @power(%x: vector<8xf32>, %y: vector<8xf32>) -> (vector<8xf32>, vector<8xf32>) {
  %two = arith.constant dense<2.0> : vector<8xf32>
  %r = math.powf %x, %y : vector<8xf32>
  %s = math.powf %x, %two : vector<8xf32>
  return %r, %s : vector<8xf32>, vector<8xf32>
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

// Instructions for exponents, on whole vectors of theirs. Where the result is rounded anyway the polynomial is shorter.
// POWER-LABEL:     func.func @wide
// POWER:           llvm.call_intrinsic "llvm.x86.avx512.mask.reduce.ps.512"
// POWER-COUNT-5:   math.fma
// POWER:           llvm.call_intrinsic "llvm.x86.avx512.mask.scalef.ps.512"
// POWER:           llvm.call_intrinsic "llvm.x86.avx512.mask.reduce.ps.512"
// POWER-LABEL:     func.func @rounded
// POWER:           llvm.call_intrinsic "llvm.x86.avx512.mask.reduce.ps.512"
// POWER-COUNT-4:   math.fma
// POWER-NOT:       math.fma
// POWER:           llvm.call_intrinsic "llvm.x86.avx512.mask.scalef.ps.512"
// POWER:           return

// CHECK-LABEL: func.func @wide
// CHECK-NOT:   llvm.call_intrinsic
func.func @wide(%x: vector<32xf32>) -> vector<32xf32> {
  %r = math.exp2 %x : vector<32xf32>
  return %r : vector<32xf32>
}
func.func @rounded(%x: vector<16xf32>) -> (vector<16xf32>, vector<16xbf16>) {
  %r = math.exp2 %x : vector<16xf32>
  %n = arith.truncf %r : vector<16xf32> to vector<16xbf16>
  return %r, %n : vector<16xf32>, vector<16xbf16>
}
