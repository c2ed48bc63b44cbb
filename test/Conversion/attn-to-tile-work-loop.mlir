// RUN: heddle-opt %s --split-input-file --attn-link-prelude --attn-to-tile="split-keys=false" --canonicalize --cse -o %t
// RUN: FileCheck %s < %t
// RUN: FileCheck %s --check-prefix=APART < %t

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

// -----

!T = tensor<?x?x?x128xbf16>

// Under a mask of a table only the device knows how long pieces are: each block takes the next one when it is done. The
// first is its own; the number of the next is asked for before the piece and read behind it. The counter is zeroed.

// CHECK-LABEL: func.func @documents(
// CHECK: %[[COUNTER:.+]] = memref.alloc() {tile.zeroed} : memref<1xi32>
// CHECK: tile.launch @documents_2({{.*}}%[[COUNTER]]
// CHECK-LABEL: func.func private @documents_2(
// CHECK: %[[TOTAL:.+]] = arith.muli
// CHECK: %[[BLOCKS:.+]] = arith.minsi
// CHECK: scf.forall (%[[BLOCK:.+]]) in (%[[BLOCKS]])
// CHECK: scf.while (%[[ITEM:.+]] = %[[BLOCK]]) : (index) -> index
// CHECK-NEXT: arith.cmpi slt, %[[ITEM]]
// CHECK: do
// CHECK: %[[NUMBER:.+]] = tile.next_item %{{.+}}[%c0]
// CHECK: tile.store
// CHECK: %[[NEXT:.+]] = arith.addi %[[BLOCKS]], %[[NUMBER]]
// CHECK-NEXT: scf.yield %[[NEXT]]

// The steps that need the mask come first, all but the last one in a loop of their own. The last one is the first of the
// loop over the others.

// APART-LABEL: func.func private @documents_2(
// APART: scf.for %{{.+}} = %c0 to %[[SPLIT:.+]] step
// APART-NOT: scf.if
// APART: } {tile.seldom}
// APART: %[[SOME:.+]] = arith.cmpi slt, %[[SPLIT]], %{{.+}} : index
// APART: scf.for %[[P:.+]] = %[[SPLIT]] to
// APART: %[[FIRST:.+]] = arith.cmpi eq, %[[P]], %[[SPLIT]]
// APART: %[[MASKED:.+]] = arith.andi %[[FIRST]], %[[SOME]]
// APART: scf.if %[[MASKED]]
module attributes {tile.target = #tile.target<name = "any", isGpu = true, sharedBytesPerBlock = 232448,
    sharedBytesPerUnit = 233472, registersPerUnit = 65536, registersPerThread = 255, hasBulkCopy = true,
    hasWarpgroupMma = true, hasRegisterReallocation = true>} {
func.func @documents(%q: !T, %k: !T, %v: !T, %doc: tensor<?x?xi32>) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax mask(%b, %h, %i, %j) {
    %x = tensor.extract %doc[%b, %i] : tensor<?x?xi32>
    %y = tensor.extract %doc[%b, %j] : tensor<?x?xi32>
    %m = arith.cmpi eq, %x, %y : i32
    attn.yield %m : i1
  } : (!T, !T, !T) -> !T
  return %o : !T
}
}
