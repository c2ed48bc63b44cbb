//===- TileOps.td - one kernel, as one block sees it ------------------------===//
//
// A tile value is a builtin tensor of static shape and rank 2. Element-wise work
// is arith and math on such tensors; this dialect adds what those lack.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_TILE_OPS
#define HEDDLE_TILE_OPS

include "mlir/IR/OpBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::heddle::tile";
  let summary = "One kernel as seen by one block: loads, stores, dots and reductions on static tiles.";
  let description = [{
    A kernel is a `func.func` with the attribute `tile.kernel` whose body computes sizes and then runs one
    `scf.forall`; an iteration is one block. There are no threads and no target here: the same program is
    scheduled for a GPU (`warp`) and lowered for the CPU. Born in `attn-to-tile`; gone after
    `tile-to-warp` or `convert-tile-to-cpu`.
  }];
  let usePropertiesForAttributes = 1;
  let useDefaultAttributePrinterParser = 1;
  let extraClassDeclaration = "void registerAttributes();";
}

class Tile_Op<string mnemonic, list<Trait> traits = []> : Op<Tile_Dialect, mnemonic, traits>;

def Tile_Tile : Type<And<[RankedTensorOf<[AnyFloat, AnySignlessInteger]>.predicate,
    CPred<"::llvm::cast<::mlir::RankedTensorType>($_self).hasStaticShape()">,
    CPred<"::llvm::cast<::mlir::RankedTensorType>($_self).getRank() == 2">]>,
    "tile (a static tensor of rank 2)", "::mlir::RankedTensorType">;
def Tile_Coordinate : AnyTypeOf<[Index, Tile_Tile], "index or a tile of i32">;

def Tile_ReduceKind : I32EnumAttr<"ReduceKind", "what a reduction computes", [
    I32EnumAttrCase<"Sum", 0, "sum">, I32EnumAttrCase<"Max", 1, "max">, I32EnumAttrCase<"Min", 2, "min">]> {
  let cppNamespace = "::heddle::tile";
}

def Tile_LoadOp : Tile_Op<"load", [MemoryEffects<[MemRead]>, AttrSizedOperandSegments]> {
  let summary = "read a rectangle of memory as a tile; what lies outside is 0";
  let description = [{
    Semantics: `result[r, c] = source[.., i + r, .., k + c]`, where the two spanned dimensions are `rowDim` (default
    the second to last) and the last one; every other coordinate is fixed. An element is 0 when its row is at or
    beyond `limit` (default: the size of `rowDim`) or its column at or beyond the size of the last dimension.
    Coordinates are never negative.

    Constraints:
    - C1: as many coordinates as the memref has dimensions.
    - C2: the element types agree.

    Example: `%t = tile.load %k[%b, %h, %j, %c0] limit(%n) : memref<?x?x?x128xbf16, ..> -> tensor<64x128xbf16>`

    A vector in memory: an array of rank 1 is read as a row, `1xN`, with the single coordinate spanning columns.
    With `column` set the last coordinate spans rows instead and the tile is `Rx1` (`limit` then bounds it).

    A box of a grid of positions: with `box` b_0 x .. x b_n the rows span `rowDim` and the dimension after it. Row
    (..(r_0 * b_1 + r_1) * b_2 ..) + r_n is found at i + r_0 * p_0 + .. + r_(n-2) * p_(n-2) + r_(n-1) of the first and
    at k + r_n of the second, with the `pitches` p. It is 0 when it is beyond the size of either (`limit` bounds the
    first). `column` then says that the second is the last dimension, of which each row has one element.

    Constraints:
    - C3: a box has two extents or more, whose product is the number of rows, and two pitches fewer than extents.
    - C4: `rowDim` is given with it, and is the dimension before the last but one (before the last in a `column`).

    Example: `%t = tile.load %k[%b, %h, %y, %x, %c0] rows 2 box [8, 16] : memref<?x?x?x64x128xbf16, ..> -> tensor<128x128xbf16>`
  }];
  let arguments = (ins AnyMemRef:$source, Variadic<Index>:$indices, Optional<Index>:$limit,
                       OptionalAttr<I64Attr>:$rowDim, UnitAttr:$column, OptionalAttr<DenseI64ArrayAttr>:$box,
                       OptionalAttr<DenseI64ArrayAttr>:$pitches);
  let results = (outs Tile_Tile:$result);
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$source, "::mlir::ValueRange":$indices,
                                 "::mlir::Value":$limit, "::mlir::IntegerAttr":$rowDim, "::mlir::UnitAttr":$column), [{
    build($_builder, $_state, result, source, indices, limit, rowDim, column, {}, {});
  }]>];
  let assemblyFormat = [{
    $source `[` $indices `]` (`limit` `(` $limit^ `)`)? (`rows` $rowDim^)? (`column` $column^)?
    (`box` $box^ (`pitches` $pitches^)?)? attr-dict `:` type($source) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Tile_StoreOp : Tile_Op<"store", [MemoryEffects<[MemWrite]>, AttrSizedOperandSegments]> {
  let summary = "write a tile to a rectangle of memory; what lies outside is not written";
  let description = [{
    The mirror of `tile.load`: same coordinates, `limit`, `rowDim`, `column`, `box` and `pitches`. Element types must agree.
  }];
  let arguments = (ins Tile_Tile:$value, AnyMemRef:$dest, Variadic<Index>:$indices, Optional<Index>:$limit,
                       OptionalAttr<I64Attr>:$rowDim, UnitAttr:$column, OptionalAttr<DenseI64ArrayAttr>:$box,
                       OptionalAttr<DenseI64ArrayAttr>:$pitches);
  let builders = [OpBuilder<(ins "::mlir::Value":$value, "::mlir::Value":$dest, "::mlir::ValueRange":$indices,
                                 "::mlir::Value":$limit, "::mlir::IntegerAttr":$rowDim, "::mlir::UnitAttr":$column), [{
    build($_builder, $_state, value, dest, indices, limit, rowDim, column, {}, {});
  }]>];
  let assemblyFormat = [{
    $value `,` $dest `[` $indices `]` (`limit` `(` $limit^ `)`)? (`rows` $rowDim^)? (`column` $column^)?
    (`box` $box^ (`pitches` $pitches^)?)? attr-dict `:` type($value) `,` type($dest)
  }];
  let hasVerifier = 1;
}

def Tile_GatherOp : Tile_Op<"gather", [MemoryEffects<[MemRead]>, AttrSizedOperandSegments]> {
  let summary = "read elements whose coordinates are tiles";
  let description = [{
    Semantics: `result[r, c] = source[x_0[r, c], x_1[r, c], ..]`. A coordinate is an `index` (the same for every
    element) or an `i32` tile of shape `RxN`, `Rx1` or `1xN` (broadcast to the result). Coordinates are clamped to
    the array, so a masked element may be read anywhere. With `mask` (an `i1` tile broadcast alike) the elements
    where it is false are 0.

    Example: `%bias = tile.gather %t[%h, %d] : memref<?x?xf32, ..>, index, tensor<64x64xi32> -> tensor<64x64xf32>`
  }];
  let arguments = (ins AnyMemRef:$source, Variadic<Tile_Coordinate>:$coordinates, Optional<Tile_Tile>:$mask);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = [{
    $source `[` $coordinates `]` (`mask` `(` $mask^ `:` type($mask) `)`)? attr-dict
    `:` type($source) (`,` type($coordinates)^)? `->` type($result)
  }];
  let hasVerifier = 1;
}

def Tile_DotOp : Tile_Op<"dot", [Pure, AllTypesMatch<["acc", "result"]>]> {
  let summary = "matrix product of two tiles added to a third";
  let description = [{
    Semantics: `result = lhs * rhs + acc`, where `transA` reads `lhs` as its transpose and `transB` reads `rhs` so.
    `acc` and `result` are `f32`; products are exact and sums are `f32`. For `f32` operands the result is as accurate
    as `f32` arithmetic; targets without an `f32` matrix unit split the operands.

    Constraints:
    - C1: contracted sizes agree. - C2: the result is rows(lhs) x columns(rhs). - C3: operand element types agree.

    Example: `%s = tile.dot %q, %k, %zero {transB} : tensor<64x128xbf16>, tensor<32x128xbf16> -> tensor<64x32xf32>`
  }];
  let arguments = (ins Tile_Tile:$lhs, Tile_Tile:$rhs, Tile_Tile:$acc, UnitAttr:$transA, UnitAttr:$transB);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$lhs `,` $rhs `,` $acc attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_ReduceOp : Tile_Op<"reduce", [Pure]> {
  let summary = "reduce a tile over its rows or columns";
  let description = [{
    `dim = 1` gives `Rx1` (over columns), `dim = 0` gives `1xN`. The order of the sum is not specified.
    Example: `%m = tile.reduce max %x dim 1 : tensor<64x32xf32> -> tensor<64x1xf32>`
  }];
  let arguments = (ins Tile_ReduceKind:$kind, Tile_Tile:$source, I64Attr:$dim);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$kind $source `dim` $dim attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_IotaOp : Tile_Op<"iota", [Pure]> {
  let summary = "the positions along one dimension, from an offset";
  let description = [{
    `result[r, 0] = offset + r` (`Rx1`, dim 0) or `result[0, c] = offset + c` (`1xN`, dim 1), as `i32`.
    Example: `%j = tile.iota dim 1 offset %j0 : tensor<1x64xi32>`
  }];
  let arguments = (ins I64Attr:$dim, Index:$offset);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "`dim` $dim `offset` $offset attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Tile_BroadcastOp : Tile_Op<"broadcast", [Pure]> {
  let summary = "repeat a row or column vector (or a 1x1 tile) over a tile";
  let arguments = (ins Tile_Tile:$source);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_TransposeOp : Tile_Op<"transpose", [Pure]> {
  let summary = "exchange rows and columns";
  let arguments = (ins Tile_Tile:$source);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_SliceOp : Tile_Op<"slice", [Pure]> {
  let summary = "a static rectangle of a tile";
  let description = [{ `result[r, c] = source[r + rowOffset, c + columnOffset]`. }];
  let arguments = (ins Tile_Tile:$source, I64Attr:$rowOffset, I64Attr:$columnOffset);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$source `[` $rowOffset `,` $columnOffset `]` attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_ConcatOp : Tile_Op<"concat", [Pure]> {
  let summary = "tiles side by side (along columns)";
  let arguments = (ins Variadic<Tile_Tile>:$sources);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$sources attr-dict `:` type($sources) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_PairOp : Tile_Op<"pair", [Pure]> {
  let summary = "rows two by two side by side, in strips of columns";
  let description = [{
    With strips of `w` columns, of a source of `R` rows:
    `result[(c floordiv w) * (R / 2) + r floordiv 2, 2 * (c mod w) + r mod 2] = source[r, c]`.

    This is how a matrix unit reads the operand whose rows it sums over, so that a tile which many blocks multiply by
    can be stored that way. `w` is half of the result's columns.

    Constraints:
    - C1: an even number of rows, and whole strips.
    - C2: the result has `R / 2` rows for each strip.

    Example: `%p = tile.pair %t : tensor<64x128xbf16> -> tensor<256x32xbf16>`
  }];
  let arguments = (ins Tile_Tile:$source);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_UnpairOp : Tile_Op<"unpair", [Pure]> {
  let summary = "the tile that tile.pair was given";
  let description = [{
    The inverse of `tile.pair`, with the same constraints. A dot on a matrix unit reads the pairs themselves.

    Example: `%t = tile.unpair %p : tensor<256x32xbf16> -> tensor<64x128xbf16>`
  }];
  let arguments = (ins Tile_Tile:$source);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_ScalarOp : Tile_Op<"scalar", [Pure]> {
  let summary = "the element of a 1x1 tile";
  let arguments = (ins Tile_Tile:$source);
  let results = (outs AnyType:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_AtomicMaxOp : Tile_Op<"atomic_max", [MemoryEffects<[MemWrite]>]> {
  let summary = "raise a word of memory to at least a value (the status word)";
  let description = [{ `dest[indices] = max(dest[indices], value)` on `i32`, atomically across blocks. }];
  let arguments = (ins I32:$value, AnyMemRef:$dest, Variadic<Index>:$indices);
  let assemblyFormat = "$value `,` $dest `[` $indices `]` attr-dict `:` type($dest)";
}

def Tile_NextItemOp : Tile_Op<"next_item", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "take the next number of a counter in memory";
  let description = [{
    The result is the word `counter[indices]`, an `i32`, which is then one more: atomically across blocks, and once for a
    block, whatever the number of its threads. So every number goes to one block, in the order in which they ask.

    Example: `%n = tile.next_item %counter[%c0] : memref<1xi32, ..>`
  }];
  let arguments = (ins MemRefOf<[I32]>:$counter, Variadic<Index>:$indices);
  let results = (outs Index:$result);
  let assemblyFormat = "$counter `[` $indices `]` attr-dict `:` type($counter)";
}

def Tile_LaunchOp : Tile_Op<"launch"> {
  let summary = "run a kernel (only in a plan)";
  let description = [{
    The grid is what the kernel computes before its `scf.forall`, evaluated on the host from these arguments.
    Launches run in order on the caller's stream.
    Example: `tile.launch @attend_0(%q, %k, %o, %scale) : memref<..>, memref<..>, memref<..>, f32`
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyType>:$args);
  let assemblyFormat = "$kernel `(` $args `)` attr-dict (`:` type($args)^)?";
}

def Tile_SizeRelation : I32EnumAttr<"SizeRelation", "how two sizes of a call must be related", [
    I32EnumAttrCase<"Equals", 0, "equals">, I32EnumAttrCase<"Divides", 1, "divides">,
    I32EnumAttrCase<"IsOneOr", 2, "is_one_or">]> {
  let cppNamespace = "::heddle::tile";
}

def Tile_RequireOp : Tile_Op<"require"> {
  let summary = "a relation between sizes without which a call is refused (only in a plan)";
  let description = [{
    Evaluated on the host before anything runs. Nothing divides by 0 but 0.
    Example: `tile.require %key_heads divides %heads`
  }];
  let arguments = (ins Index:$lhs, Tile_SizeRelation:$relation, Index:$rhs);
  let assemblyFormat = "$lhs $relation $rhs attr-dict";
  let hasCanonicalizeMethod = 1;
}

def Tile_MachineOp : Tile_Op<"machine", [Pure]> {
  let summary = "how many blocks the machine runs at a time (only in a plan)";
  let description = [{ Multiprocessors of the device, or threads of the CPU pool. }];
  let results = (outs Index:$result);
  let assemblyFormat = "attr-dict";
}

def Tile_ResiduesOp : Tile_Op<"residues", [Pure]> {
  let summary = "the same memory with the positions of a dimension grouped by residue (only in a plan)";
  let description = [{
    Dimension `dim` of size n becomes two: position p is found at `p floordiv modulus`, `p mod modulus`, whose sizes
    are `ceil(n / modulus)` and `modulus`. Rows of one residue are consecutive positions of the first. Nothing moves.

    The last group may lack positions: who reads or writes the positions of residue r gives the limit
    `ceil((n - r) / modulus)`.

    Constraints:
    - C1: a modulus of at least 2, and a dimension of the source.
    - C2: the result has the sizes and strides that follow.

    Example: `%x = tile.residues %k dim 2 by 4 : memref<?x?x?x128xbf16, ..> to memref<?x?x?x4x128xbf16, ..>`
  }];
  let arguments = (ins AnyMemRef:$source, I64Attr:$dim, I64Attr:$modulus);
  let results = (outs AnyMemRef:$result);
  let builders = [OpBuilder<(ins "::mlir::Value":$source, "int64_t":$dim, "int64_t":$modulus)>];
  let assemblyFormat = "$source `dim` $dim `by` $modulus attr-dict `:` type($source) `to` type($result)";
  let hasVerifier = 1;
}
#endif
