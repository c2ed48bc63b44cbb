// RUN: heddle-opt %s --attn-link-prelude --attn-to-tile="rows=32 keys=16 splits=2" --canonicalize --cse | FileCheck %s
// RUN: heddle-compile %s --target=sm_90a --emit=tile | FileCheck %s --check-prefix=GPU

!T = tensor<?x?x?x64xbf16>
!R = tensor<?x?x?xf32>

// A sum that moves in its own way: f (u + (m - m') l) in every step, and in the merge of shares.
attn.normalizer @moved weights(1) sums(2) stats ["u"] {
  reference(%s, %b, %h, %i, %j) { attn.yield %s : f32 }
  rescale(%old, %new, %l, %u) {
    %d = arith.subf %old, %new : f32
    %f = math.exp %d : f32
    %l1 = arith.mulf %f, %l : f32
    %dl = arith.mulf %d, %l1 : f32
    %fu = arith.mulf %f, %u : f32
    %u1 = arith.addf %fu, %dl : f32
    attn.yield %f, %l1, %u1 : f32, f32, f32
  }
  weight(%s, %m, %b, %h, %i, %j) {
    %d = arith.subf %s, %m : f32
    %w = math.exp %d : f32
    %u = arith.mulf %w, %d : f32
    attn.yield %w, %w, %u : f32, f32, f32
  }
  finish(%m, %l, %u, %b, %h, %i) {
    %one = arith.constant 1.0 : f32
    %c = arith.divf %one, %l : f32
    %mean = arith.divf %u, %l : f32
    %x = arith.addf %mean, %m : f32
    attn.yield %c, %x : f32, f32
  }
}

// An attend without values: its statistics alone.
// CHECK-LABEL: func.func private @mean_score_0(
// CHECK:         scf.for {{.*}} iter_args(%[[M:.+]] = %{{.+}}, %[[L:.+]] = %{{.+}}, %[[U:.+]] = %{{.+}}) -> (tensor<32x1xf32>, tensor<32x1xf32>, tensor<32x1xf32>)
// CHECK:           %[[D:.+]] = arith.subf %[[M]], %{{.+}} : tensor<32x1xf32>
// CHECK:           %[[F:.+]] = math.exp %[[D]]
// CHECK:           %[[FL:.+]] = arith.mulf %[[F]], %[[L]]
// CHECK:           %[[DL:.+]] = arith.mulf %[[D]], %[[FL]]
// CHECK:           %[[FU:.+]] = arith.mulf %[[F]], %[[U]]
// CHECK:           %[[MOVED:.+]] = arith.addf %[[FU]], %[[DL]]
// CHECK:           arith.select %{{.+}}, %[[MOVED]], %{{.+}} : tensor<32x1xi1>
// CHECK-LABEL: func.func private @mean_score_1(
// CHECK-COUNT-2: arith.select %{{.+}}, %{{.+}}, %{{.+}} : tensor<{{.*}}xi1>
// GPU-LABEL: func.func @mean_score(
// GPU:         tile.launch @mean_score_2(
func.func @mean_score(%q: !T, %k: !T) -> !R {
  %u = attn.attend dot(%q, %k) normalize @moved stats [u] : (!T, !T) -> !R
  return %u : !R
}

// Ranks are compared as integers in the order of floats: by a block's pairs, then by rows alone where shares meet.
// CHECK-LABEL: func.func private @second_0(
// CHECK:         scf.for
// CHECK:           %[[BITS:.+]] = arith.bitcast %{{.+}} : tensor<32x16xf32> to tensor<32x16xi32>
// CHECK:           %[[ORDERED:.+]] = arith.xori %[[BITS]], %{{.+}} : tensor<32x16xi32>
// CHECK:           tile.reduce max %[[ORDERED]] dim 1 : tensor<32x16xi32> -> tensor<32x1xi32>
// CHECK:           arith.cmpi eq, %[[ORDERED]]
// CHECK:           %[[BELOW:.+]] = arith.cmpi slt, %[[ORDERED]], %{{.+}} : tensor<32x16xi32>
// CHECK:           %[[REST:.+]] = arith.select %[[BELOW]], %[[ORDERED]]
// CHECK:           tile.reduce max %[[REST]] dim 1
// CHECK-LABEL: func.func private @second_1(
// CHECK:         arith.maxsi %{{.+}}, %{{.+}} : tensor<32x1xi32>
func.func @second(%q: !T, %k: !T) -> (!R, !R) {
  %v, %n = attn.attend dot(%q, %k) normalize @softmax stats [max.2, count.2] : (!T, !T) -> (!R, !R)
  return %v, %n : !R, !R
}
