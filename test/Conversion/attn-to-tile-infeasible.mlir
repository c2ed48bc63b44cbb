// RUN: heddle-opt %s --split-input-file --verify-diagnostics --attn-link-prelude --attn-to-tile="split-keys=false" > /dev/null

// What no schedule fits is an error with every size that was tried and the nearest change that helps.

!T = tensor<?x?x?x512xf32>

module attributes {tile.target = #tile.target<name = "little gpu", isGpu = true, sharedBytesPerBlock = 101376,
    sharedBytesPerUnit = 102400, registersPerUnit = 65536, registersPerThread = 255>} {
func.func @two_dots(%q: !T, %k: !T, %r: !T, %l: !T, %v: !T) -> !T {
  // expected-error @below {{expected a spec that fits a schedule of little gpu, got one that needs more in every size}}
  // expected-note @below {{16x16 in one stage: 148736 bytes of shared memory, little gpu has 101376}}
  // expected-note @below {{nearest that fits: elements of 16 bits, or contracted sizes of at most 320}}
  %o = attn.attend dot(%q, %k) dot(%r, %l) value(%v) normalize @softmax score(%s, %g, %b, %h, %i, %j) {
    %x = arith.addf %s, %g : f32
    attn.yield %x : f32
  } : (!T, !T, !T, !T, !T) -> !T
  return %o : !T
}
}
