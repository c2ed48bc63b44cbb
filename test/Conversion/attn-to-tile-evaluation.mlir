// RUN: heddle-opt %s --attn-link-prelude --attn-to-tile="rows=32 keys=32 split-keys=false" --canonicalize --cse | FileCheck %s

!T = tensor<?x?x?x64xf32>

// A mask that cannot tell the positions of a block apart is evaluated for a tile of blocks at a time.

// CHECK-LABEL: func.func private @seen_0(
// CHECK: %[[ROWS:.+]] = tile.iota dim 0 offset %{{.+}} : tensor<16x1xi32>
// CHECK: arith.muli %{{.+}}, %{{.+}} : tensor<16x1xi32>
// CHECK-NOT: tile.reduce
// CHECK: tile.store %{{.+}} : tensor<16x64xi32>
// CHECK-LABEL: func.func private @seen_1(
func.func @seen(%q: !T, %seen: tensor<?x?xi32>) -> !T {
  %o = attn.attend dot(%q, %q) value(%q) normalize @softmax mask(%b, %h, %i, %j) {
    %c32 = arith.constant 32 : index
    %c64 = arith.constant 64 : index
    %r = arith.divui %i, %c64 : index
    %k = arith.divui %j, %c32 : index
    %s = tensor.extract %seen[%r, %k] : tensor<?x?xi32>
    %zero = arith.constant 0 : i32
    %m = arith.cmpi ne, %s, %zero : i32
    attn.yield %m : i1
  } : (!T, !T, !T) -> !T
  return %o : !T
}
