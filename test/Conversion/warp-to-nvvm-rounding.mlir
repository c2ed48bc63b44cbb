// RUN: heddle-opt %s --convert-warp-to-nvvm | FileCheck %s

#acc = #warp.frag<acc, warps = 1>
!Wide = tensor<16x8xf32, #acc>
!Narrow = tensor<16x8xbf16, #acc>

// Of what is chosen, neighbours are rounded as one word; anything else element by element.

// CHECK-LABEL: llvm.func @chosen
// CHECK: %[[LOW:.+]] = arith.select
// CHECK: %[[PAIR:.+]] = llvm.insertelement %[[LOW]], %{{.+}} : vector<2xf32>
// CHECK: llvm.fptrunc {{.*}} : vector<2xf32> to vector<2xbf16>
// CHECK: llvm.fptrunc {{.*}} : vector<2xf32> to vector<2xbf16>
// CHECK-NOT: fptrunc
// CHECK-COUNT-4: arith.truncf {{.*}} : f32 to bf16
// CHECK-NOT: truncf
module attributes {tile.target = #tile.target<name = "any", isGpu = true>} {
func.func @chosen(%m: memref<?x8xf32>, %o: memref<?x8xbf16>, %c: i1) attributes {warp.kernel, warp.threads = 32 : i64, warp.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : !Wide
  %x = tile.load %m[%c0, %c0] : memref<?x8xf32> -> !Wide
  %y = arith.select %c, %x, %zero : !Wide
  %chosen = arith.truncf %y : !Wide to !Narrow
  tile.store %chosen, %o[%c0, %c0] : !Narrow, memref<?x8xbf16>
  %plain = arith.truncf %x : !Wide to !Narrow
  tile.store %plain, %o[%c0, %c0] : !Narrow, memref<?x8xbf16>
  return
}
}
