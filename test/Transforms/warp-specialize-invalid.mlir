// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(warp-specialize))' --split-input-file --verify-diagnostics

!M = memref<?x64xbf16>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>
#acc = #warp.frag<acc, warps = 4>
!Scratch = !warp.slot<4x1xi32, <pad = 16>>

// A copy from where tiles say.
func.func @needs_tiles(%m: !M, %x: tensor<64x1xi32, #warp.slice<1, #acc>>)
    attributes {warp.kernel, warp.threads = 128 : i64} {
  %c0 = arith.constant 0 : index
  %ring = warp.ring : !Ring
  %other = warp.ring : !warp.ring<1 of 4x1xi32, <pad = 16>>
  %scratch = warp.acquire %other : !warp.ring<1 of 4x1xi32, <pad = 16>> -> !Scratch
  // expected-error @below {{expected bulk copies that do not depend on tiles, got one that needs this}}
  %sum = warp.reduce sum %x via %scratch : tensor<64x1xi32, #warp.slice<1, #acc>> via !Scratch -> tensor<1x1xi32, #warp.uniform>
  %n = tile.scalar %sum : tensor<1x1xi32, #warp.uniform> -> i32
  %first = arith.index_cast %n : i32 to index
  %f = warp.acquire %ring : !Ring -> !Slot
  warp.copy %m[%first, %c0] to %f by 16 : !M to !Slot
  %s = warp.receive %ring : !Ring -> !Slot
  return
}

// -----

!M = memref<?x64xbf16>
!Slot = !warp.slot<64x64xbf16, <swizzle = 128>>
!Ring = !warp.ring<1 of 64x64xbf16, <swizzle = 128>, bulk>

func.func @region(%m: !M, %x: index) attributes {warp.kernel, warp.threads = 128 : i64} {
  %c0 = arith.constant 0 : index
  %ring = warp.ring : !Ring
  scf.execute_region {
    %f = warp.acquire %ring : !Ring -> !Slot
    warp.copy %m[%x, %c0] to %f by 16 : !M to !Slot
    // expected-error @below {{expected a bulk ring to be used in loops and branches only, got scf.execute_region}}
    %s = warp.receive %ring : !Ring -> !Slot
    scf.yield
  }
  return
}
