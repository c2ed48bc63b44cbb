// RUN: heddle-compile %s --target=cpu:avx2 --emit=plan -o - | FileCheck %s

// What verifiers cannot see is required of a call: keys and values of one length, batches and heads that repeat, outputs as
// large as the results.
// CHECK-LABEL: entry attend
// CHECK-NEXT:  input q
// CHECK:       output o
// CHECK-NEXT:  requires dimension 2 of v to equal dimension 2 of k
// CHECK-NEXT:  requires dimension 0 of q to be 1 or max(max(size(q, 0), size(k, 0)), 1)
// CHECK-NEXT:  requires dimension 0 of k to be 1 or max(max(size(q, 0), size(k, 0)), 1)
// CHECK-NEXT:  requires 4 to divide max(max(size(k, 1), 4), 1)
// CHECK-NEXT:  requires dimension 1 of k to divide max(max(size(k, 1), 4), 1)
// CHECK-NEXT:  requires dimension 0 of o to equal max(max(size(q, 0), size(k, 0)), 1)
// CHECK-NEXT:  requires dimension 1 of o to equal max(max(size(k, 1), 4), 1)
// CHECK-NEXT:  requires dimension 2 of o to equal dimension 2 of q
// CHECK-NEXT:  variant
func.func @attend(%q: tensor<?x4x?x64xbf16>, %k: tensor<?x?x?x64xbf16>, %v: tensor<1x1x?x64xbf16>) -> tensor<?x?x?x64xbf16> {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax
    : (tensor<?x4x?x64xbf16>, tensor<?x?x?x64xbf16>, tensor<1x1x?x64xbf16>) -> tensor<?x?x?x64xbf16>
  return %o : tensor<?x?x?x64xbf16>
}
