// RUN: heddle-opt %s --tile-to-warp --split-input-file --verify-diagnostics

module attributes {tile.target = #tile.target<name = "any", isGpu = true>} {
func.func @constant() attributes {tile.kernel} {
  // expected-error @below {{expected a splat tile, got dense<}}
  %t = arith.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  return
}
}

// -----

module attributes {tile.target = #tile.target<name = "any", isGpu = true>} {
func.func @row(%a: tensor<1x16xbf16>, %b: tensor<16x16xbf16>, %c: tensor<1x16xf32>) attributes {tile.kernel} {
  // expected-error @below {{expected a left operand of at least 16 rows, got}}
  %d = tile.dot %a, %b, %c : tensor<1x16xbf16>, tensor<16x16xbf16> -> tensor<1x16xf32>
  return
}
}
