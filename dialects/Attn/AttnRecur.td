//===- AttnRecur.td - recurrences, and sums of partial results --------------===//
#ifndef HEDDLE_ATTN_RECUR
#define HEDDLE_ATTN_RECUR

include "dialects/Attn/AttnBase.td"

def Attn_Gate : RankedTensorOf<[F16, BF16, F32]>;
def Attn_Segments : 2DTensorOf<[I32]>;
def Attn_State : 4DTensorOf<[F32]>;
def Attn_StateMass : 3DTensorOf<[F32]>;

def Attn_RecurOp : Attn_Op<"recur", [Pure, AttrSizedOperandSegments, SingleBlock,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "a gated sum of outer products of keys and values, read by queries";
  let description = [{
    Semantics: for every batch `b` and head `h`, over positions `t = 0 .. T - 1`

        S_t[c,e] = exp(gate_t[c]) * S_{t-1}[c,e] + key_t[c] * value_t[e]         S_{-1} = init, or 0
        z_t[c]   = exp(gate_t[c]) * z_{t-1}[c]   + key_t[c]                      z_{-1} likewise
        o_i[e]   = sum_c query_i[c] * S_{at(i)}[c,e]                             absent `at`: at(i) = i
        mass_i   = sum_c query_i[c] * z_{at(i)}[c]

    `S` is (c, e): channels of the keys by channels of the values. `mass` is what the sum of the weights of a row is:
    `o / mass` is a weighted mean. `final` yields S_{T-1} and, with `mass`, z_{T-1}. What `at` yields is clamped to
    [-1, T - 1], and -1 reads what was given by `init`: `T - 1` for every row is the sum over all keys.

    A gate is a logarithm, at most 0 for a state that stays bounded (nothing checks it), and has the shape of its kind:

        absent         no decay
        (h)            one number per head
        (b, h, t)      one number per token
        (b, h, t, c)   one number per token and channel of the keys

    A gate of -inf forgets everything before its token. With `segments`, so does a token whose number differs from that
    of the token before it; the first token of a sequence keeps `init`.

    Heads and batches are paired by extents (see the dialect). Keys, values, gates and segments have one length `T`; so
    have queries, unless `at` says where they read. A sequence ends at the least length of the `attn.view`s that its
    operands come from: what lies behind does not change the state, and rows there are absent, too. Sums are f32; result
    element types are those declared.

    Constraints:
    - C1: query, key and value have one element type; query and key have one static last extent, and that of the value is
      static; both are multiples of 8 up to 512.
    - C2: static extents of keys, values, gates and segments agree in `t`; so do those of queries, unless there is `at`.
    - C3: static head extents divide the largest; static batch extents are 1 or the largest.
    - C4: a gate has rank 1, 3 or 4, and with rank 4 the last extent of the keys.
    - C5: the results are `o`, with `mass` the mass, with `final` the state and, with both, its mass.
    - C6: `o` is `(b, h, i, e)` of f16, bf16 or f32 and the mass `(b, h, i)` of f32, with the largest extents.
    - C7: a state is `(b, h, c, e)` and its mass `(b, h, c)`, of f32, with the extents of keys and values; a final state
      has the largest batch and head extents.
    - C8: `init` has two operands, a state and its mass, if there is `mass`, else one.
    - C9: the region of `at` takes one index and yields one.

    Example:
    ```mlir
    %o, %mass, %state, %state_mass = attn.recur query(%fq) key(%fk) value(%v) gate(%g) init(%s, %z) stats [mass] final
      : (tensor<?x32x?x128xbf16>, tensor<?x8x?x128xbf16>, tensor<?x8x?x64xbf16>, tensor<?x1x?xf32>,
         tensor<?x32x128x64xf32>, tensor<?x32x128xf32>)
      -> (tensor<?x32x?x64xbf16>, tensor<?x32x?xf32>, tensor<?x32x128x64xf32>, tensor<?x32x128xf32>)
    ```
    A state that lags behind by whole blocks: `at(%i) { .. (i floordiv 64) * 64 - 65 .. }`.

    Source: Katharopoulos et al. 2020 for the sum and its normalizer; Sun et al. 2023 (one decay per head); Dao and Gu 2024
    (one per token); Yang et al. 2024 (one per token and channel, and the form in chunks).

    Lowers to: tile kernels that go over chunks of tokens (`attn-to-tile`); plain loops (`attn-to-loops`, the reference
    semantics).
  }];
  let arguments = (ins Attn_Operand:$query, Attn_Operand:$key, Attn_Operand:$value, Optional<Attn_Gate>:$gate,
                       Optional<Attn_Segments>:$segments, Optional<Attn_State>:$initial,
                       Optional<Attn_StateMass>:$initialMass, UnitAttr:$mass, UnitAttr:$final);
  let results = (outs Variadic<AnyRankedTensor>:$outputs);
  let regions = (region AnyRegion:$at);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    bool hasAt() { return !getAt().empty(); }
    ::mlir::Value getOutput() { return getResult(0); }
    /// Null where they were not asked for.
    ::mlir::Value getMassResult() { return getMass() ? getResult(1) : ::mlir::Value(); }
    ::mlir::Value getFinalState() { return getFinal() ? getResult(getMass() ? 2 : 1) : ::mlir::Value(); }
    ::mlir::Value getFinalMass() { return getFinal() && getMass() ? getResult(3) : ::mlir::Value(); }

    bool isGatedByChannel() { return getGate() && getGate().getType().getRank() == 4; }
    int64_t getKeyWidth() { return getKey().getType().getDimSize(3); }
    int64_t getValueWidth() { return getValue().getType().getDimSize(3); }
    /// Operands whose third dimension is `t`: keys, values and a gate per token.
    ::llvm::SmallVector<::mlir::Value> getTokenOperands();
    /// (operand, dimension) pairs that have the dimension: the extents that `b` or `h` run over are their largest.
    ::llvm::SmallVector<std::pair<::mlir::Value, int64_t>> getBatchExtents();
    ::llvm::SmallVector<std::pair<::mlir::Value, int64_t>> getHeadExtents();
  }];
}

def Attn_MergeOp : Attn_Op<"merge", [Pure, SingleBlock,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "a sum of partial results, weighted by row";
  let description = [{
    Semantics: `result[b,h,i,e] = sum_p w_p(b, h, i) * part_p[b,h,i,e]`, with the weights that the region yields. The sum is
    f32.

    Everything that joins results of the same rows is a choice of weights: a gated sum has numbers; partial softmaxes have
    `exp(lse_p - lse)` of their statistics; parts with one joint denominator have `1 / (mass_1 + mass_2)`. The region
    captures the tables that it reads at `(b, h, i)`.

    Constraints:
    - C1: at least one part; parts and result have one static last extent.
    - C2: static lengths agree.
    - C3: static batch and head extents agree: parts are of the same rows.
    - C4: the region takes three indices and yields one f32 per part.
    - C5: the result is of f16, bf16 or f32.

    Example:
    ```mlir
    %y = attn.merge (%num, %near) weights(%b, %h, %i) {
      %z = tensor.extract %mass[%b, %h, %i] : tensor<?x32x?xf32>
      %w = arith.divf %one, %z : f32
      attn.yield %w, %alpha : f32, f32
    } : (tensor<?x32x?x128xf32>, tensor<?x32x?x128xbf16>) -> tensor<?x32x?x128xbf16>
    ```
    Lowers to: element-wise work of the kernel that makes its last part (`attn-to-tile`); plain loops (`attn-to-loops`).
  }];
  let arguments = (ins Variadic<Attn_Operand>:$parts);
  let results = (outs Attn_Operand:$result);
  let regions = (region AnyRegion:$weights);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
}

#endif
