//===- AttnToLoops.cpp - the reference semantics of an attn module ----------===//
//
//   func.func @f(%q: tensor<..>, ..) -> tensor<..> { attn.attend .. }
//
// becomes a tile module that computes the definition literally:
//
//   func.func @f(%q: memref<..>, .., %o: memref<..>) attributes {tile.plan} {
//     %w = memref.alloc .. : memref<..xf64>
//     tile.launch @f_0(%q, .., %w)
//   }
//   func.func @f_0(..) attributes {tile.kernel} { scf.forall .. { scalar loops } }
//
// Test: test/Conversion/attn-to-loops.mlir.
//
//===----------------------------------------------------------------------===//
#include "dialects/Attn/AttnOps.h"
#include "dialects/Tile/TileOps.h"
#include "heddle/Conversion/Passes.h"
#include "lib/Conversion/AttnToLoops/LoopLowerings.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/PatternMatch.h"

namespace heddle {
#define GEN_PASS_DEF_ATTNTOLOOPS
#include "heddle/Conversion/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

/// Operations that stand for several structured ones become those.
static LogicalResult decompose(func::FuncOp function) {
  SmallVector<linalg::AggregatedOpInterface> aggregates;
  function.walk([&](linalg::AggregatedOpInterface op) { aggregates.push_back(op); });
  IRRewriter rewriter(function.getContext());
  for (linalg::AggregatedOpInterface op : aggregates) {
    rewriter.setInsertionPoint(op);
    FailureOr<SmallVector<Value>> parts = op.decomposeOperation(rewriter);
    if (failed(parts))
      return op.emitOpError("expected an operation that decomposes, got ") << op->getName();
    rewriter.replaceOp(op, *parts);
  }
  return success();
}

static LogicalResult lowerFunction(func::FuncOp function, Type real, const loops::LoopLowerings &lowerings) {
  if (failed(decompose(function)))
    return failure();
  loops::PlanBuilder plan(function, real);
  for (Operation &op : function.getBody().front()) {
    plan.setLoc(op.getLoc());
    if (auto end = dyn_cast<func::ReturnOp>(op)) {
      for (auto [index, tensor] : llvm::enumerate(end.getOperands()))
        loops::copyMemory(plan, plan.memory(tensor), plan.getResultMemory(index));
      continue;
    }
    // Scalars are computed where they are used.
    bool makesTensor = llvm::any_of(op.getResultTypes(), [](Type type) { return isa<TensorType>(type); });
    bool onlyScalars = isMemoryEffectFree(&op) && op.getNumRegions() == 0 && !makesTensor;
    if (!onlyScalars && failed(lowerings.lower(&op, plan)))
      return failure();
  }
  plan.finish();
  return success();
}

namespace {
class AttnToLoops : public heddle::impl::AttnToLoopsBase<AttnToLoops> {
  using AttnToLoopsBase::AttnToLoopsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    Type real;
    if (precision == "f64" || precision == "f32") {
      real = precision == "f64" ? Type(Float64Type::get(&getContext())) : Float32Type::get(&getContext());
    } else {
      module.emitError("expected precision f32 or f64, got ") << precision;
      return signalPassFailure();
    }
    loops::LoopLowerings lowerings;
    loops::addAttendLowering(lowerings);
    loops::addRecurLowering(lowerings);
    loops::addMergeLowering(lowerings);
    loops::addViewLowerings(lowerings);
    loops::addTensorLowerings(lowerings);
    loops::addLinalgLowerings(lowerings);
    SmallVector<func::FuncOp> functions;
    for (auto function : module.getOps<func::FuncOp>())
      if (!function.isExternal() && !function->hasAttr(tile::kPlanAttr) && !function->hasAttr(tile::kKernelAttr))
        functions.push_back(function);
    for (func::FuncOp function : functions)
      if (failed(lowerFunction(function, real, lowerings)))
        return signalPassFailure();
    for (auto normalizer : llvm::make_early_inc_range(module.getOps<attn::NormalizerOp>()))
      normalizer.erase();
  }
};
} // namespace
