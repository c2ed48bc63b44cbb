// RUN: heddle-opt %s | heddle-opt | FileCheck %s
// RUN: heddle-opt %s --mlir-print-op-generic | heddle-opt | FileCheck %s

// CHECK-LABEL: func.func @packed
// CHECK: attn.view %{{.*}} (%[[B:.*]], %[[H:.*]], %[[T:.*]], %[[C:.*]]) {
// CHECK:   tensor.extract %{{.*}}[%[[B]]]
// CHECK:   attn.yield %{{.*}}, %[[H]], %[[C]] : index, index, index
// CHECK: } sizes(%{{.*}}, 8, %{{.*}}, 64) lengths(%{{.*}}) : tensor<?x8x64xbf16> -> tensor<?x8x?x64xbf16>
func.func @packed(%x: tensor<?x8x64xbf16>, %offsets: tensor<?xi32>, %len: tensor<?xi32>, %n: index, %t: index)
    -> tensor<?x8x?x64xbf16> {
  %y = attn.view %x (%b, %h, %p, %c) {
    %o = tensor.extract %offsets[%b] : tensor<?xi32>
    %f = arith.index_cast %o : i32 to index
    %a = arith.addi %f, %p : index
    attn.yield %a, %h, %c : index, index, index
  } sizes(%n, 8, %t, 64) lengths(%len) : tensor<?x8x64xbf16> -> tensor<?x8x?x64xbf16>
  return %y : tensor<?x8x?x64xbf16>
}

// CHECK-LABEL: func.func @scatter
// CHECK: attn.accumulate %{{.*}} (%{{.*}}, %[[H:.*]], %[[T:.*]], %[[C:.*]]) {
// CHECK:   attn.yield %[[T]], %[[H]], %[[C]] : index, index, index
// CHECK: } sizes(%{{.*}}, 8, 64) injective lengths(%{{.*}} : tensor<4xi32>) : tensor<4x8x?x64xf32> -> tensor<?x8x64xf32>
func.func @scatter(%x: tensor<4x8x?x64xf32>, %len: tensor<4xi32>, %n: index) -> tensor<?x8x64xf32> {
  %y = attn.accumulate %x (%b, %h, %t, %c) {
    attn.yield %t, %h, %c : index, index, index
  } sizes(%n, 8, 64) injective lengths(%len : tensor<4xi32>) : tensor<4x8x?x64xf32> -> tensor<?x8x64xf32>
  return %y : tensor<?x8x64xf32>
}

// CHECK-LABEL: func.func @adds_up
// CHECK: } sizes(16) : tensor<?xf32> -> tensor<16xf32>
func.func @adds_up(%x: tensor<?xf32>, %to: tensor<?xi32>) -> tensor<16xf32> {
  %y = attn.accumulate %x (%t) {
    %a = tensor.extract %to[%t] : tensor<?xi32>
    %p = arith.index_cast %a : i32 to index
    attn.yield %p : index
  } sizes(16) : tensor<?xf32> -> tensor<16xf32>
  return %y : tensor<16xf32>
}
