//===- Passes.td - passes of lib/Conversion ----===//
#ifndef HEDDLE_CONVERSION_PASSES
#define HEDDLE_CONVERSION_PASSES

include "mlir/Pass/PassBase.td"

def AttnToTile : Pass<"attn-to-tile", "::mlir::ModuleOp"> {
  let summary = "Turn attn functions into a plan and tile kernels";
  let description = [{
    Every function becomes a plan (host side) and one kernel per attend, or two more that share the keys of few rows
    among blocks. Element-wise operations, slices, views, permutations and reductions of the last dimension are pulled
    into the kernel that reads them; contractions, and what two attends share, have kernels of their own. Block lists
    are closed forms of the mask's algebra, computed by each block.

    Assumes: `verify-attn` holds and normalizers are linked. Leaves: contract 2 of dialects/README.md.
    See test/Conversion/attn-to-tile.mlir.
  }];
  let options = [
    Option<"rows", "rows", "int64_t", "64", "rows of a block">,
    Option<"keys", "keys", "int64_t", "64", "keys of a step">,
    Option<"valueColumns", "value-columns", "int64_t", "256", "columns of values per block">,
    Option<"splitKeys", "split-keys", "bool", "true", "also make kernels that share the keys of few rows among blocks">];
  let dependentDialects = ["::heddle::tile::TileDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

#endif
