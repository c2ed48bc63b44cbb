// RUN: heddle-opt %s --split-input-file --attn-link-prelude --attn-to-tile="split-keys=false" --canonicalize --cse | FileCheck %s

!T = tensor<?x?x?x128xbf16>

// A schedule for warpgroups is one block for each multiprocessor, which loops over its share of the work. Without a mask
// all pieces are alike: rows fastest, then heads, then batches.

// CHECK-LABEL: func.func @even(
// CHECK: %[[MACHINE:.+]] = tile.machine
// CHECK: tile.launch @even_0({{.*}}%[[MACHINE]]
// CHECK-LABEL: func.func private @even_0(
// CHECK-SAME: tile.schedule = "rows 128, keys {{[0-9]+}}, 8 consuming and 4 copying warps, 2 stages
// CHECK-SAME: tile.warps = 8 : i64
// CHECK: %[[ROWS:.+]] = arith.ceildivsi %{{.+}}, %c128
// CHECK: %[[BLOCKS:.+]] = arith.minsi %{{.+}}, %arg3
// CHECK: scf.forall (%[[BLOCK:.+]]) in (%[[BLOCKS]])
// CHECK: scf.for %[[ROUND:.+]] = %c0
// CHECK: %[[FIRST:.+]] = arith.muli %[[ROUND]], %[[BLOCKS]]
// CHECK: %[[ITEM:.+]] = arith.addi %[[FIRST]], %[[BLOCK]]
// CHECK: arith.remui %[[ITEM]], %[[ROWS]]
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 232448,
    sharedBytesPerUnit = 233472, registersPerUnit = 65536, registersPerThread = 255, hasBulkCopy = true,
    hasWarpgroupMma = true, hasRegisterReallocation = true>} {
func.func @even(%q: !T, %k: !T, %v: !T) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax : (!T, !T, !T) -> !T
  return %o : !T
}
}

// -----

!T = tensor<?x?x?x128xbf16>

// Under a mask of positions the pieces of the last rows are the longest. They come first of a group of heads, and odd
// rounds go backwards, as do odd groups.

// CHECK-LABEL: func.func private @falling_0(
// CHECK: %[[BLOCKS:.+]] = arith.minsi
// CHECK: scf.forall (%[[BLOCK:.+]]) in (%[[BLOCKS]])
// CHECK: scf.for %[[GROUP:.+]] = %c0
// CHECK: %[[SIDE:.+]] = arith.remui %[[GROUP]], %c2
// CHECK: %[[TURNED:.+]] = arith.cmpi eq, %[[SIDE]], %c1
// CHECK: scf.for %[[ROUND:.+]] = %c0
// CHECK: %[[PARITY:.+]] = arith.remui %[[ROUND]], %c2
// CHECK: %[[ODD:.+]] = arith.cmpi eq, %[[PARITY]], %c1
// CHECK: %[[BACK:.+]] = arith.xori %[[ODD]], %[[TURNED]]
// CHECK: %[[PLACE:.+]] = arith.select %[[BACK]], %{{.+}}, %[[BLOCK]]
// CHECK: %[[ITEM:.+]] = arith.addi %{{.+}}, %[[PLACE]]
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 232448,
    sharedBytesPerUnit = 233472, registersPerUnit = 65536, registersPerThread = 255, hasBulkCopy = true,
    hasWarpgroupMma = true, hasRegisterReallocation = true>} {
func.func @falling(%q: !T, %k: !T, %v: !T) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax mask(%b, %h, %i, %j) {
    %m = arith.cmpi sle, %j, %i : index
    attn.yield %m : i1
  } : (!T, !T, !T) -> !T
  return %o : !T
}
}
