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

// -----

#acc = #warp.frag<acc, warps = 4>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
func.func @early(%q: !Slot, %zero: tensor<64x64xf32, #acc>) attributes {warp.kernel, warp.threads = 128 : i64} {
  %s = warp.mma %q, %q, %zero {transB, async} : !Slot, !Slot -> tensor<64x64xf32, #acc>
  // expected-error @below {{expected a wait for an async product before it is read, got none}}
  %e = math.exp2 %s : tensor<64x64xf32, #acc>
  return
}

// -----

func.func @barriers() attributes {warp.kernel, warp.threads = 128 : i64} {
  // expected-error @below {{expected barriers of a bulk ring, got none}}
  %r = warp.ring {offset = 0} : !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>
  return
}

// -----

!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>
func.func @cursor() attributes {warp.kernel, warp.threads = 128 : i64} {
  %r = warp.ring {offset = 0, barriers = 8192} : !Ring
  // expected-error @below {{expected a cursor of a bulk ring, got none}}
  %s = warp.receive %r : !Ring -> !warp.slot<64x64xbf16, <swizzle = 128>>
  return
}

// -----

!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
func.func @workspace(%slot: !Slot, %n: index) attributes {warp.kernel, warp.threads = 128 : i64} {
  %m = memref.alloc(%n) : memref<?x64xbf16>
  // expected-error @below {{expected a bulk copy of an argument of the kernel, got}}
  warp.copy %m[%n, %n] to %slot by 16 : memref<?x64xbf16> to !Slot
  return
}

// -----

#acc = #warp.frag<acc, warps = 4>
func.func @alone(%x: tensor<64x8xi1, #acc>) attributes {warp.kernel, warp.threads = 128 : i64} {
  %some = warp.any %x : tensor<64x8xi1, #acc>
  scf.if %some {
    // expected-error @below {{expected no work of other warps where a warp decides for itself}}
    warp.sync
  }
  return
}
