// RUN: heddle-opt %s --convert-tile-to-cpu="vector-bits=512 vector-registers=32 amx=true" --canonicalize --cse | FileCheck %s
// RUN: heddle-opt %s --convert-tile-to-cpu="vector-bits=512 vector-registers=32" --canonicalize --cse | FileCheck %s --check-prefix=VECTOR

!Array = memref<?x?xbf16, strided<[?, 1], offset: ?>>
!Sums = memref<?x?xf32, strided<[?, 1], offset: ?>>

// The right operand is packed as pairs along k; the left one is read in place, two tiles for each two of the right.
// CHECK-LABEL:   func.func @product
// CHECK:         vector.interleave {{.*}} -> vector<32xbf16>
// CHECK-COUNT-4: amx.tile_zero
// A tile is loaded right before the first product that needs it.
// CHECK-COUNT-2: amx.tile_load
// CHECK-NEXT:    amx.tile_mulf {{.*}} : !amx.tile<16x32xbf16>, !amx.tile<16x32xbf16>, !amx.tile<16x16xf32>
// CHECK:         amx.tile_load
// CHECK-NEXT:    amx.tile_mulf
// CHECK:         amx.tile_load
// CHECK-NEXT:    amx.tile_mulf
// CHECK-NEXT:    amx.tile_mulf
// CHECK-COUNT-4: amx.tile_store
// CHECK-NOT:     vector.fma

// VECTOR-LABEL:  func.func @product
// VECTOR-NOT:    amx
// VECTOR:        vector.fma
func.func @product(%a: !Array, %b: !Array, %o: !Sums) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.forall (%i) in (%c1) {
    %z = arith.constant dense<0.0> : tensor<32x32xf32>
    %x = tile.load %a[%i, %c0] : !Array -> tensor<32x32xbf16>
    %y = tile.load %b[%i, %c0] : !Array -> tensor<32x32xbf16>
    %t = tile.dot %x, %y, %z : tensor<32x32xbf16>, tensor<32x32xbf16> -> tensor<32x32xf32>
    tile.store %t, %o[%i, %c0] : tensor<32x32xf32>, !Sums
  }
  return
}
