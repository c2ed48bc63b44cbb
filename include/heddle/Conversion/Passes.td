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

    `scf.forall` becomes the block's coordinates. If the target has bulk copies and asynchronous products, and every
    product of a kernel suits them (64 rows for four warps, operands of 16 bits in aligned arrays or, on the left, in
    registers), slots are those of bulk rings, swizzled, and products are `async`. A kernel's `tile.warps` goes before
    `max-warps`.

    Why: after this pass every decision about where an element lives is in the text.
    Assumes: a module after `attn-to-tile`, with its target; plans are left alone. Arguments with `tile.alignment = 16` are copied 16 bytes
    at a time.
    Leaves: `warp`, `tile` with encodings, arith, math, scf, memref (see `verify-warp`). Copies are waited for where they
    are issued; `warp-pipeline-copies` and `warp-specialize` overlap them. Waits for products are left to
    `warp-overlap-products`.
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
    Changes numerics: exponentials and logarithms are the machine's (2 ulp, subnormals flushed), `f32` division is
    `div.full` (2 ulp).

    Every encoded tensor becomes one scalar for each of its registers, in loops and branches, too; a memref becomes its
    pointer, sizes and strides. The kernel becomes an `llvm.func` whose parameters are 64-bit slots and tensor maps
    (contract 3), with `nvvm.maxntid` and `warp.shared_bytes` for the launch. Roles become a branch.
    Assumes: `verify-warp` passes and `warp-plan-resources` has run.
    Leaves: llvm, nvvm, arith, math, scf on scalars, for the upstream lowerings.
    Example: test/Conversion/warp-to-nvvm.mlir
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect", "::mlir::arith::ArithDialect",
                           "::mlir::scf::SCFDialect"];
}

def AttnToLoops : Pass<"attn-to-loops", "::mlir::ModuleOp"> {
  let summary = "Lower an attn module to plain scalar loops: its reference semantics";
  let description = [{
    What an attn function means, written down literally: each operation becomes kernels of scalar loops without tiles
    or fusion, in f64 on request. Fast paths are compared with it; it is not an oracle, because it is lowered from the
    same text. Structured linalg, element-wise arith and math, and data movement are lowered likewise.

    Assumes: attn-link-prelude and verify-attn ran.
    Leaves: a tile module (a plan and its kernels, contract 2 of dialects/README.md). Workspaces are contiguous and hold
    floats in the chosen precision; element types of the entry's arrays stay as they are.
  }];
  let options = [Option<"precision", "precision", "std::string", "\"f32\"",
                        "the type every float is computed in: f32 or f64">];
  let dependentDialects = ["::heddle::tile::TileDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def AttnSplitChannels : Pass<"attn-split-channels", "::mlir::ModuleOp"> {
  let summary = "Make a recurrence of many channels a sum of recurrences of fewer";
  let description = [{
    Changes numerics: what the parts of a row add up to is rounded in another order, in f32.
    A recurrence whose keys have more channels than suit a schedule of the target becomes several, of some channels each:
    they have the same values, gates that are not of each channel and `at`, slices of everything else, and results in
    f32, which are added up. Final states are put one after another.

    Why: products are then of the sizes that groups of warps multiply fast, at the price of reading values and sums of
    rows again.
    Assumes: `verify-attn` holds. Leaves: an attn module.
    See test/Conversion/attn-split-channels.mlir.
  }];
  let options = [Option<"channels", "channels", "int64_t", "0",
                        "most channels of a recurrence (0: what suits the target)">];
  let dependentDialects = ["::heddle::attn::AttnDialect", "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

def AttnToTile : Pass<"attn-to-tile", "::mlir::ModuleOp"> {
  let summary = "Turn attn functions into a plan and tile kernels";
  let description = [{
    Every function becomes a plan (host side) and one kernel per attend, or two more that share the keys of few rows
    among blocks, and one per recur, whose blocks go over the tokens in chunks and may compute the rows of
    attends that see few keys on the way (`together`). Element-wise operations, slices, views, permutations and reductions of the last dimension are pulled
    into the kernel that reads them; contractions, and what two attends share, have kernels of their own. Block lists
    are closed forms of the mask's algebra, computed by each block. For a CPU's matrix unit, kernels in front bring keys
    and values in its order once for all blocks of rows.

    Assumes: `verify-attn` holds and normalizers are linked. Leaves: contract 2 of dialects/README.md.
    See test/Conversion/attn-to-tile.mlir.
  }];
  let options = [
    Option<"rows", "rows", "int64_t", "0", "rows of a block (0: what suits the target)">,
    Option<"keys", "keys", "int64_t", "0", "keys of a step (0: what suits the target)">,
    Option<"chunk", "chunk", "int64_t", "0", "tokens of a step of a recurrence (0: what suits the target)">,
    Option<"together", "together", "std::string", "\"\"",
           "attends of few keys, whose rows are merged with a recurrence's, in its kernel: always or never (empty: where that is known to pay)">,
    Option<"valueColumns", "value-columns", "int64_t", "256", "most columns of values per block">,
    Option<"warps", "warps", "int64_t", "0",
           "with rows and keys given: warps of a GPU's block that work on them (0: products of single warps)">,
    Option<"splitKeys", "split-keys", "bool", "true", "also make kernels that share the keys of few rows among blocks">,
    Option<"splits", "splits", "int64_t", "0",
           "shares that the keys are always divided into; 1: none (0: as many as the machine has room for)">,
    Option<"stagedStrip", "staged-strip", "int64_t", "0",
           "with rows and keys given: columns of the strips in which keys and values are staged (0: they are not)">,
    Option<"partialApart", "partial-apart", "bool", "false",
           "with rows and keys given: steps that need the mask, but for the last one, in a loop of their own">,
    Option<"work", "work", "std::string", "\"\"",
           "with rows and keys given: which block computes what: blocks, rounds, back-and-forth or counter (WorkOrder.h)">];
  let dependentDialects = ["::heddle::tile::TileDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

def ConvertTileToCPU : Pass<"convert-tile-to-cpu", "::mlir::ModuleOp"> {
  let summary = "Write tile kernels as loops over vectors and buffers";
  let description = [{
    Changes numerics: `f32` values are not rounded to a narrower type when only dots read them and dots are computed in
    `f32`.

    What: each kernel becomes a function of slots and block coordinates (contract 3); tiles become vectors, computed
    where they are used, and stack buffers. Why: element-wise chains and reductions fuse into few passes, and products
    keep their sums in registers.
    Assumes: a tile module (contract 2). Leaves: arith, math, vector, memref, scf and func.
  }];
  let options = [
    Option<"vectorBits", "vector-bits", "int64_t", "256", "width of a vector register">,
    Option<"vectorRegisters", "vector-registers", "int64_t", "16", "how many vector registers there are">,
    Option<"hasFMA", "fma", "bool", "true", "fused multiply-add is an instruction">,
    Option<"hasAVX512BF16", "avx512-bf16", "bool", "false", "rounding to bf16 is an instruction">,
    Option<"hasAMX", "amx", "bool", "false", "bf16 matrix tiles">,
    Option<"erasePlans", "erase-plans", "bool", "false", "erase the functions that are plans">
  ];
  let dependentDialects = ["::mlir::amx::AMXDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

def ExpandMathForCPU : Pass<"expand-math-for-cpu", "::mlir::ModuleOp"> {
  let summary = "Write f32 elementary functions as arithmetic";
  let description = [{
    Changes numerics: functions of `f32` are accurate to a few units in the last place; results of `exp` and `exp2`
    below the normal range are exactly 0. Where exponents have instructions, an `exp2` that is also rounded to a narrower
    type has a relative error of 3e-6.

    What: `math` operations on `f32` and narrower become arithmetic on the same vectors; rounding to `bf16` becomes
    integer arithmetic where it is not an instruction. Why: a library call per lane costs three times the whole kernel.
    Assumes: nothing. Leaves: `math` operations that are instructions, and those on `f64` (libm computes them).
  }];
  let options = [
    Option<"hasFMA", "fma", "bool", "true", "fused multiply-add is an instruction">,
    Option<"hasScaleByPower", "scale-by-power", "bool", "false",
           "splitting off the fraction of a float, and scaling by a power of two, are instructions (vreduceps, vscalefps)">,
    Option<"hasAVX512BF16", "avx512-bf16", "bool", "false", "rounding to bf16 is an instruction">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect", "::mlir::vector::VectorDialect"];
}

def LowerCPUToLLVM : Pass<"lower-cpu-to-llvm", "::mlir::ModuleOp"> {
  let summary = "Convert vector code to the LLVM dialect";
  let description = [{
    What: all remaining dialects are converted at once, and functions are marked so that no loop becomes a library call.
    Why: types carried through branches need one type converter.
    Assumes: no structured control flow. Leaves: the LLVM dialect and casts to reconcile.
  }];
  let options = [
    Option<"hasAVX512BF16", "avx512-bf16", "bool", "false", "rounding to bf16 is an instruction">
  ];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::func::FuncDialect", "::mlir::ub::UBDialect",
                           "::mlir::amx::AMXDialect", "::mlir::vector::VectorDialect"];
}

#endif
