//===- Passes.td - passes of lib/Analysis ----===//
#ifndef HEDDLE_ANALYSIS_PASSES
#define HEDDLE_ANALYSIS_PASSES

include "mlir/Pass/PassBase.td"

def TestMaskAnalysis : Pass<"test-mask-analysis"> {
  let summary = "Print which keys a block of rows sees, for every mask region";
  let description = [{
    Runs `MaskAnalysis` on every region with the shape of a mask (four index arguments, one i1 out) and prints what it
    derived as remarks, one per line. A function may carry a mask: its further arguments are the captures.

    Assumes: nothing. Leaves: the module as it was; with `emit`, one function `@<mask>_ranges` per function that carries
    a mask, which computes the ranges.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::scf::SCFDialect",
                           "::mlir::tensor::TensorDialect"];
  let options = [Option<"emit", "emit", "bool", "false", "write the ranges as a function instead of remarks">];
}

#endif
