//===- AttnBase.td - the dialect and the types its operations share ---------===//
#ifndef HEDDLE_ATTN_BASE
#define HEDDLE_ATTN_BASE

include "mlir/IR/OpBase.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Attn_Dialect : Dialect {
  let name = "attn";
  let cppNamespace = "::heddle::attn";
  let summary = "Token-mixing operators as mathematics over tensors ordered (b, h, t, d).";
  let description = [{
    Tensors are logical and in the fixed order (b, h, t, d): rows `(b, h, i, c)`, keys `(b, h, j, c)`, values
    `(b, h, j, e)`, results `(b, h, i, e)`, row tables `(b, h, i)`. Strides, packing and paging are never part of an
    operator: strides live in the memory of an argument, packing and paging are an `attn.view`.

    Heads are paired by extents. An operation iterates over the largest head extent `H`; an operand with extent `Hx`
    is read at head `h floordiv (H / Hx)`, and a result with extent `Hx` is summed over its group, which is the adjoint
    of that read. The batch follows the same rule with extents `1` and `B`. A dynamic batch or head extent of a result
    is `B` or `H`.

    User code is a region on scalars: positions are `index`, scores `f32`. It may use `arith`, `math`,
    `tensor.extract`, `scf.if`, and `scf.for` with constant bounds. Tensors and scalars from outside are captured.

    The dialect is born in a front-end and must be gone after `attn-to-tile` (or `attn-to-loops`).
  }];
  let usePropertiesForAttributes = 1;
}

class Attn_Op<string mnemonic, list<Trait> traits = []> : Op<Attn_Dialect, mnemonic, traits>;

def Attn_Operand : 4DTensorOf<[F16, BF16, F32]>;
def Attn_Array : RankedTensorOf<[AnyFloat, AnySignlessInteger]>;
def Attn_Lengths : 1DTensorOf<[I32]>;
def Attn_NormalizerArgument : AnyTypeOf<[Attn_Array, F32, I32, Index]>;

#endif
