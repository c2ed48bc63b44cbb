// RUN: heddle-opt %s --test-mask-analysis=emit --canonicalize --cse | FileCheck %s

// Four ends per range: may, then full.
// CHECK-LABEL: func.func @past_ranges(
// CHECK-SAME: %[[B:.*]]: index, %[[H:.*]]: index, %[[FIRST:.*]]: index, %[[LAST:.*]]: index, %[[KEYS:.*]]: index)
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : index
// CHECK: %[[MAY:.*]] = arith.minsi %[[LAST]], %[[KEYS]]
// CHECK: %[[NEXT:.*]] = arith.addi %[[FIRST]], %[[C1]]
// CHECK: %[[CLIPPED:.*]] = arith.minsi %[[NEXT]], %[[KEYS]]
// CHECK: %[[FULL:.*]] = arith.minsi %[[MAY]], %[[CLIPPED]]
// CHECK: return %[[C0]], %[[MAY]], %[[C0]], %[[FULL]]
func.func @past(%b: index, %h: index, %i: index, %j: index) -> i1 {
  %m = arith.cmpi sle, %j, %i : index
  return %m : i1
}

// A search runs only where the fact holds; its probe stays inside the table.
// CHECK-LABEL: func.func @from_entry_ranges(
// CHECK-SAME: %[[KEYS:[a-z0-9]+]]: index, %[[T:[a-z0-9]+]]: tensor<?xi32>, %[[FACT:[a-z0-9]+]]: i1)
// CHECK: scf.if %[[FACT]] -> (index) {
// CHECK: scf.while (%{{.*}} = %c0, %{{.*}} = %[[KEYS]])
// CHECK: arith.minsi
// CHECK: arith.maxsi
// CHECK: tensor.extract %[[T]]
// CHECK: } else {
// CHECK-NEXT: scf.yield
func.func @from_entry(%b: index, %h: index, %i: index, %j: index, %t: tensor<?xi32>) -> i1 {
  %c9 = arith.constant 9 : i32
  %e = tensor.extract %t[%j] : tensor<?xi32>
  %m = arith.cmpi sge, %e, %c9 : i32
  return %m : i1
}
