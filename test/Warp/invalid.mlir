// RUN: heddle-opt %s --split-input-file --verify-diagnostics

// expected-error @below {{expected size 1 in the reduced dim 1, got 64}}
func.func private @slice(tensor<64x64xf32, #warp.slice<1, <acc, warps = 4>>>)

// -----

// expected-error @below {{expected a multiple of 16 bytes of padding, got 8}}
func.func private @pad(!warp.slot<64x64xf32, <pad = 8>>)

// -----

func.func @stage(%ring: !warp.ring<2 of 64x64xf32, <pad = 16>>) {
  // expected-error @below {{expected a stage for '!warp.ring<2 of 64x64xf32, <pad = 16>>', got none}}
  %slot = warp.receive %ring : !warp.ring<2 of 64x64xf32, <pad = 16>> -> !warp.slot<64x64xf32, <pad = 16>>
  return
}

// -----

func.func @transfer(%memory: memref<?x64xf32>, %i: index, %slot: !warp.slot<64x64xf32, <pad = 16>>) {
  // expected-error @below {{expected transfers of 16 or 4 bytes, got 8}}
  warp.copy %memory[%i, %i] to %slot by 8 : memref<?x64xf32> to !warp.slot<64x64xf32, <pad = 16>>
  return
}

// -----

#acc = #warp.frag<acc, warps = 1>
func.func @depth(%slot: !warp.slot<16x8xbf16, <pad = 16>>, %acc: tensor<16x16xf32, #acc>) {
  // C2
  // expected-error @below {{expected rows in 16s, columns in 8s and a contracted size in 16s, got 16, 16 and 8}}
  %0 = warp.mma %slot, %slot, %acc {transB}
      : !warp.slot<16x8xbf16, <pad = 16>>, !warp.slot<16x8xbf16, <pad = 16>> -> tensor<16x16xf32, #acc>
  return
}

// -----

#acc = #warp.frag<acc, warps = 1>
#a = #warp.frag<a, warps = 2>
func.func @layout(%x: tensor<16x16xbf16, #a>, %slot: !warp.slot<16x16xbf16, <pad = 16>>, %acc: tensor<16x16xf32, #acc>) {
  // C4
  // expected-error @below {{expected a left operand in #warp.frag<a, warps = 1>, got}}
  %0 = warp.mma %x, %slot, %acc : tensor<16x16xbf16, #a>, !warp.slot<16x16xbf16, <pad = 16>> -> tensor<16x16xf32, #acc>
  return
}
