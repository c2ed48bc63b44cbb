//===- Passes.td - passes of lib/Transforms ----===//
#ifndef HEDDLE_TRANSFORMS_PASSES
#define HEDDLE_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def LinkPrelude : Pass<"attn-link-prelude", "::mlir::ModuleOp"> {
  let summary = "Copy the normalizers that a module names but does not define from the prelude";
  let description = [{
    A module may say `normalize @n` for any `@n` of `dialects/Attn/Prelude.mlir`. This pass copies those definitions
    (and what they refer to) to the front of the module, so that later passes look up a symbol and never ask where it
    came from. A definition of the module's own wins over the prelude's.

    Assumes: nothing.
    Leaves: every `normalize @n` resolved; an error for a name that neither defines.
  }];
  let dependentDialects = ["::heddle::attn::AttnDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
}

def VerifyAttn : Pass<"verify-attn", "::mlir::ModuleOp"> {
  let summary = "Check that a module is an attn module";
  let description = [{
    The gate at the top of the ladder: what later passes may take for granted. Only the rung's dialects occur;
    functions take tensors and numbers and return tensors; regions on scalars hold pure scalar operations; every
    normalizer is defined.

    Assumes: attn-link-prelude ran.
    Leaves: the module unchanged, or an error for each fault.
  }];
}

def TileToBase2 : Pass<"tile-to-base-2"> {
  let summary = "Rewrite exponentials and logarithms of tiles in base 2";
  let description = [{
    Changes numerics: a difference times log2(e) is distributed over its terms, which rounds differently.
    `exp(x)` becomes `exp2(x * log2(e))`, and the factor joins a scale of `x` in one fused multiply-add when `x` is a
    scaled tile less a repeated row vector.
    Assumes: a tile module. Leaves: no `math.exp` and no `math.log` on f32 tiles.
    See test/Transforms/tile-to-base-2.mlir.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

def TileSinkScale : Pass<"tile-sink-scale"> {
  let summary = "Move a positive constant factor behind masks and maxima";
  let description = [{
    Changes numerics: a maximum of scaled numbers becomes a scaled maximum (equal up to the sign of zero).
    A factor known to be positive commutes with `select` against an infinity, with a branch and with an extremum; moved
    behind them it is applied per row, or joins the factor of an exponential.
    Assumes: a tile module. Leaves: a tile module; a factor whose sign is not known stays where it is.
    See test/Transforms/tile-sink-scale.mlir.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

def VerifyTile : Pass<"verify-tile", "::mlir::ModuleOp"> {
  let summary = "Check that a module is a tile module";
  let description = [{
    The gate between operator and target: plans and kernels of contract 2 (dialects/README.md), and nothing else.
    Leaves: the module unchanged, or an error.
  }];
}

#endif
