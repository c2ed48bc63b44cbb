// RUN: heddle-opt %s --attn-link-prelude --attn-to-tile="rows=32 keys=16 splits=1" --canonicalize --cse --verify-tile | FileCheck %s

!T = tensor<?x?x?x32xf32>

// Rows and keys of one residue: arrays grouped by it, positions counted within the class, and a mask without remainder.
// CHECK-LABEL: func.func @dilated(
// CHECK:         scf.if
// CHECK-DAG:       %[[Q:.+]] = tile.residues %{{.+}} dim 2 by 4 : memref<?x?x?x32xf32, strided<[?, ?, ?, 1], offset: ?>> to memref<?x?x?x4x32xf32, strided<[?, ?, ?, ?, 1], offset: ?>>
// CHECK:           tile.launch @dilated_0({{.*}}%[[Q]]
// CHECK:         } else {
// CHECK:           tile.launch @dilated_1(
// CHECK-LABEL: func.func private @dilated_0(
// CHECK-DAG:     %[[FOUR:.+]] = arith.constant 4 : index
// CHECK:         %[[CLASS:.+]] = arith.ceildivsi %{{.+}}, %[[FOUR]]
// CHECK:         %[[BLOCKS:.+]] = arith.ceildivsi %[[CLASS]]
// CHECK:         %[[GRID:.+]] = arith.muli %[[BLOCKS]], %[[FOUR]]
// CHECK:         scf.forall {{.*}} in (%[[GRID]],
// CHECK:           %[[RESIDUE:.+]] = arith.remui %{{.+}}, %[[FOUR]]
// CHECK:           tile.load %{{.+}}[%{{.+}}, %{{.+}}, %{{.+}}, %[[RESIDUE]], %{{.+}}] limit(%{{.+}}) rows 2 : memref<?x?x?x4x32xf32, {{.*}}> -> tensor<32x32xf32>
// CHECK:           scf.for
// CHECK:             tile.load {{.*}} limit({{.*}}) rows 2 : memref<?x?x?x4x32xf32, {{.*}}> -> tensor<16x32xf32>
// CHECK-NOT:         remsi
// CHECK:           tile.store {{.*}} limit({{.*}}) rows 2 : tensor<32x32xf32>, memref<?x?x?x4x32xf32,
// CHECK:           tile.store {{.*}} limit({{.*}}) : tensor<32x1xf32>, memref<?x?x?x4xf32,
func.func @dilated(%q: !T, %k: !T, %v: !T) -> (!T, tensor<?x?x?xf32>) {
  %o, %lse = attn.attend dot(%q, %k) value(%v) normalize @softmax stats [lse] mask(%b, %h, %i, %j) {
    %zero = arith.constant 0 : index
    %m = arith.constant 4 : index
    %distance = arith.subi %i, %j : index
    %rest = arith.remsi %distance, %m : index
    %same = arith.cmpi eq, %rest, %zero : index
    %past = arith.cmpi sle, %j, %i : index
    %mask = arith.andi %same, %past : i1
    attn.yield %mask : i1
  } : (!T, !T, !T) -> (!T, tensor<?x?x?xf32>)
  return %o, %lse : !T, tensor<?x?x?xf32>
}

// A union: the kernel of the class leaves a state, from which the other part's goes on. No workspace where it is not used.
// CHECK-LABEL: func.func @strided(
// CHECK:         %[[IS_USED:.+]] = arith.cmpi sle
// CHECK:         %[[STATES:.+]] = arith.select %[[IS_USED]]
// CHECK:         %[[STATE:.+]] = memref.alloc(%[[STATES]], {{.*}}) : memref<?x?x?x?x32xf32>
// CHECK:         scf.if %[[IS_USED]]
// CHECK:           %[[GROUPED:.+]] = tile.residues %[[STATE]] dim 3 by 8
// CHECK:           tile.launch @strided_0({{.*}}%[[GROUPED]]
// CHECK:           tile.launch @strided_1({{.*}}%[[STATE]]
// CHECK:         } else {
// CHECK:           tile.launch @strided_2(
// CHECK-LABEL: func.func private @strided_0(
// CHECK:         tile.store {{.*}} rows 3 : tensor<32x32xf32>, memref<?x?x?x?x8x32xf32
// CHECK-LABEL: func.func private @strided_1(
// CHECK:         %[[MAX:.+]] = tile.load {{.*}} column
// CHECK:         %[[SUM:.+]] = tile.load {{.*}} column
// CHECK:         %[[ACC:.+]] = tile.load {{.*}} -> tensor<32x32xf32>
// CHECK:         scf.for {{.*}} iter_args({{.*}} = %[[MAX]], {{.*}} = %[[SUM]], {{.*}} = %[[ACC]])
func.func @strided(%q: !T, %k: !T, %v: !T, %width: index) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax mask(%b, %h, %i, %j) {
    %zero = arith.constant 0 : index
    %m = arith.constant 8 : index
    %past = arith.cmpi sle, %j, %i : index
    %distance = arith.subi %i, %j : index
    %near = arith.cmpi slt, %distance, %width : index
    %rest = arith.remsi %distance, %m : index
    %same = arith.cmpi eq, %rest, %zero : index
    %either = arith.ori %near, %same : i1
    %mask = arith.andi %past, %either : i1
    attn.yield %mask : i1
  } : (!T, !T, !T) -> !T
  return %o : !T
}
