//===- Passes.td - passes of lib/Conversion ----===//
#ifndef HEDDLE_CONVERSION_PASSES
#define HEDDLE_CONVERSION_PASSES

include "mlir/Pass/PassBase.td"

//===----------------------------------------------------------------------===//
// tile -> warp -> nvvm
//===----------------------------------------------------------------------===//

def TileToWarp : Pass<"tile-to-warp", "::mlir::ModuleOp"> {
  let summary = "Schedule tile kernels for a GPU: layouts, shared memory, asynchronous copies";
  let description = [{
    Gives every tile a layout (an encoding), turns dots into `warp.mma` and what feeds them into slots of shared memory,
    and routes transposes and reductions across warps through slots.

    `scf.forall` becomes the block's coordinates.

    Why: after this pass every decision about where an element lives is in the text.
    Assumes: a module after `attn-to-tile`; plans are left alone. Arguments with `tile.alignment = 16` are copied 16 bytes
    at a time.
    Leaves: `warp`, `tile` with encodings, arith, math, scf, memref (see `verify-warp`). Copies are waited for where they
    are issued; `warp-pipeline-copies` overlaps them.
    Example: test/Conversion/tile-to-warp.mlir
  }];
  let options = [
    Option<"maxWarps", "max-warps", "int64_t", "4", "most warps of a block">,
  ];
  let dependentDialects = ["::heddle::warp::WarpDialect"];
}

def WarpToNVVM : Pass<"convert-warp-to-nvvm", "::mlir::ModuleOp"> {
  let summary = "Lower scheduled kernels to instructions of one thread";
  let description = [{
    Every encoded tensor becomes one scalar for each of its registers, in loops and branches, too; a memref becomes its
    pointer, sizes and strides. The kernel becomes an `llvm.func` whose
    parameters are 64-bit slots (contract 3), with `nvvm.maxntid` and `warp.shared_bytes` for the launch.

    Changes numerics: exponentials and logarithms are the machine's (2 ulp, subnormals flushed), `f32` division is
    `div.full` (2 ulp).
    Assumes: `verify-warp` passes and `warp-plan-resources` has run.
    Leaves: llvm, nvvm, arith, math, scf on scalars, for the upstream lowerings.
    Example: test/Conversion/warp-to-nvvm.mlir
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect", "::mlir::arith::ArithDialect",
                           "::mlir::scf::SCFDialect"];
}

#endif
