// RUN: heddle-opt %s --convert-tile-to-cpu="vector-bits=512 vector-registers=32 amx=true" --canonicalize --cse | FileCheck %s
// RUN: heddle-opt %s --convert-tile-to-cpu="vector-bits=256 vector-registers=16" --canonicalize --cse | FileCheck %s --check-prefix=VECTOR

!Array = memref<?x?xbf16, strided<[?, 1], offset: ?>>
!Pairs = memref<?x64x32xbf16, strided<[2048, 32, 1], offset: ?>>
!Sums = memref<?x?xf32, strided<[?, 1], offset: ?>>

// Columns become pairs by transposing words of two elements, rows by interleaving.
// CHECK-LABEL:   func.func @stage
// CHECK:         vector.bitcast {{.*}} : vector<32xbf16> to vector<16xf32>
// CHECK:         vector.store {{.*}} : memref<64x32xbf16>, vector<32xbf16>
// CHECK:         vector.interleave {{.*}} -> vector<32xbf16>

// Without the unit the order is kept all the same.
// VECTOR-LABEL:  func.func @stage
// VECTOR:        %[[E:.*]] = memref.load {{.*}} : memref<4x32x16xbf16>
// VECTOR:        memref.store %[[E]], {{.*}} : memref<2x64x16xbf16>
func.func @stage(%k: !Array, %v: !Array, %kp: !Pairs, %vp: !Pairs) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.forall (%i) in (%c1) {
    %x = tile.load %k[%c0, %c0] : !Array -> tensor<32x64xbf16>
    %t = tile.transpose %x : tensor<32x64xbf16> -> tensor<64x32xbf16>
    %p = tile.pair %t : tensor<64x32xbf16> -> tensor<64x32xbf16>
    tile.store %p, %kp[%i, %c0, %c0] : tensor<64x32xbf16>, !Pairs
    %y = tile.load %v[%c0, %c0] : !Array -> tensor<32x64xbf16>
    %q = tile.pair %y : tensor<32x64xbf16> -> tensor<64x32xbf16>
    tile.store %q, %vp[%i, %c0, %c0] : tensor<64x32xbf16>, !Pairs
  }
  return
}

// A product reads pairs where they are, whose rows are 64 bytes apart.
// CHECK-LABEL:   func.func @multiply
// CHECK-NOT:     vector.interleave
// CHECK:         amx.tile_load %{{.*}} : memref<64x32xbf16, strided<[32, 1], offset: ?>> into !amx.tile<16x32xbf16>
// CHECK:         amx.tile_mulf
// CHECK-NOT:     vector.interleave
// While a strip of lanes is multiplied, the next one's pairs are fetched.
// CHECK:         memref.prefetch {{.*}} read, locality<3>, data : memref<64x32xbf16, strided<[32, 1], offset: ?>>
// CHECK:         amx.tile_mulf

// VECTOR-LABEL:  func.func @multiply
// VECTOR:        vector.fma
func.func @multiply(%a: !Array, %kp: !Pairs, %o: !Sums) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.forall (%i) in (%c1) {
    %z = arith.constant dense<0.0> : tensor<32x32xf32>
    %x = tile.load %a[%c0, %c0] : !Array -> tensor<32x64xbf16>
    %p = tile.load %kp[%i, %c0, %c0] : !Pairs -> tensor<64x32xbf16>
    %y = tile.unpair %p : tensor<64x32xbf16> -> tensor<64x32xbf16>
    %t = tile.dot %x, %y, %z : tensor<32x64xbf16>, tensor<64x32xbf16> -> tensor<32x32xf32>
    tile.store %t, %o[%c0, %c0] : tensor<32x32xf32>, !Sums
  }
  return
}
