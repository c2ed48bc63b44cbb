// RUN: heddle-opt %s --split-input-file --attn-link-prelude --attn-to-tile="split-keys=false rows=64 keys=128 staged-strip=16" --canonicalize --cse --verify-tile | FileCheck %s

!T = tensor<?x?x?x64xbf16>

// Where enough blocks of rows read the same keys, kernels in front bring keys and values in a matrix unit's order. The
// workspace has no blocks otherwise.
// CHECK-LABEL: func.func @staged(
// CHECK:         %[[WORTH:.*]] = arith.cmpi sge
// CHECK:         %[[BLOCKS:.*]] = arith.select %[[WORTH]]
// CHECK:         %[[KEYS:.*]] = memref.alloc({{.*}}, %[[BLOCKS]]) : memref<?x?x?x256x32xbf16>
// CHECK:         %[[VALUES:.*]] = memref.alloc({{.*}}) : memref<?x?x?x256x32xbf16>
// CHECK:         scf.if %[[WORTH]] {
// CHECK-NEXT:      tile.launch @staged_0(%arg1, %[[KEYS]])
// CHECK-NEXT:      tile.launch @staged_1(%arg2, %[[VALUES]])
// CHECK-NEXT:      tile.launch @staged_2(
// CHECK-NEXT:    } else {
// CHECK-NEXT:      tile.launch @staged_3(

// CHECK-LABEL: func.func private @staged_0(
// CHECK:         %[[K:.*]] = tile.load {{.*}} -> tensor<128x64xbf16>
// CHECK:         %[[T:.*]] = tile.transpose %[[K]]
// CHECK:         %[[P:.*]] = tile.pair %[[T]] : tensor<64x128xbf16> -> tensor<256x32xbf16>
// CHECK:         tile.store %[[P]], {{.*}} : tensor<256x32xbf16>, memref<?x?x?x256x32xbf16, strided<[?, ?, 8192, 32, 1], offset: ?>>

// CHECK-LABEL: func.func private @staged_1(
// CHECK-NOT:     tile.transpose
// CHECK:         tile.pair {{.*}} : tensor<128x64xbf16> -> tensor<256x32xbf16>

// CHECK-LABEL: func.func private @staged_2(
// CHECK:         %[[P:.*]] = tile.load {{.*}} -> tensor<256x32xbf16>
// CHECK:         %[[K:.*]] = tile.unpair %[[P]] : tensor<256x32xbf16> -> tensor<64x128xbf16>
// CHECK:         tile.dot %{{.*}}, %[[K]], %{{[^{]*}} : tensor<64x64xbf16>, tensor<64x128xbf16> -> tensor<64x128xf32>
// CHECK:         tile.unpair {{.*}} -> tensor<128x64xbf16>

// CHECK-LABEL: func.func private @staged_3(
// CHECK-NOT:     tile.unpair
func.func @staged(%q: !T, %k: !T, %v: !T) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax : (!T, !T, !T) -> !T
  return %o : !T
}

// -----

!T = tensor<?x?x?x64xbf16>

// Where keys come through a view, only the device knows where they are.
// CHECK-LABEL: func.func @viewed(
// CHECK-NOT:     tile.pair
func.func @viewed(%q: !T, %k: !T, %v: !T, %shift: index, %b: index, %h: index, %t: index) -> !T {
  %moved = attn.view %k (%x, %y, %j, %c) {
    %row = arith.addi %j, %shift : index
    attn.yield %x, %y, %row, %c : index, index, index, index
  } sizes(%b, %h, %t, 64) : !T -> !T
  %o = attn.attend dot(%q, %moved) value(%v) normalize @softmax : (!T, !T, !T) -> !T
  return %o : !T
}

// -----

!T = tensor<?x?x?x64xf32>

// The unit multiplies bf16 only.
// CHECK-LABEL: func.func @single(
// CHECK-NOT:     tile.pair
func.func @single(%q: !T, %k: !T, %v: !T) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax : (!T, !T, !T) -> !T
  return %o : !T
}
