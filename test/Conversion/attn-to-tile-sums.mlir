// RUN: heddle-opt %s --split-input-file --verify-diagnostics --attn-link-prelude --attn-to-tile="rows=32 keys=16 split-keys=false" --canonicalize --cse | FileCheck %s

!T = tensor<2x3x50x32xf32>
!R = tensor<2x3x50xf32>

// What a sum takes its terms from are columns of a tile; the sums themselves are rows, along the last dimension.
// CHECK-LABEL: func.func private @sums_0(
// CHECK:         %[[TERMS:.+]] = tile.load {{.*}} -> tensor<64x32xf32>
// CHECK:         %[[SUM:.+]] = tile.reduce sum %[[TERMS]] dim 1 : tensor<64x32xf32> -> tensor<64x1xf32>
// CHECK:         %[[ALL:.+]] = arith.addf %[[SUM]]
// CHECK:         %[[EXP:.+]] = math.exp %[[ALL]]
// CHECK:         tile.store %[[EXP]], {{.*}} column : tensor<64x1xf32>
func.func @sums(%x: !T) -> !R {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : !R
  %none = linalg.fill ins(%zero : f32) outs(%empty : !R) -> !R
  %sum = linalg.reduce { arith.addf } ins(%x : !T) outs(%none : !R) dimensions = [3]
  %e = math.exp %sum : !R
  return %e : !R
}

// -----

!T = tensor<2x3x50x32xf32>
!R = tensor<2x3x50xf32>

// Sums that a score reads for each key are made by a kernel of their own, those that it reads for its row are not.
// CHECK-LABEL: func.func @of_keys(
// CHECK:         tile.launch @of_keys_0(%{{.+}}, %[[SUMS:[^)]+]])
// CHECK:         tile.launch @of_keys_1({{.*}}%[[SUMS]]
// CHECK-NOT:     tile.launch
// CHECK-LABEL: func.func private @of_keys_1(
// CHECK:         tile.load {{.*}} -> tensor<1x16xf32>
func.func @of_keys(%q: !T, %k: !T) -> !T {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : !R
  %none = linalg.fill ins(%zero : f32) outs(%empty : !R) -> !R
  %rows = linalg.reduce { arith.addf } ins(%q : !T) outs(%none : !R) dimensions = [3]
  %keys = linalg.reduce { arith.addf } ins(%k : !T) outs(%none : !R) dimensions = [3]
  %o = attn.attend dot(%q, %k) value(%k) normalize @softmax score(%s, %b, %h, %i, %j) {
    %row = tensor.extract %rows[%b, %h, %i] : !R
    %key = tensor.extract %keys[%b, %h, %j] : !R
    %x = arith.subf %s, %row : f32
    %y = arith.subf %x, %key : f32
    attn.yield %y : f32
  } : (!T, !T, !T) -> !T
  return %o : !T
}

// -----

!T = tensor<2x3x50x32xf32>
!R = tensor<2x3x50xf32>

func.func @of_columns(%x: !T) -> tensor<2x3x50x8xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : !R
  %none = linalg.fill ins(%zero : f32) outs(%empty : !R) -> !R
  // expected-error @+1 {{expected an element-wise operation, a reduction of the last dimension or a contraction, got one for each column, where columns are what is reduced}}
  %sum = linalg.reduce { arith.addf } ins(%x : !T) outs(%none : !R) dimensions = [3]
  %moved = attn.view %sum (%b, %h, %t, %c) { attn.yield %b, %h, %c : index, index, index } sizes(2, 3, 50, 8) : !R -> tensor<2x3x50x8xf32>
  return %moved : tensor<2x3x50x8xf32>
}
