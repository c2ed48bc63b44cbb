// RUN: heddle-opt %s --attn-recur-to-attend | FileCheck %s
// RUN: heddle-opt %s --attn-recur-to-attend=form=pairs | FileCheck %s --check-prefix=PAIRS
// RUN: heddle-opt %s --attn-recur-to-attend=form=chunks | FileCheck %s --check-prefix=CHUNKS

!X = tensor<?x?x?x128xbf16>
!S = tensor<?x?x128x128xf32>

// CHECK:         func.func @head
// CHECK:           attn.recur
// CHECK:         func.func private @head_pairs({{.*}} attributes {attn.instead_of = @head, attn.share = 8 : i64, attn.tokens = [256, 2048]} {
// CHECK-NEXT:      %[[O:.+]] = attn.attend dot(%{{.+}}, %{{.+}}) value(%{{.+}}) score(%[[S:.+]], %{{.+}}, %[[H:.+]], %[[I:.+]], %[[J:.+]]) {
// CHECK:             %[[G:.+]] = tensor.extract %{{.+}}[%[[H]]]
// CHECK:             arith.maximumf %[[G]],
// CHECK:             arith.subi %[[I]], %[[J]]
// CHECK:             math.exp
// CHECK:             arith.mulf %[[S]],
// CHECK:           } mask({{.*}}) {
// CHECK:             arith.cmpi sle
// CHECK:           return %[[O]]
// CHUNKS-NOT:    attn.attend
// PAIRS-NOT:     attn.recur query({{.*}}) gate
// PAIRS:         math.exp
module attributes {tile.target = #tile.target<name = "any", isGpu = true, hasBulkCopy = true, hasWarpgroupMma = true>} {
func.func @head(%q: !X, %k: !X, %v: !X, %g: tensor<?xf32>) -> !X {
  %o = attn.recur query(%q) key(%k) value(%v) gate(%g) : (!X, !X, !X, tensor<?xf32>) -> !X
  return %o : !X
}
// A state is read by no pair, and a mass has no place in one.
// CHECK-NOT:     attn.attend
// PAIRS:         @state
// PAIRS-NOT:     attn.attend
func.func @state(%q: !X, %k: !X, %v: !X, %s: !S) -> !X {
  %o = attn.recur query(%q) key(%k) value(%v) init(%s) : (!X, !X, !X, !S) -> !X
  return %o : !X
}
}
