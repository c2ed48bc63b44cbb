// Causal attention over any batch, number of heads and length, 64 wide. Compile it for the example beside it with
//   heddle-compile runtime/example/attend.mlir --target=cpu -o attend.pack          (or --target=sm_90a,cpu)
func.func @attend(%q: tensor<?x?x?x64xf32>, %k: tensor<?x?x?x64xf32>, %v: tensor<?x?x?x64xf32>, %scale: f32)
    -> tensor<?x?x?x64xf32> {
  %o = attn.attend dot(%q, %k) value(%v) normalize @softmax
    score(%s, %b, %h, %i, %j) {
      %x = arith.mulf %s, %scale : f32
      attn.yield %x : f32
    } mask(%b, %h, %i, %j) {
      %m = arith.cmpi sle, %j, %i : index
      attn.yield %m : i1
    } : (tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32>, tensor<?x?x?x64xf32>) -> tensor<?x?x?x64xf32>
  return %o : tensor<?x?x?x64xf32>
}
