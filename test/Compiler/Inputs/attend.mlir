!X = tensor<?x?x?x16xbf16>
!R = tensor<?x?x?xf32>
func.func @alibi(%q: !X, %k: !X, %v: !X, %slope: tensor<?xf32>, %scale: f32) -> (!X, !R) {
  %o, %lse = attn.attend dot(%q, %k) value(%v) normalize @softmax stats [lse]
    score(%s, %b, %h, %i, %j) {
      %a = tensor.extract %slope[%h] : tensor<?xf32>
      %d = arith.subi %j, %i : index
      %n = arith.index_cast %d : index to i32
      %f = arith.sitofp %n : i32 to f32
      %x = arith.mulf %s, %scale : f32
      %y = math.fma %a, %f, %x : f32
      attn.yield %y : f32
    } mask(%b, %h, %i, %j) {
      %m = arith.cmpi sle, %j, %i : index
      attn.yield %m : i1
    } : (!X, !X, !X) -> (!X, !R)
  return %o, %lse : !X, !R
}
