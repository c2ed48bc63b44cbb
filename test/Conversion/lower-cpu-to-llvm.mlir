// RUN: heddle-opt %s --tile-to-llvm-cpu | FileCheck %s

!Array = memref<?x?xbf16, strided<[?, 1], offset: ?>>

// One function of slots and a block, that calls nothing and may not be turned into calls.
// CHECK-NOT:   llvm.func @{{exp|memcpy|memset|plan}}
// CHECK:       llvm.func @twice(%{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64)
// CHECK-SAME:    passthrough = ["no-builtins", "nounwind"]
// CHECK-NOT:   llvm.call
// CHECK-NOT:   bf16
func.func @twice(%a: !Array, %o: !Array) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.forall (%i) in (%c1) {
    %x = tile.load %a[%i, %c0] : !Array -> tensor<16x32xbf16>
    %y = arith.addf %x, %x : tensor<16x32xbf16>
    tile.store %y, %o[%i, %c0] : tensor<16x32xbf16>, !Array
  }
  return
}

func.func @plan() attributes {tile.plan} {
  return
}
