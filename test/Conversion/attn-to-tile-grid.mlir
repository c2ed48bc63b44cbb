// RUN: heddle-opt %s --attn-link-prelude --attn-to-tile="rows=32 keys=16 splits=1" --canonicalize --cse --verify-tile | FileCheck %s

!T = tensor<?x?x?x32xf32>

// Where rows and keys are whole lines, blocks of both are boxes: arrays grouped by lines, coordinates along each axis, and
// a mask of them without quotients. Nothing else runs then.
// CHECK-LABEL: func.func @window(
// CHECK:         %[[ROWS:.+]] = arith.remsi %{{.+}}, %{{.+}} : index
// CHECK:         %[[KEYS:.+]] = arith.remsi %{{.+}}, %{{.+}} : index
// CHECK:         %[[IS_WHOLE:.+]] = arith.andi
// CHECK:         scf.if %[[IS_WHOLE]] {
// CHECK-DAG:       %[[Q:.+]] = tile.residues %{{.+}} dim 2 by 64 : memref<?x?x?x32xf32, strided<[?, ?, ?, 1], offset: ?>> to memref<?x?x?x64x32xf32, strided<[?, ?, ?, ?, 1], offset: ?>>
// CHECK:           tile.launch @window_[[BOXES:[0-9]+]]({{.*}}%[[Q]]
// CHECK:         } else {
// CHECK:           tile.launch @window_{{[0-9]+}}(
// CHECK:       func.func private @window_[[BOXES]](
// CHECK:         tile.load %{{.+}}[%{{.+}}, %{{.+}}, %{{.+}}, %{{.+}}, %{{.+}}] rows 2 box [4, 8] : memref<?x?x?x64x32xf32, {{.*}}> -> tensor<32x32xf32>
// CHECK:         scf.for
// CHECK:           tile.load {{.*}} rows 2 box [1, 16] : memref<?x?x?x64x32xf32, {{.*}}> -> tensor<16x32xf32>
// CHECK-NOT:       floordivsi
// CHECK:         tile.store {{.*}} rows 2 box [4, 8] : tensor<32x32xf32>, memref<?x?x?x64x32xf32,
// CHECK:         tile.store {{.*}} rows 2 column box [4, 8] : tensor<32x1xf32>, memref<?x?x?x64xf32,
func.func @window(%q: !T, %k: !T, %v: !T) -> (!T, tensor<?x?x?xf32>) {
  %o, %lse = attn.attend dot(%q, %k) value(%v) normalize @softmax stats [lse] mask(%b, %h, %i, %j) {
    %reach = arith.constant 4 : index
    %columns = arith.constant 64 : index
    %y = arith.floordivsi %i, %columns : index
    %x = arith.remui %i, %columns : index
    %v_ = arith.floordivsi %j, %columns : index
    %u = arith.remui %j, %columns : index
    %dy = arith.subi %y, %v_ : index
    %dx = arith.subi %x, %u : index
    %ay = math.absi %dy : index
    %ax = math.absi %dx : index
    %my = arith.cmpi slt, %ay, %reach : index
    %mx = arith.cmpi slt, %ax, %reach : index
    %mask = arith.andi %my, %mx : i1
    attn.yield %mask : i1
  } : (!T, !T, !T) -> (!T, tensor<?x?x?xf32>)
  return %o, %lse : !T, tensor<?x?x?xf32>
}
