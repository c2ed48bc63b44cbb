// RUN: heddle-compile %s --target=sm_90a --emit=tile | FileCheck %s

!T = tensor<?x?x?x128xbf16>

// Two groups of warps have a part of the rows each, along the outermost axis: the steps are those that either needs.
// CHECK: lines of a grid ? x 64: rows 16 x 8 in 2 parts, keys 8 x 8
// CHECK: tile.load {{.*}} rows 2 box [16, 8]
// CHECK: %[[BEGIN:.+]] = arith.minsi %{{.+}}, %{{.+}} {tile.row_parts} : index
// CHECK: %[[END:.+]] = arith.maxsi %{{.+}}, %{{.+}} {tile.row_parts} : index
// CHECK: scf.for %{{.+}} = %[[BEGIN]] to %[[END]]
func.func @window(%q: !T, %k: !T, %v: !T) -> !T {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax mask(%b, %h, %i, %j) {
    %reach = arith.constant 8 : index
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
  } : (!T, !T, !T) -> !T
  return %o : !T
}
