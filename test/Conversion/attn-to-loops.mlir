// RUN: heddle-opt %s --attn-to-loops=precision=f64 --split-input-file | FileCheck %s
// RUN: heddle-opt %s --attn-to-loops --split-input-file | FileCheck %s --check-prefix=F32

attn.normalizer @n weights(1) sums(1) stats ["mass"] {
  weight(%s, %b, %h, %i, %j) {
    attn.yield %s, %s : f32, f32
  }
  finish(%l, %b, %h, %i) {
    attn.yield %l, %l : f32, f32
  }
}

// The plan: arguments, then results, as strided memory; workspaces in the precision asked for.
// CHECK-NOT: attn.normalizer
// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: memref<?x4x?x16xbf16, strided<[?, ?, ?, 1], offset: ?>>, %[[K:[a-z0-9]+]]: memref<?x2x?x16xbf16
// CHECK-SAME: %[[SCALE:[a-z0-9]+]]: f32, %[[O:[a-z0-9]+]]: memref<?x4x?x16xbf16
// CHECK-SAME: %[[MASS:[a-z0-9]+]]: memref<?x4x?xf32, strided<[?, ?, 1], offset: ?>>) attributes {tile.plan}
// CHECK: memref.alloc(%{{.*}}) : memref<?x4x?x16xf64>
// CHECK: tile.launch @f_0(
// CHECK: tile.launch @f_1(
// CHECK: tile.launch @f_2(%{{.*}}, %[[O]])
// CHECK: tile.launch @f_3(%{{.*}}, %[[MASS]])
// F32: memref.alloc(%{{.*}}) : memref<?x4x?x16xf32>

// Rows: one block per (i, h, b); the sum over visible keys; finish only where there was one.
// CHECK-LABEL: func.func @f_0(
// CHECK-SAME: attributes {tile.kernel}
// CHECK: scf.forall (%[[I:.*]], %[[H:.*]], %[[B:.*]]) in
// CHECK-DAG: %[[SCALE:.*]] = arith.extf %{{.*}} : f32 to f64
// CHECK-DAG: %[[GROUP:.*]] = arith.divui %[[H]], %{{.*}} : index
// CHECK:   %[[SUM:.*]]:2 = scf.for %[[J:.*]] = %{{.*}} iter_args(%[[R:.*]] = %{{.*}}, %[[ANY:.*]] = %{{.*}}) -> (f64, i1) {
// CHECK:     %[[SEEN:.*]] = arith.cmpi sle, %[[J]], %[[I]] : index
// CHECK:     scf.if %[[SEEN]] -> (f64, i1) {
// CHECK:       memref.load %{{.*}}[%{{.*}}, %[[H]], %[[I]], %[[C:.*]]] : memref<?x4x?x16xbf16
// CHECK:       memref.load %{{.*}}[%{{.*}}, %[[GROUP]], %[[J]], %[[C]]] : memref<?x2x?x16xbf16
// CHECK:       %[[S:.*]] = arith.mulf %{{.*}}, %[[SCALE]] : f64
// CHECK:       arith.cmpf une, %[[S]], %{{.*}} : f64
// CHECK:   scf.if %[[SUM]]#1 -> (f64, f64) {
// F32-LABEL: func.func @f_0(
// F32-NOT: f64

// The value, added up in the workspace.
// CHECK-LABEL: func.func @f_1(
// CHECK:   memref.store %{{.*}} : memref<?x4x?x16xf64>
// CHECK-LABEL: func.func @f_2(
// CHECK:   arith.truncf %{{.*}} : f64 to f32
// CHECK:   arith.truncf %{{.*}} : f32 to bf16
func.func @f(%q: tensor<?x4x?x16xbf16>, %k: tensor<?x2x?x16xbf16>, %scale: f32) -> (tensor<?x4x?x16xbf16>, tensor<?x4x?xf32>) {
  %o, %mass = attn.attend dot(%q, %k) value(%k) normalize @n stats [mass]
    score(%s, %b, %h, %i, %j) {
      %x = arith.mulf %s, %scale : f32
      attn.yield %x : f32
    } mask(%b, %h, %i, %j) {
      %m = arith.cmpi sle, %j, %i : index
      attn.yield %m : i1
    } : (tensor<?x4x?x16xbf16>, tensor<?x2x?x16xbf16>, tensor<?x2x?x16xbf16>) -> (tensor<?x4x?x16xbf16>, tensor<?x4x?xf32>)
  return %o, %mass : tensor<?x4x?x16xbf16>, tensor<?x4x?xf32>
}

// -----

// An element-wise operation is a kernel over its elements: the last dimension is a loop of one block.
// CHECK-LABEL: func.func @scale_0(
// CHECK: scf.forall (%[[H:.*]], %[[B:.*]]) in (%{{.*}}, %{{.*}}) {
// CHECK:   scf.for %[[T:.*]] =
// CHECK:     %[[X:.*]] = memref.load %{{.*}}[%[[B]], %[[H]], %[[T]]]
// CHECK:     %[[Y:.*]] = arith.mulf
// CHECK:     memref.store %[[Y]], %{{.*}}[%[[B]], %[[H]], %[[T]]] : memref<?x?x8xf64>
func.func @scale(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  %y = arith.mulf %x, %x : tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// -----

// Coordinates of a view are clamped to the source; what lies behind the length is 0.
// CHECK-LABEL: func.func @view_0(
// CHECK: %[[LAST:.*]] = arith.subi
// CHECK: %[[END:.*]] = arith.index_cast
// CHECK: arith.cmpi slt, %{{.*}}, %[[END]] : index
// CHECK: arith.minsi %{{.*}}, %[[LAST]] : index
// CHECK: arith.maxsi
func.func @view(%x: tensor<?x8xf32>, %len: tensor<?xi32>, %n: index) -> tensor<?x?x?xf32> {
  %y = attn.view %x (%b, %h, %t) {
    attn.yield %t, %h : index, index
  } sizes(%n, %n, %n) lengths(%len) : tensor<?x8xf32> -> tensor<?x?x?xf32>
  return %y : tensor<?x?x?xf32>
}
