//===- AttnNormalizer.td - how scores become weights ------------------------===//
#ifndef HEDDLE_ATTN_NORMALIZER
#define HEDDLE_ATTN_NORMALIZER

include "dialects/Attn/AttnBase.td"

def Attn_NormalizerOp : Attn_Op<"normalizer", [IsolatedFromAbove, Symbol, SingleBlock,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "a way to turn the scores of a row into weights, as four scalar regions";
  let description = [{
    Semantics: for the visible scores `s_ij` of a row

        m_i  = max_j reference(s_ij)
        R_ik = sum_j r_k(s_ij, m_i)                                      k < sums
        w_ij = sum_a c_a(m_i, R_i) * w_a(s_ij, m_i)                      a < weights

    `weight` yields `w_0, .., r_0, ..`; `finish` yields `c_0, ..` and then the named statistics. `rescale(m, m')`
    moves a weight or a sum from one reference to another: `x(s, m') = rescale(m, m') * x(s, m)` for every `x` that
    `weight` yields. So `m` is a gauge: it keeps numbers in range and results do not depend on it. Everything else is
    derived: blocks and splits are combined by `m = max(m1, m2)`, `X = X1 rescale(m1, m) + X2 rescale(m2, m)`.

    Where a sum moves in another way, `rescale(m, m', R_0, ..)` takes all sums and yields, behind the factor of the weights,
    what each becomes: `sum w (s - m)` becomes `f (R + (m - m') sum w)`, with f the factor; `sum w^2` becomes `f^2 R`. Statistics
    of the weights of a row (entropy, moments, the share of some keys) are such sums and a term of `finish`.

    The header's arguments (tensors or scalars given by the user of the normalizer) are the last block arguments of
    every region; in the text they are written once, in the header.

    Constraints:
    - C1: weights is at least 1 and sums at least 0; statistics are distinct and none is called `max`.
    - C2: reference and rescale are both present or both absent; without them weight and finish take no `m`.
    - C3: reference takes `(s, b, h, i, j)` and yields 1 value; rescale takes `(m, m')` and yields 1, or `(m, m', R_0, ..)` and
      yields 1 + sums; weight takes
      `(s, [m,] b, h, i, j)` and yields weights + sums; finish takes `([m,] R_0, .., b, h, i)` and yields
      weights + statistics. Scores, references and sums are f32, positions index; then the header's arguments follow.
    - C4: `weight(s, m') = rescale(m, m') * weight(s, m)`, tried at several points (unless a region reads a tensor). A rescale
      that takes sums makes of `r_k(s, m)` what `weight(s, m')` yields, and of a total the total of what it makes of its parts.
    - C5: with sums moved so, `finish` gives the same statistics, and factors that undo the move; tried likewise.

    Example:
    ```mlir
    attn.normalizer @softmax weights(1) sums(1) stats ["lse"] {
      reference(%s, %b, %h, %i, %j) {
        attn.yield %s : f32
      }
      rescale(%old, %new) {
        %d = arith.subf %old, %new : f32
        %r = math.exp %d : f32
        attn.yield %r : f32
      }
      weight(%s, %m, %b, %h, %i, %j) {
        %d = arith.subf %s, %m : f32
        %w = math.exp %d : f32
        attn.yield %w, %w : f32, f32
      }
      finish(%m, %l, %b, %h, %i) {
        %one = arith.constant 1.0 : f32
        %c = arith.divf %one, %l : f32
        %g = math.log %l : f32
        %lse = arith.addf %m, %g : f32
        attn.yield %c, %lse : f32, f32
      }
    }
    ```
    Lowers to: nothing of its own; its regions are inlined where an `attn.attend` names it, and it is erased.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<StrAttr>:$sym_visibility,
                       I64Attr:$weights, I64Attr:$sums, DefaultValuedAttr<StrArrayAttr, "{}">:$stats);
  let regions = (region AnyRegion:$reference, AnyRegion:$rescale, AnyRegion:$weight, AnyRegion:$finish);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    bool hasReference() { return !getReference().empty(); }
    unsigned getNumWeights() { return getWeights(); }
    unsigned getNumSums() { return getSums(); }
    unsigned getNumStats() { return getStats().size(); }
    /// The position of a statistic behind the factors that `finish` yields, or none.
    std::optional<unsigned> getStatIndex(::llvm::StringRef name);
    /// The types of the header's arguments (the last block arguments of every region).
    ::llvm::SmallVector<::mlir::Type> getHeaderTypes();
    /// How many block arguments of a region stand before the header's.
    unsigned getNumLeading(::mlir::Region &region);
  }];
}

#endif
