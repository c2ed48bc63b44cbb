//===- AttnOps.td - attend and the terminator of every region ---------------===//
#ifndef HEDDLE_ATTN_OPS
#define HEDDLE_ATTN_OPS

include "dialects/Attn/AttnBase.td"
include "dialects/Attn/AttnNormalizer.td"
include "dialects/Attn/AttnRecur.td"
include "dialects/Attn/AttnViews.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"

def Attn_YieldOp : Attn_Op<"yield", [Pure, ReturnLike, Terminator,
    ParentOneOf<["AttendOp", "NormalizerOp", "ViewOp", "AccumulateOp", "RecurOp", "MergeOp"]>]> {
  let summary = "the results of a region";
  let description = [{ Example: `attn.yield %b, %h, %t : index, index, index` }];
  let arguments = (ins Variadic<AnyType>:$results);
  let assemblyFormat = "attr-dict ($results^ `:` type($results))?";
}

def Attn_AttendOp : Attn_Op<"attend", [Pure, AttrSizedOperandSegments, SingleBlock,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "weighted sums over the visible pairs of rows and keys";
  let description = [{
    Semantics: for every batch `b`, head `h`, row `i` and key `j` (and second key `k`, when a dot has three operands)

        x_n = sum_c rows_n[b,h,i,c] * keys_n[b,h,j,c] (* keys2_n[b,h,k,c])     one per dot, then
        x_n = sum_c f_n(rows_n[b,h,i,c], keys_n[b,h,j,c], c)                   one per pair
        s   = score(x_0, .., b, h, i, j)                                       (absent: s = x_0)
        visible = mask(b, h, i, j) and s > -inf                                (absent mask: true)

    With `normalize @n` the weight of a visible pair is `w = sum_a c_a(i) w_a(s, m_i)` as `attn.normalizer` defines it.
    Without it the score region yields the weights themselves, one per value, covalue and table, in that order, and
    only the mask decides what is visible. The results, in this order, are

        value    o[b,h,i,e] = sum_j  w * v[b,h,j,e]      (two operands: sum_jk w * v[b,h,j,e] * v2[b,h,k,e])
        covalue  o[b,h,j,e] = sum_i  w * u[b,h,i,e]
        table    o[f(b,h,i,j)] += w, from zero; a coordinate outside the table drops the pair
        stats    o[b,h,i]: a statistic of the normalizer by its name, or `max`, the true maximum of its reference; or `max.n`,
                 the n-th largest of the distinct references of the row, and `count.n`, how many visible keys have it

    Heads and batches are paired by extents (see the dialect). `i`, `j` and `k` are positions inside the sequence `b`.
    An operand that comes from an `attn.view` with `lengths` is absent from its length on: pairs there are not
    visible. A row that sees nothing has value results 0 and statistics -inf (a count is 0), and `finish` is not evaluated
    for it.
    Sums are f32; result element types are those declared. Regions see captured values implicitly.

    A reference is a gauge: results depend on which one is taken by rounding only. With `lag = n` a row may keep one that
    is behind its running maximum as long as no weight grows beyond 2^n by it (sums by as much), so that what was summed
    up need not be rescaled whenever the maximum grows.

    Operands: `dots` and `valueGroups` are lists of lists; `pairs` holds rows and keys of each pair in turn;
    `tableSizes` holds the dynamic extents of the tables in order.

    Constraints:
    - C1: at least one dot or pair; a dot has two or three operands, a value one or two, and a second value operand
      needs a dot of three.
    - C2: the operands of a dot, a pair or a value have one element type and one static last extent, a multiple of 8
      up to 512; so has a covalue.
    - C3: static extents of rows agree (`i`), as do those of keys (`j`) and of second keys (`k`).
    - C4: static head extents divide the largest; static batch extents are 1 or the largest.
    - C5: one result per value, covalue, table and statistic.
    - C6: a value result is `(b, h, i, e)` and a covalue result `(b, h, j, e)`: f16, bf16 or f32, extents as above.
    - C7: a statistic is a `(b, h, i)` tensor of f32 with the largest batch and head extents.
    - C8: a table has rank 1 or more and float elements; its region takes the positions and yields one index per
      dimension; there is one table size per dynamic extent.
    - C9: the score region takes one f32 per dot and pair and then the positions, and yields one f32 when normalized,
      else one f32 per value, covalue and table; it may be absent only if normalized or with a single such result.
    - C10: the mask region takes the positions and yields one i1.
    - C11: a pair region takes two f32 and an index and yields one f32.
    - C12: statistics are distinct and need a normalizer; each is `max`, `max.n` or `count.n` (n from 1 to 64), with a
      reference, or one the normalizer names.
    - C13: the normalizer's arguments are as many and of the types its header says.
    - C14: `lag` is above 0 and at most 15, so that weights fit f16, and goes with a normalizer; `max`, which is the
      reference itself, is then no statistic.

    Example:
    ```mlir
    %o, %lse = attn.attend dot(%q, %k) value(%v) normalize @softmax_sink(%t : tensor<?xf32>) stats [lse]
      score(%s, %b, %h, %i, %j) {
        %x = arith.mulf %s, %scale : f32
        attn.yield %x : f32
      } mask(%b, %h, %i, %j) {
        %m = arith.cmpi sle, %j, %i : index
        attn.yield %m : i1
      } : (tensor<?x32x?x128xbf16>, tensor<?x8x?x128xbf16>, tensor<?x8x?x128xbf16>)
       -> (tensor<?x32x?x128xbf16>, tensor<?x32x?xf32>)
    ```
    A table: `table(%b, %h, %i, %j) { attn.yield %h : index } sizes(32)`; a pair: `pair(%q, %k) (%x, %y, %c) {..}`.

    Source: Vaswani et al. 2017 for the sum; Milakov and Gimelshein 2018 for the running form of its normalizers.

    Lowers to: tile kernels (`attn-to-tile`); plain loops (`attn-to-loops`, the reference semantics).
  }];
  let arguments = (ins
    VariadicOfVariadic<Attn_Operand, "dotSizes">:$dots,
    Variadic<Attn_Operand>:$pairs,
    VariadicOfVariadic<Attn_Operand, "valueSizes">:$valueGroups,
    Variadic<Attn_Operand>:$covalues,
    Variadic<Index>:$tableSizes,
    Variadic<Attn_NormalizerArgument>:$normalizerArgs,
    DenseI32ArrayAttr:$dotSizes,
    DenseI32ArrayAttr:$valueSizes,
    OptionalAttr<FlatSymbolRefAttr>:$normalizer,
    DefaultValuedAttr<StrArrayAttr, "{}">:$stats,
    OptionalAttr<F32Attr>:$lag);
  let results = (outs Variadic<AnyRankedTensor>:$outputs);
  let regions = (region AnyRegion:$score, AnyRegion:$mask, VariadicRegion<AnyRegion>:$bodies);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// The position arguments of a score, mask or table block. `k` is null unless the operation has second keys.
    struct Positions {
      ::mlir::BlockArgument b, h, i, j, k;
    };
    Positions getPositions(::mlir::Region &region);
    /// The f32 arguments of the score block, one per dot and then one per pair; empty if the region is absent.
    ::mlir::ArrayRef<::mlir::BlockArgument> getScoreArguments();

    bool isNormalized() { return getNormalizer().has_value(); }
    bool hasScore() { return !getScore().empty(); }
    bool hasMask() { return !getMask().empty(); }
    /// Whether a dot has three operands, so that positions end in `k`.
    bool hasSecondKeys();
    unsigned getNumPositions() { return hasSecondKeys() ? 5 : 4; }
    unsigned getNumDots() { return getDotSizes().size(); }
    unsigned getNumPairs() { return getPairs().size() / 2; }
    unsigned getNumValues() { return getValueSizes().size(); }
    unsigned getNumCovalues() { return getCovalues().size(); }
    unsigned getNumTables() { return getBodies().size() - getNumPairs(); }
    /// Results that take a weight: everything but the statistics.
    unsigned getNumWeighted() { return getNumValues() + getNumCovalues() + getNumTables(); }

    ::mlir::MutableArrayRef<::mlir::Region> getPairRegions() { return getBodies().take_front(getNumPairs()); }
    ::mlir::MutableArrayRef<::mlir::Region> getTableRegions() { return getBodies().drop_front(getNumPairs()); }
    ::mlir::ResultRange getValueResults() { return getResults().slice(0, getNumValues()); }
    ::mlir::ResultRange getCovalueResults() { return getResults().slice(getNumValues(), getNumCovalues()); }
    ::mlir::ResultRange getTableResults() {
      return getResults().slice(getNumValues() + getNumCovalues(), getNumTables());
    }
    ::mlir::ResultRange getStatResults() { return getResults().drop_front(getNumWeighted()); }
    ::llvm::SmallVector<::llvm::StringRef> getStatNames();
    /// The result of a statistic, or null if it was not asked for.
    ::mlir::Value getStatResult(::llvm::StringRef name);
    /// The `tableSizes` of one table.
    ::mlir::OperandRange getSizesOfTable(unsigned table);

    /// Operands whose third dimension is `i` (rows of dots and pairs, covalues), `j` and `k`.
    ::llvm::SmallVector<::mlir::Value> getRowOperands();
    ::llvm::SmallVector<::mlir::Value> getKeyOperands();
    ::llvm::SmallVector<::mlir::Value> getSecondKeyOperands();

    /// The normalizer's definition; null if there is none or the module does not (yet) hold it.
    NormalizerOp lookupNormalizer();
  }];
}

#endif
