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

// -----

// expected-error @below {{expected a swizzle of 32, 64 or 128 bytes, got 256}}
func.func private @swizzle(!warp.slot<64x64xbf16, <swizzle = 256>>)

// -----

// expected-error @below {{expected rows that are padded or swizzled, got both}}
func.func private @both(!warp.slot<64x64xbf16, <pad = 16, swizzle = 128>>)

// -----

func.func @release(%ring: !warp.ring<1 of 64x64xbf16, <pad = 16>>, %cursor: i32) {
  // expected-error @below {{expected a bulk ring, got '!warp.ring<1 of 64x64xbf16, <pad = 16>>'}}
  warp.release %ring at %cursor : !warp.ring<1 of 64x64xbf16, <pad = 16>>
  return
}

// -----

#acc = #warp.frag<acc, warps = 4>
func.func @padded(%slot: !warp.slot<64x64xbf16, <pad = 16>>, %acc: tensor<64x64xf32, #acc>) {
  // C5
  // expected-error @below {{expected swizzled slots of 16-bit elements exactly for an async product of 64 rows per four warps, got '!warp.slot<64x64xbf16, <pad = 16>>'}}
  %0 = warp.mma %slot, %slot, %acc {transB, async}
      : !warp.slot<64x64xbf16, <pad = 16>>, !warp.slot<64x64xbf16, <pad = 16>> -> tensor<64x64xf32, #acc>
  return
}

// -----

#acc = #warp.frag<acc, warps = 4>
func.func @waits(%x: tensor<64x64xf32, #acc>) {
  // expected-error @below {{expected an async product of the same block, got}}
  %0 = warp.wait %x : tensor<64x64xf32, #acc>
  return
}

// -----

func.func @roles() {
  // expected-error @below {{expected consumers in groups of four warps, got 6}}
  warp.roles 6 registers 0, 0 consumer { warp.sync } producer { warp.sync }
  return
}

// -----

#acc = #warp.frag<acc, warps = 4>
func.func @fold(%x: tensor<64x64xf32, #acc>) {
  // expected-error @below {{expected #warp.frag<acc> with 8 columns for 'tensor<64x64xf32, #warp.frag<acc, warps = 4>>', got 'tensor<64x16xf32, #warp.frag<acc, warps = 4>>'}}
  %0 = warp.fold max %x : tensor<64x64xf32, #acc> -> tensor<64x16xf32, #acc>
  return
}

// -----

#acc = #warp.frag<acc, warps = 4>
func.func @any(%x: tensor<64x8xf32, #acc>) {
  // expected-error @below {{expected conditions, got 'tensor<64x8xf32, #warp.frag<acc, warps = 4>>'}}
  %0 = warp.any %x : tensor<64x8xf32, #acc>
  return
}

// -----

func.func @send(%n: i32, %ring: !warp.ring<2 of 1x1xi32, <>, bulk>, %cursor: i32) {
  // expected-error @below {{expected a ring of 1x2xi32, got}}
  warp.send %n, %n to %ring at %cursor : i32, i32 to !warp.ring<2 of 1x1xi32, <>, bulk>
  return
}
