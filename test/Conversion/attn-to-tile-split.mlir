// RUN: heddle-opt %s --attn-link-prelude --attn-to-tile="rows=32 keys=16" --canonicalize --cse | FileCheck %s
// RUN: heddle-opt %s --attn-link-prelude --attn-to-tile="splits=3" --canonicalize --cse | FileCheck %s --check-prefix=THREE
// RUN: heddle-opt %s --attn-link-prelude --attn-to-tile="splits=1" --canonicalize --cse | FileCheck %s --check-prefix=ONE

!T = tensor<?x?x?x32xf32>

// Fewer blocks of rows than the machine runs at a time: shares of the keys, then the derived combine.
// CHECK-LABEL: func.func @few_rows(
// CHECK:         %[[MACHINE:.+]] = tile.machine
// CHECK:         %[[WORKSPACE:.+]] = memref.alloc({{.*}}) : memref<?x?x?x?x32xf32>
// CHECK:         scf.if
// CHECK:           tile.launch @few_rows_0({{.*}}%[[WORKSPACE]]
// CHECK:           tile.launch @few_rows_1({{.*}}%[[WORKSPACE]]
// CHECK:         } else {
// CHECK:           tile.launch @few_rows_2(
// CHECK-LABEL: func.func private @few_rows_1(
// CHECK:         scf.for
// CHECK:           %[[MAX:.+]] = tile.load {{.*}} column
// CHECK:           arith.maxnumf {{.*}}, %[[MAX]]
// CHECK:           math.exp
// A number that was asked for: no other kernels.
// THREE-LABEL: func.func @few_rows(
// THREE-NOT:     scf.if
// THREE:         %[[SHARES:.+]] = memref.alloc({{.*}}) : memref<3x?x?x?x32xf32>
// THREE:         tile.launch @few_rows_0(
// THREE-NEXT:    tile.launch @few_rows_1(
// THREE-NOT:     @few_rows_2
// ONE-LABEL:   func.func @few_rows(
// ONE-NOT:       memref.alloc
// ONE:           tile.launch @few_rows_0(
// ONE-NOT:       @few_rows_1
func.func @few_rows(%q: !T, %k: !T, %v: !T) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax : (!T, !T, !T) -> !T
  return %o : !T
}
