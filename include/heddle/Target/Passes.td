//===- Passes.td - passes of lib/Target ----===//
#ifndef HEDDLE_TARGET_PASSES
#define HEDDLE_TARGET_PASSES

include "mlir/Pass/PassBase.td"

def AttachTarget : Pass<"attach-target", "::mlir::ModuleOp"> {
  let summary = "say what the module is compiled for";
  let description = [{
    Puts the row of the target table on the module as `tile.target`, so that later passes can ask for capabilities.
    Assumes: nothing. Leaves: `tile.target`, replaced if it was there.

    Example: `--attach-target=name=sm_90a`
  }];
  let options = [Option<"name", "name", "std::string", /*default=*/"", "a target, as for heddle-compile --target">];
  let dependentDialects = ["::heddle::tile::TileDialect"];
}
#endif
