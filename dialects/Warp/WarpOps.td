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
    their slots are never in use at the same time: `acquire` then orders the last reads of one before the writes of the
    other. `barriers` is where the barriers of a bulk ring lie: full ones, then empty ones, 8 bytes each.

    Example: `%k = warp.ring {offset = 34816} : !warp.ring<2 of 64x128xbf16, <pad = 16>>`
  }];
  let arguments = (ins OptionalAttr<I64Attr>:$offset, OptionalAttr<I64Attr>:$barriers);
  let results = (outs Warp_RingType:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def Warp_AcquireOp : Warp_Op<"acquire"> {
  let summary = "wait until a slot is free to write";
  let description = [{
    Semantics: every read by any thread of the block that comes before it in the program is done. With `ordered` an
    earlier barrier already guarantees that, and this op costs nothing. In a bulk ring `stage` is a cursor (see
    `advance`), and the slot is free when every reader has released it.
    Lowers to: a block barrier, or nothing; a wait for the slot's empty barrier.
  }];
  let arguments = (ins Warp_RingType:$ring, Optional<I32>:$stage, UnitAttr:$ordered);
  let results = (outs Warp_SlotType:$result);
  let assemblyFormat = "$ring (`at` $stage^)? (`ordered` $ordered^)? attr-dict `:` type($ring) `->` type($result)";
  let hasVerifier = 1;
}

def Warp_CopyOp : Warp_Op<"copy", [AttrSizedOperandSegments]> {
  let summary = "copy a rectangle of an array to a slot, asynchronously";
  let description = [{
    Semantics: as `tile.load` into the slot; coordinates, `limit`, `rows`, `box` and `pitches` mean the same (a box only in a
    swizzled slot of a bulk ring, whole, without a limit). Done only when a later
    `receive` returns. `bytes` is the size of one transfer: 16 copies without passing through registers and needs an
    array and a first column aligned so; less goes element by element.
    Into a slot of a bulk ring it is issued by one thread, and completes the slot's full barrier. Into one of a gathered
    ring, which is a row of 32-bit elements, every thread of the copying role copies elements and arrives there.
    Lowers to: cp.async and commit_group, or loads and stores; cp.async.bulk.tensor.
  }];
  let arguments = (ins AnyMemRef:$source, Variadic<Index>:$indices, Optional<Index>:$limit, Warp_SlotType:$dest,
                       OptionalAttr<I64Attr>:$rowDim, I64Attr:$bytes, OptionalAttr<DenseI64ArrayAttr>:$box,
                       OptionalAttr<DenseI64ArrayAttr>:$pitches);
  let assemblyFormat = [{
    $source `[` $indices `]` (`limit` `(` $limit^ `)`)? (`rows` $rowDim^)? (`box` $box^ (`pitches` $pitches^)?)?
    `to` $dest `by` $bytes attr-dict `:` type($source) `to` type($dest)
  }];
  let hasVerifier = 1;
}

def Warp_GatherOp : Warp_Op<"gather", [AttrSizedOperandSegments]> {
  let summary = "copy rows of an array to a slot, each from a place of its own, asynchronously";
  let description = [{
    Semantics: as `tile.gather` of whole rows: row r of the slot is the slot's width of consecutive elements from
    `source[x_0[r], x_1[r], .., c]` on, where the last coordinate is an `index` and every other one an `index` or an `i32`
    tile `Rx1`. Coordinates but the last are clamped to the array. With `mask` (`i1`, `Rx1`) rows where it is false are 0,
    and read nothing. Done only when a later `receive` returns.

    The tiles are laid out over the warps that copy (`#warp.slice<1, <acc, ..>>`): a row is copied by the warp that holds
    its coordinates, in pieces of 16 bytes. Into a slot of a gathered ring every thread of the copying role arrives at the
    full barrier.

    Example: `warp.gather %pool[%page, %h, %row, %c0] mask(%exists) to %s : !M, tensor<64x1xi32, #s> to !Slot`
    Lowers to: cp.async, and cp.async.mbarrier.arrive.noinc for a gathered ring.
  }];
  let arguments = (ins AnyMemRef:$source, Variadic<Tile_Coordinate>:$coordinates, Optional<Tile_Tile>:$mask,
                       Warp_SlotType:$dest);
  let assemblyFormat = [{
    $source `[` $coordinates `]` (`mask` `(` $mask^ `:` type($mask) `)`)? `to` $dest attr-dict
    `:` type($source) `,` type($coordinates) `to` type($dest)
  }];
  let hasVerifier = 1;
}

def Warp_PutOp : Warp_Op<"put"> {
  let summary = "write a tile in registers to a slot";
  let description = [{
    Semantics: `dest[r, c + column] = source[r, c]`. Readable by other threads, and in a swizzled slot by asynchronous
    products, after a `receive`.
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
    `receive` already guarantees that. In a bulk ring `stage` is a cursor.
    Lowers to: cp.async.wait_group and a block barrier, or nothing; a wait for the slot's full barrier.
  }];
  let arguments = (ins Warp_RingType:$ring, Optional<I32>:$stage, UnitAttr:$ordered);
  let results = (outs Warp_SlotType:$result);
  let assemblyFormat = "$ring (`at` $stage^)? (`ordered` $ordered^)? attr-dict `:` type($ring) `->` type($result)";
  let hasVerifier = 1;
}

def Warp_ReleaseOp : Warp_Op<"release"> {
  let summary = "say that this warp has read a slot of a bulk ring";
  let description = [{
    Semantics: once for each `receive`, after the last read; an asynchronous product has read its slots when it has been
    waited for.
    Lowers to: an arrival of one lane at the slot's empty barrier.
  }];
  let arguments = (ins Warp_RingType:$ring, I32:$cursor);
  let assemblyFormat = "$ring `at` $cursor attr-dict `:` type($ring)";
  let hasVerifier = 1;
}

def Warp_AdvanceOp : Warp_Op<"advance", [Pure]> {
  let summary = "the cursor after this one";
  let description = [{
    A cursor says which slot of a ring of `stages` slots is meant and how often the ring has been gone through, as far as
    barriers need to know: slot + stages * (rounds mod 2). It starts at 0.
    Example: `%next = warp.advance %cursor of 2`
    Lowers to: an addition that wraps at 2 * stages.
  }];
  let arguments = (ins I32:$cursor, I64Attr:$stages);
  let results = (outs I32:$result);
  let assemblyFormat = "$cursor `of` $stages attr-dict";
}

def Warp_NextItemOp : Warp_Op<"next_item", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "ask for the next number of a counter in memory";
  let description = [{
    `tile.next_item`, by one thread of those that run it. The number is known to that thread alone, and takes its time to
    come: only a `send` may read it (`verify-warp`).
    Example: `%n = warp.next_item %counter[%c0] : memref<1xi32, ..>`
    Lowers to: an atomic addition of one thread.
  }];
  let arguments = (ins MemRefOf<[I32]>:$counter, Variadic<Index>:$indices);
  let results = (outs I32:$result);
  let assemblyFormat = "$counter `[` $indices `]` attr-dict `:` type($counter)";
}

def Warp_SendOp : Warp_Op<"send", [AttrSizedOperandSegments]> {
  let summary = "write numbers to a slot, for other threads to take";
  let description = [{
    Semantics: one thread of those that run it waits until the slot is free, and fills it. A slot is a row of `i32`, one
    for each number (`index`, `i32`, `i1` or `f32`). In a bulk ring `cursor` says which slot, and the threads of each role
    that takes from the ring count as its readers; in any other ring the slot is free when all threads are there.
    Example: `warp.send %n to %ring at %cursor : i32 to !warp.ring<2 of 1x1xi32, <>, bulk>`
    Lowers to: a wait for the empty barrier (a block barrier), stores, and an arrival at the full barrier.
  }];
  let arguments = (ins Variadic<AnyType>:$values, Warp_RingType:$ring, Optional<I32>:$cursor);
  let assemblyFormat = "$values `to` $ring (`at` $cursor^)? attr-dict `:` type($values) `to` type($ring)";
  let hasVerifier = 1;
}

def Warp_TakeOp : Warp_Op<"take"> {
  let summary = "read the numbers that were sent";
  let description = [{
    Semantics: waits until the slot is full, reads it, and leaves it free again. Every thread of a role that takes from a
    ring does so once for each `send`.
    Example: `%n = warp.take %ring at %cursor : !warp.ring<2 of 1x1xi32, <>, bulk> -> i32`
    Lowers to: a wait for the full barrier (a block barrier), loads, and an arrival of a lane of each warp.
  }];
  let arguments = (ins Warp_RingType:$ring, Optional<I32>:$cursor);
  let results = (outs Variadic<AnyType>:$values);
  let assemblyFormat = "$ring (`at` $cursor^)? attr-dict `:` type($ring) `->` type($values)";
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

    With `async` four warps each multiply 64 rows and operands in shared memory are swizzled. The result is of the same
    type, but only a `wait`, or another product that goes on accumulating, may read it (`verify-warp`), and its operands
    may not change before that.
    Lowers to: mma.sync with ldmatrix; wgmma.

    Constraints:
    - C1: shapes agree as in `tile.dot`. - C2: rows are a multiple of 16, columns of 8, the contracted size of 16 (of 8 for
    f32). - C3: element types agree and are bf16, f16 or f32. - C4: acc is `#warp.frag<acc>`, a left operand in
    registers `#warp.frag<a>` with the same warps. - C5: slots are swizzled exactly if `async`; then the elements have
    16 bits and there are 64 rows for each four warps of the layout (further warps multiply the same).
  }];
  let arguments = (ins AnyTypeOf<[Tile_Tile, Warp_SlotType]>:$lhs, Warp_SlotType:$rhs, Tile_Tile:$acc,
                       UnitAttr:$transA, UnitAttr:$transB, UnitAttr:$async);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$lhs `,` $rhs `,` $acc attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)";
  let hasVerifier = 1;
}

def Warp_WaitOp : Warp_Op<"wait", [AllTypesMatch<["source", "result"]>]> {
  let summary = "wait for an asynchronous product";
  let description = [{
    Semantics: the operand's value, once the product that made it is done. In the block of operations of its product;
    products that were issued after that one go on. In front of a loop that carries an accumulator it may be of any tile.
    Example: `%done = warp.wait %s : tensor<64x64xf32, #acc>`
    Lowers to: wgmma.wait_group with the accumulator's registers tied through.
  }];
  let arguments = (ins Tile_Tile:$source);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$source attr-dict `:` type($source)";
  let hasVerifier = 1;
}

def Warp_TakeTurnOp : Warp_Op<"take_turn"> {
  let summary = "wait until the group of four warps before this one has passed its turn";
  let description = [{
    Consuming groups of four warps go round in order, so that one issues products while another computes element by
    element. Every path through a kernel takes and passes the turn alternately; the first group begins.
    Lowers to: a named barrier of two groups.
  }];
  let assemblyFormat = "attr-dict";
}

def Warp_PassTurnOp : Warp_Op<"pass_turn"> {
  let summary = "let the next group of four warps go on; see take_turn";
  let assemblyFormat = "attr-dict";
}

def Warp_RolesOp : Warp_Op<"roles", [NoTerminator, RecursiveMemoryEffects]> {
  let summary = "different warps run different programs";
  let description = [{
    Semantics: the first `consumers` warps (a multiple of four) run the first region, the rest the second. It is the last
    operation of a kernel. `registers` are what each thread of a role may use; 0 leaves them as launched. A block
    barrier inside is one of the consumers.
    Example: `warp.roles 8 registers 240, 24 consumer { .. } producer { .. }`
    Lowers to: set-up of the barriers of bulk rings, a branch on the warp, setmaxnreg.
  }];
  let arguments = (ins I64Attr:$consumers, I64Attr:$consumerRegisters, I64Attr:$producerRegisters);
  let regions = (region SizedRegion<1>:$consumer, SizedRegion<1>:$producer);
  let assemblyFormat = [{ $consumers `registers` $consumerRegisters `,` $producerRegisters
                          `consumer` $consumer `producer` $producer attr-dict }];
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

def Warp_FoldOp : Warp_Op<"fold", [Pure]> {
  let summary = "reduce over the columns that a thread holds";
  let description = [{
    Semantics: `result[r, c]` is reduced over `source[r, c + 8 k]`: no thread asks another, and a `tile.reduce .. dim 1` of
    the result is that of the source.
    Example: `%part = warp.fold max %s : tensor<64x128xf32, #acc> -> tensor<64x8xf32, #acc>`
  }];
  let arguments = (ins Tile_ReduceKind:$kind, Tile_Tile:$source);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$kind $source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Warp_AnyOp : Warp_Op<"any", [Pure]> {
  let summary = "whether a condition holds somewhere in this warp's part of a tile";
  let description = [{
    The only number that differs between warps: it may decide what a warp computes for its own rows alone, without
    barriers, slots or asynchronous products.
    Example: `%some = warp.any %grows : tensor<64x8xi1, #acc>`
    Lowers to: vote.sync.any.
  }];
  let arguments = (ins Tile_Tile:$source);
  let results = (outs I1:$result);
  let assemblyFormat = "$source attr-dict `:` type($source)";
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
