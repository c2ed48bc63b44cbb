// RUN: split-file --leading-lines %s %t
// RUN: not heddle-compile %t/none.mlir --emit=plan 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not heddle-compile %t/results.mlir --emit=plan 2>&1 | FileCheck %s --check-prefix=RESULTS
// RUN: not heddle-compile %t/argument.mlir --emit=plan 2>&1 | FileCheck %s --check-prefix=ARGUMENT
// RUN: not heddle-compile %t/operation.mlir --emit=plan 2>&1 | FileCheck %s --check-prefix=OPERATION
// RUN: not heddle-compile %t/kernel.mlir --emit=plan 2>&1 | FileCheck %s --check-prefix=KERNEL
// RUN: not heddle-compile %t/types.mlir --emit=plan 2>&1 | FileCheck %s --check-prefix=TYPES
// RUN: not heddle-compile %t/grid.mlir --emit=plan 2>&1 | FileCheck %s --check-prefix=GRID

//--- none.mlir
// NONE: none.mlir:[[# @LINE + 1]]:1: error: expected a plan to launch a kernel, got none
func.func @f(%x: memref<?xf32>) attributes {tile.plan, tile.results = 0 : i64} {
  return
}
//--- results.mlir
// RESULTS: error: expected 'tile.results' to say how many of the 1 arguments are outputs
func.func @f(%x: memref<?xf32>) attributes {tile.plan} {
  return
}
//--- argument.mlir
// ARGUMENT: error: expected argument 1 to be a memref of rank 1 to 8, index, i32, i64 or f32, got 'vector<4xf32>'
func.func @f(%x: memref<?xf32>, %v: vector<4xf32>) attributes {tile.plan, tile.results = 0 : i64} {
  return
}
//--- operation.mlir
func.func @f(%x: memref<?xf32>) attributes {tile.plan, tile.results = 0 : i64} {
  %c0 = arith.constant 0 : index
  // OPERATION: operation.mlir:[[# @LINE + 1]]:8: error: expected memref.dim, memref.alloc, integer arith, scf.if, tile.machine, tile.require, tile.residues or tile.launch in a plan, got 'memref.load'
  %v = memref.load %x[%c0] : memref<?xf32>
  return
}
//--- kernel.mlir
func.func @f(%x: memref<?xf32>) attributes {tile.plan, tile.results = 0 : i64} {
  // KERNEL: error: expected the name of a function with 'tile.kernel', got @f
  tile.launch @f(%x) : memref<?xf32>
  return
}
//--- types.mlir
func.func @f(%x: memref<?xf32>) attributes {tile.plan, tile.results = 0 : i64} {
  // TYPES: error: expected argument 0 of type 'memref<?xbf16>', got 'memref<?xf32>'
  tile.launch @k(%x) : memref<?xf32>
  return
}
func.func @k(%x: memref<?xbf16>) attributes {tile.kernel} {
  scf.forall (%i) in (1) {
  }
  return
}
//--- grid.mlir
func.func @f(%x: memref<?xindex>) attributes {tile.plan, tile.results = 0 : i64} {
  tile.launch @k(%x) : memref<?xindex>
  return
}
func.func @k(%x: memref<?xindex>) attributes {tile.kernel} {
  %c0 = arith.constant 0 : index
  // GRID: grid.mlir:[[# @LINE + 1]]:8: error: expected sizes, integer arithmetic or tile.machine where the host computes a launch, got 'memref.load'
  %n = memref.load %x[%c0] : memref<?xindex>
  scf.forall (%i) in (%n) {
  }
  return
}
