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

def RecurToAttend : Pass<"attn-recur-to-attend", "::mlir::ModuleOp"> {
  let summary = "Write recurrences over few tokens as masked products of pairs";
  let description = [{
    A recurrence whose rows read their own token's state, with no gate or one for each head, without states, is
    `sum_j<=i (q_i . k_j) exp(g (i - j)) v_j`: an attend without a normalizer. Chunks of a sequence wait for each other,
    rows of pairs do not. Where that is worth it for some sizes (`chooseRecurPairs`), a function with such a recurrence and
    no other sum over positions gets a copy in pairs that stands for it there (`dialects/Attn/Alternatives.h`); with
    `form=pairs` every such recurrence is replaced, with `form=chunks` none.

    Assumes: `verify-attn` holds. Leaves: the attn rung.
    Example: test/Transforms/recur-to-attend.mlir
  }];
  let options = [Option<"form", "form", "std::string", "\"auto\"", "auto, chunks or pairs">];
  let dependentDialects = ["::heddle::attn::AttnDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
}

//===----------------------------------------------------------------------===//
// warp
//===----------------------------------------------------------------------===//

def WarpPipelineCopies : Pass<"warp-pipeline-copies", "::mlir::func::FuncOp"> {
  let summary = "Copy the next iteration's tiles while this iteration computes";
  let description = [{
    In a loop whose copies depend on the induction variable only, gives their rings two stages, issues the first copies
    before the loop and those of iteration n + 1 right after iteration n has received its own. If second stages leave room
    for fewer blocks on a multiprocessor, and the rings are read one after another, they keep one stage: what was read is
    filled again after the barrier that receives the next.

    Why: a copy then has a whole iteration to arrive, and one barrier an iteration orders everything; or it has what the
    other slots are read for, and another block computes meanwhile.
    Assumes: `tile-to-warp`: a ring is acquired, copied to and received once. Arrays that the kernel writes are not
    copied ahead. A loop whose second stages do not fit the target's shared memory, and that cannot do without, stays as
    it is.
    Leaves: the warp rung.
    Example: test/Transforms/warp-pipeline-copies.mlir
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect"];
}

def WarpOverlapProducts : Pass<"warp-overlap-products", "::mlir::func::FuncOp"> {
  let summary = "Run the last product of an iteration beside the first of the next; wait for products where they are read";
  let description = [{
    In a loop where one asynchronous product makes a left operand of another, moves the late one into the next iteration,
    after the products that come first there. The element-wise work between them then runs beside a product.

    What the late product reads goes around the loop; its first operands are made before the loop, its last run is after.
    What a loop does in its first iteration only, by a comparison of its variable with its lower bound, is then done
    before the loop. A loop with `tile.seldom` stays as it is.
    Assumes: the warp rung, one body for all warps.
    Leaves: the warp rung; a `warp.wait` before the first reader of every asynchronous product.
    Example: test/Transforms/warp-overlap-products.mlir
  }];
  let options = [Option<"rotate", "rotate", "bool", "true", "move late products; waits are placed in any case">];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect"];
}

def WarpHoldOperands : Pass<"warp-hold-operands", "::mlir::func::FuncOp"> {
  let summary = "Read the left operand of a loop's products into registers once";
  let description = [{
    A slot that was received outside a loop and is the left operand of asynchronous products in it is loaded into
    registers, if they suffice by the estimate of `warp-plan-resources` and what a consumer of the target has.

    Why: such a product reads half as much of shared memory.
    Assumes: the warp rung, with loops in their final form. Leaves: the warp rung.
    Example: test/Transforms/warp-hold-operands.mlir
  }];
}

def WarpTakeTurns : Pass<"warp-take-turns", "::mlir::func::FuncOp"> {
  let summary = "Let groups of four warps issue their bursts of products in turn";
  let description = [{
    Puts `warp.take_turn` and `warp.pass_turn` around the products of a loop that are issued before the first wait, if
    they are several and the kernel has several groups of warps.

    Why: one group's products then run beside the other's element-wise work, instead of both at once.
    Assumes: the warp rung, one body for all warps, `warp-overlap-products` ran; groups run loops equally often.
    Leaves: the warp rung.
    Example: test/Transforms/warp-take-turns.mlir
  }];
}

def WarpSkipRows : Pass<"warp-skip-rows", "::mlir::func::FuncOp"> {
  let summary = "Compute what few rows need only in warps that have such a row";
  let description = [{
    What: in a loop, row vectors chosen by one condition between something new and something that is there already
    (`select %c, %new, %old`) become a branch on whether the condition holds in any row of the warp, with all that only
    they need. Products with a factor that is 1 in all other rows go into branches of their own. Where the condition
    compares the maximum of a tile's rows, lanes compare their own parts first. Exact.
    Why: exchanges among lanes, functions and a product with every accumulator are left out where nothing changes.
    Assumes: the warp rung. Leaves: the warp rung; conditions that differ between warps (`warp.any`).
    Example: test/Transforms/warp-skip-rows.mlir
  }];
  let dependentDialects = ["::heddle::warp::WarpDialect", "::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect"];
}

def WarpSpecialize : Pass<"warp-specialize", "::mlir::func::FuncOp"> {
  let summary = "Give bulk copies warps of their own";
  let description = [{
    A kernel with bulk rings becomes two programs: the slice that its bulk copies need runs in four further warps, the
    slice that its other effects need in the warps it had. Loops that come one after the other share rings. Rings that are
    used in innermost loops get two slots; each use has a cursor, carried through loops and branches, and each received
    slot is released after its last reader. In a loop over pieces of work the first program sends the second one the
    numbers that it needs of each.

    Why: the copies run as far ahead as the rings allow, whatever the loops between them, and take few registers.
    Assumes: the warp rung; each bulk ring is acquired, copied to and received in the same block of operations, in every
    role's order of rings.
    Leaves: the warp rung; a kernel that is rings and `warp.roles`.
    Example: test/Transforms/warp-specialize.mlir
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect"];
}

def WarpElideBarriers : Pass<"warp-elide-barriers", "::mlir::func::FuncOp"> {
  let summary = "Mark acquires and receives that an earlier barrier already orders";
  let description = [{
    An `acquire` with no read of shared memory since the last barrier, and a `receive` with no write since the last
    `receive`, cost nothing. Works within one block of operations; what comes before is taken to be unordered.
    Assumes: the warp rung.
    Leaves: the warp rung.
    Example: test/Transforms/warp-elide-barriers.mlir
  }];
}

def WarpPlanResources : Pass<"warp-plan-resources", "::mlir::func::FuncOp"> {
  let summary = "Place rings in shared memory and estimate registers";
  let description = [{
    Gives each `warp.ring` an offset so that rings in use at the same time do not overlap, and records what the block
    needs: `warp.shared_bytes`, and `warp.registers`, the most 32-bit registers that tiles occupy at any point plus an
    allowance for addresses. Fails if the shared memory is more than the target's. Bulk rings keep their place for the
    whole kernel and get barriers; roles get registers, whose sum is what the block is launched with.
    Assumes: the warp rung, with every loop in its final form.
    Leaves: the warp rung; `warp.ring`s with offsets.
    Example: test/Transforms/warp-plan-resources.mlir
  }];
}

def VerifyWarp : Pass<"verify-warp", "::mlir::func::FuncOp"> {
  let summary = "Check that a kernel is in the warp rung";
  let description = [{
    Every tensor has a layout, no tile op is left that crosses threads, every ring has its place and every use of a bulk
    ring a cursor, asynchronous products are waited for, and only warp, tile, arith, math, scf, memref, tensor.splat and
    func ops remain.
    Assumes: `warp-plan-resources` ran.
    Leaves: the module unchanged, or an error for the first fault.
    Example: test/Transforms/verify-warp-invalid.mlir
  }];
}

def TileToBase2 : Pass<"tile-to-base-2"> {
  let summary = "Rewrite exponentials and logarithms of tiles in base 2";
  let description = [{
    Changes numerics: a difference times log2(e) is distributed over its terms, a quotient by a constant becomes a product
    with its reciprocal, and a sum with a scaled tile one operation, which round differently.
    `exp(x)` becomes `exp2(x * log2(e))`, and the factor joins a scale of `x` in one fused multiply-add when `x` is a
    scaled tile less a repeated row vector.
    Assumes: a tile module. Leaves: no `math.exp` and no `math.log` on f32 tiles.
    See test/Transforms/tile-to-base-2.mlir.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

def TileLagReferences : Pass<"tile-lag-references", "::mlir::func::FuncOp"> {
  let summary = "Raise a running maximum only where numbers relative to it grow beyond a bound";
  let description = [{
    Changes numerics where a kernel carries `tile.lag = n`, and nothing else: numbers relative to the maximum are up to 2^n
    instead of up to 1, with the same relative rounding.
    What: a loop carries the maximum `m` of what its steps reduce, and other values that are multiplied with
    `f = exp2(c (m - m'))` when it becomes `m'`. A row keeps its `m` until a step's maximum is above `m + n / c`, and its
    factor is then 1.
    Why: once `m` has grown to about its size rows hardly ever change, and `warp-skip-rows` leaves out what they need.
    Assumes: a tile module, exponentials in base 2; that all else depends on `m` by such differences only.
    Leaves: a tile module.
    See test/Transforms/tile-lag-references.mlir.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def TileSplitGathers : Pass<"tile-split-gathers"> {
  let summary = "Read one element where the coordinates of a gather are all the same";
  let description = [{
    What: a gather in a loop by one tile of coordinates, made of positions with a maximum, a minimum or a quotient in it,
    goes with its only element-wise user into a branch; where the least and the greatest coordinate of the tile are the
    same, one element is read and repeated. Exact.
    Why: a table of the nearest distances is read at its last entry almost everywhere.
    Assumes: a tile module. Leaves: a tile module.
    See test/Transforms/tile-split-gathers.mlir.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

def TileSplitPositions : Pass<"tile-split-positions"> {
  let summary = "Take what a score adds for its row out of the work for each element";
  let description = [{
    Changes numerics: a multiple of a distance is added in two parts, for the column and for the row, which rounds
    differently; a distance is exact below 2^24.
    `s + a * (j - i)` becomes `(s + a * j') - a * i'` with positions relative to the block's first row; the row's part moves
    behind selects against an infinity, branches and extrema, and joins another row vector that is subtracted.
    Assumes: a tile module. Leaves: a tile module.
    See test/Transforms/tile-split-positions.mlir.
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
    Assumes: nothing. Leaves: the module unchanged, or an error.
  }];
}

#endif
