// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(verify-warp))' --split-input-file --verify-diagnostics

func.func @layout(%x: f32) attributes {warp.kernel, warp.threads = 32 : i64} {
  // expected-error @below {{expected a layout on every tile, got 'tensor<16x16xf32>'}}
  %t = tensor.splat %x : tensor<16x16xf32>
  return
}

// -----

#acc = #warp.frag<acc, warps = 1>
func.func @dot(%a: tensor<16x16xbf16, #acc>, %c: tensor<16x16xf32, #acc>) attributes {warp.kernel, warp.threads = 32 : i64} {
  // expected-error @below {{expected it to be gone in a scheduled kernel}}
  %d = tile.dot %a, %a, %c : tensor<16x16xbf16, #acc>, tensor<16x16xbf16, #acc> -> tensor<16x16xf32, #acc>
  return
}

// -----

func.func @offset() attributes {warp.kernel, warp.threads = 32 : i64} {
  // expected-error @below {{expected an offset in shared memory, got none}}
  %r = warp.ring : !warp.ring<1 of 16x16xf32, <pad = 16>>
  return
}

// -----

// expected-error @below {{expected warp.threads, got none}}
func.func @threads() attributes {warp.kernel} {
  return
}
