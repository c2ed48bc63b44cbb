//===- AlternativeForm.cpp - a function that another stands for --------------===//
//
// Test: test/Conversion/attn-to-tile-alternative.mlir.
//
//===----------------------------------------------------------------------===//
#include "AlternativeForm.h"
#include "RecurKernel.h"
#include "dialects/Attn/Alternatives.h"
#include "dialects/Tile/TileOps.h"

using namespace mlir;
using namespace heddle;

bool heddle::isAlternative(func::FuncOp function) { return function->hasAttr(attn::kInsteadOfAttr); }

func::FuncOp heddle::findAlternative(func::FuncOp function) {
  for (auto other : function->getParentOfType<ModuleOp>().getOps<func::FuncOp>())
    if (auto of = other->getAttrOfType<FlatSymbolRefAttr>(attn::kInsteadOfAttr))
      if (of.getAttr() == function.getSymNameAttr())
        return other;
  return {};
}

Value heddle::isAlternativeTaken(PlanBuilder &plan, func::FuncOp alternative) {
  ImplicitLocOpBuilder &b = plan.getBuilder();
  attn::RecurOp op = *plan.getSource().getOps<attn::RecurOp>().begin();
  Value tokens = plan.dim(op.getKey(), 2), isTaken;
  auto require = [&](arith::CmpIPredicate predicate, Value left, Value right) {
    Value holds = arith::CmpIOp::create(b, predicate, left, right);
    isTaken = isTaken ? arith::AndIOp::create(b, isTaken, holds).getResult() : holds;
  };
  auto range = llvm::to_vector(alternative->getAttrOfType<ArrayAttr>(attn::kTokensAttr).getAsValueRange<IntegerAttr>());
  require(arith::CmpIPredicate::sge, tokens, plan.constant(range.front().getSExtValue()));
  require(arith::CmpIPredicate::sle, tokens, plan.constant(range.back().getSExtValue()));
  std::pair<Value, int64_t> rows[] = {{op.getQuery(), 1}, {op.getKey(), 1}, {op.getValue(), 1}};
  Value heads = largestExtent(plan, b, rows), batches = largestExtent(plan, b, op.getBatchExtents());
  Value share = plan.constant(alternative->getAttrOfType<IntegerAttr>(attn::kShareAttr).getInt());
  require(arith::CmpIPredicate::sle, arith::MulIOp::create(b, arith::MulIOp::create(b, heads, batches), share),
          tile::MachineOp::create(b, b.getIndexType()));
  // A score reads the gate of its own head.
  if (op.getGate())
    require(arith::CmpIPredicate::eq, plan.dim(op.getGate(), 0), heads);
  return isTaken;
}
