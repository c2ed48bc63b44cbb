//===- AttnViews.td - operations that rename positions without computing ----===//
#ifndef HEDDLE_ATTN_VIEWS
#define HEDDLE_ATTN_VIEWS

include "dialects/Attn/AttnBase.td"

def Attn_ViewOp : Attn_Op<"view", [Pure, AttrSizedOperandSegments, SingleBlock,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "read a tensor through coordinates";
  let description = [{
    Semantics: `result[x] = source[region(x)]`; coordinates are clamped to the source. With `lengths`, positions
    `t >= lengths[b]` (dimensions 0 and 2 of the result) are absent: their elements are 0, and an `attn.attend` that
    reads the result, directly or through element-wise operations, does not see them.

    Packed sequences, pages, dilation, anchors and permutations of tokens are views.

    Constraints:
    - C1: the region takes one index per result dimension and yields one index per source dimension.
    - C2: one size per dynamic extent of the result; sizes written as numbers equal the static extents.
    - C3: element types agree.
    - C4: with `lengths` the result has at least 3 dimensions, and static extents of `b` agree.

    Example: sequences packed along t, found by their offsets.
    ```mlir
    %x = attn.view %packed (%b, %h, %t, %c) {
      %o = tensor.extract %offsets[%b] : tensor<?xi32>
      %f = arith.index_cast %o : i32 to index
      %p = arith.addi %f, %t : index
      attn.yield %p, %h, %c : index, index, index
    } sizes(%B, %H, %T, 64) lengths(%len) : tensor<?x?x64xbf16> -> tensor<?x?x?x64xbf16>
    ```
    Lowers to: coordinates of loads where its reader can take them, else a kernel that copies.
  }];
  let arguments = (ins Attn_Array:$source, Variadic<Index>:$sizes, Optional<Attn_Lengths>:$lengths);
  let results = (outs Attn_Array:$result);
  let regions = (region AnyRegion:$coordinates);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
}

def Attn_AccumulateOp : Attn_Op<"accumulate", [Pure, AttrSizedOperandSegments, SingleBlock,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "add a tensor into zeros through coordinates (the adjoint of view)";
  let description = [{
    Semantics: from zero, `result[region(x)] += source[x]` for every position `x` of the source; what falls outside
    the result is dropped. With `lengths`, positions `t >= lengths[b]` (dimensions 0 and 2 of the source) are skipped.
    `injective` promises that no two positions meet, so the sums may be plain writes.

    Constraints:
    - C1: the region takes one index per source dimension and yields one index per result dimension.
    - C2: one size per dynamic extent of the result; sizes written as numbers equal the static extents.
    - C3: element types agree.
    - C4: with `lengths` the source has at least 3 dimensions, and static extents of `b` agree.

    Example: `%p = attn.accumulate %o (%b, %h, %t, %c) {..} sizes(%total, %H, 64) injective lengths(%len)
    : tensor<?x?x?x64xbf16> -> tensor<?x?x64xbf16>`

    Lowers to: coordinates of stores where its producer can take them, else a kernel of its own.
  }];
  let arguments = (ins Attn_Array:$source, Variadic<Index>:$sizes, Optional<Attn_Lengths>:$lengths,
                       UnitAttr:$injective);
  let results = (outs Attn_Array:$result);
  let regions = (region AnyRegion:$coordinates);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
}

#endif
