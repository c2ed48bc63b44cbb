//===- WarpOps.td - what a scheduled kernel does beyond tile ----------------===//
#ifndef HEDDLE_WARP_OPS
#define HEDDLE_WARP_OPS

include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/Tile/TileOps.td"
include "dialects/Warp/WarpAttrs.td"

class Warp_Op<string mnemonic, list<Trait> traits = []> : Op<Warp_Dialect, mnemonic, traits>;

def Warp_BlockIdOp : Warp_Op<"block_id", [Pure]> {
  let summary = "this block's coordinate in the launch grid";
  let description = [{
    Dimension 0 is launched fastest.
    Example: `%m = warp.block_id 0`
    Lowers to: a read of %ctaid.
  }];
  let arguments = (ins ConfinedAttr<I64Attr, [IntMinValue<0>, IntMaxValue<2>]>:$dim);
  let results = (outs Index:$result);
  let assemblyFormat = "$dim attr-dict";
}

def Warp_RingOp : Warp_Op<"ring"> {
  let summary = "reserve slots in shared memory";
  let description = [{
    `offset` is where in the block's shared memory they lie; `warp-plan-resources` sets it. Two rings may overlap when
    their slots are never in use at the same time: `acquire` then orders the last reads of one before the writes of the other.

    Example: `%k = warp.ring {offset = 34816} : !warp.ring<2 of 64x128xbf16, <pad = 16>>`
  }];
  let arguments = (ins OptionalAttr<I64Attr>:$offset);
  let results = (outs Warp_RingType:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def Warp_AcquireOp : Warp_Op<"acquire"> {
  let summary = "wait until a slot is free to write";
  let description = [{
    Semantics: every read by any thread of the block that comes before it in the program is done. With `ordered` an
    earlier barrier already guarantees that, and this op costs nothing.
    Lowers to: a block barrier, or nothing.
  }];
  let arguments = (ins Warp_RingType:$ring, Optional<I32>:$stage, UnitAttr:$ordered);
  let results = (outs Warp_SlotType:$result);
  let assemblyFormat = "$ring (`at` $stage^)? (`ordered` $ordered^)? attr-dict `:` type($ring) `->` type($result)";
  let hasVerifier = 1;
}

def Warp_CopyOp : Warp_Op<"copy", [AttrSizedOperandSegments]> {
  let summary = "copy a rectangle of an array to a slot, asynchronously";
  let description = [{
    Semantics: as `tile.load` into the slot; coordinates, `limit` and `rows` mean the same. Done only when a later
    `receive` returns. `bytes` is the size of one transfer: 16 copies without passing through registers and needs an
    array and a first column aligned so; less goes element by element.
    Lowers to: cp.async and commit_group, or loads and stores.
  }];
  let arguments = (ins AnyMemRef:$source, Variadic<Index>:$indices, Optional<Index>:$limit, Warp_SlotType:$dest,
                       OptionalAttr<I64Attr>:$rowDim, I64Attr:$bytes);
  let assemblyFormat = [{
    $source `[` $indices `]` (`limit` `(` $limit^ `)`)? (`rows` $rowDim^)? `to` $dest `by` $bytes attr-dict
    `:` type($source) `to` type($dest)
  }];
  let hasVerifier = 1;
}

def Warp_PutOp : Warp_Op<"put"> {
  let summary = "write a tile in registers to a slot";
  let description = [{
    Semantics: `dest[r, c + column] = source[r, c]`. Readable by other threads after a `receive`.
    Example: `warp.put %p to %slot[0] : tensor<64x32xbf16, #acc> to !warp.slot<64x32xbf16, <pad = 16>>`
  }];
  let arguments = (ins Tile_Tile:$source, Warp_SlotType:$dest, I64Attr:$column);
  let assemblyFormat = "$source `to` $dest `[` $column `]` attr-dict `:` type($source) `to` type($dest)";
  let hasVerifier = 1;
}

def Warp_ReceiveOp : Warp_Op<"receive"> {
  let summary = "wait until a slot is full";
  let description = [{
    Semantics: all copies and puts before it, by any thread of the block, are done and visible. With `ordered` an earlier
    `receive` already guarantees that.
    Lowers to: cp.async.wait_group and a block barrier, or nothing.
  }];
  let arguments = (ins Warp_RingType:$ring, Optional<I32>:$stage, UnitAttr:$ordered);
  let results = (outs Warp_SlotType:$result);
  let assemblyFormat = "$ring (`at` $stage^)? (`ordered` $ordered^)? attr-dict `:` type($ring) `->` type($result)";
  let hasVerifier = 1;
}

def Warp_LoadOp : Warp_Op<"load"> {
  let summary = "read a rectangle of a full slot into registers";
  let description = [{
    Semantics: `result[r, c] = slot[r + row, c + column]`, or `slot[c + row, r + column]` with `transposed`.
    Lowers to: ldmatrix for `#warp.frag<a>` of 16-bit elements, else one load for each register (pair).
  }];
  let arguments = (ins Warp_SlotType:$source, I64Attr:$row, I64Attr:$column, UnitAttr:$transposed);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = [{ $source `[` $row `,` $column `]` (`transposed` $transposed^)? attr-dict
                          `:` type($source) `->` type($result) }];
  let hasVerifier = 1;
}

def Warp_MmaOp : Warp_Op<"mma", [AllTypesMatch<["acc", "result"]>]> {
  let summary = "matrix product on the matrix unit";
  let description = [{
    Semantics: as `tile.dot`. The left operand is in registers (`#warp.frag<a>`) or in a full slot, the right one in a
    full slot. `f32` operands are split in two parts of 11 bits and multiplied three times.

    Constraints:
    - C1: shapes agree as in `tile.dot`. - C2: rows are a multiple of 16, columns of 8, the contracted size of 16 (of 8 for
    f32). - C3: element types agree and are bf16, f16 or f32. - C4: acc is `#warp.frag<acc>`, a left operand in
    registers `#warp.frag<a>` with the same warps.
  }];
  let arguments = (ins AnyTypeOf<[Tile_Tile, Warp_SlotType]>:$lhs, Warp_SlotType:$rhs, Tile_Tile:$acc,
                       UnitAttr:$transA, UnitAttr:$transB);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$lhs `,` $rhs `,` $acc attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)";
  let hasVerifier = 1;
}

def Warp_ConvertOp : Warp_Op<"convert", [Pure]> {
  let summary = "change the layout of a tile within a thread";
  let description = [{ From `#warp.frag<acc>` to `#warp.frag<a>` with the same warps: registers are renamed and packed. }];
  let arguments = (ins Tile_Tile:$source);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Warp_ReduceOp : Warp_Op<"reduce"> {
  let summary = "reduce a tile over its rows, across warps";
  let description = [{
    Semantics: as `tile.reduce .. dim 0`. Each warp writes its part to its row of the slot (acquired before), all warps
    read all rows. `tile.reduce` remains for what a warp can do alone.
  }];
  let arguments = (ins Tile_ReduceKind:$kind, Tile_Tile:$source, Warp_SlotType:$scratch);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$kind $source `via` $scratch attr-dict `:` type($source) `via` type($scratch) `->` type($result)";
  let hasVerifier = 1;
}

def Warp_SyncOp : Warp_Op<"sync"> {
  let summary = "order all memory accesses of the block before it before those after it";
  let assemblyFormat = "attr-dict";
}
#endif
