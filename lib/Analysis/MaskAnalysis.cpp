//===- MaskAnalysis.cpp - which keys a block of rows sees -----------------===//
#include "heddle/Analysis/MaskAnalysis.h"
#include "MaskRegion.h"
#include "MaskSolver.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLExtras.h"

using namespace heddle;
using namespace mlir;
using Kind = IndexExpr::Kind;

MaskAnalysis MaskAnalysis::compute(Region &region) {
  MaskAnalysis result;
  result.context = std::make_shared<IndexExprContext>();
  result.mask = readMaskRegion(*result.context, region);
  result.solve();
  return result;
}

void MaskAnalysis::solve() {
  MaskSolver solver(*context);
  KeySet set = solver.solve(mask);
  parts.assign(set.begin(), set.end());
  ranges = KeySetAlgebra(*context).arrange(set, maxRanges);
  unknowns.assign(solver.getUnknowns().begin(), solver.getUnknowns().end());
  collectUses();
}

/// Facts and positions that the ranges, not only the mask, depend on.
void MaskAnalysis::collectUses() {
  llvm::DenseSet<ExprRef> seen;
  llvm::SmallVector<ExprRef> work;
  for (const Ends &ends : ranges)
    work.append({ends.mayBegin, ends.mayEnd, ends.fullBegin, ends.fullEnd});
  if (keyResidue)
    work.push_back(keyResidue);
  std::reverse(work.begin(), work.end()); // facts in the order in which they are read
  while (!work.empty()) {
    ExprRef e = work.pop_back_val();
    if (!seen.insert(e).second)
      continue;
    usesBatch |= e->isSymbol(IndexSymbol::Batch);
    usesHead |= e->isSymbol(IndexSymbol::Head);
    if (e->kind == Kind::Fact)
      facts.push_back({e->captured, e->value});
    work.append(e->operands.begin(), e->operands.end());
  }
}

unsigned MaskAnalysis::factIndex(ExprRef fact) const {
  auto found =
      llvm::find_if(facts, [&](const TableFact &f) { return f.tensor == fact->captured && f.axis == fact->value; });
  assert(found != facts.end() && "a fact that no range relies on");
  return found - facts.begin();
}

KeyRanges MaskAnalysis::emit(OpBuilder &builder, Location loc, const Environment &environment) const {
  assert(environment.facts.size() == facts.size() && "one truth per table fact");
  auto fact = [&](ExprRef e) { return environment.facts[factIndex(e)]; };
  IndexExprEmitter emitter(builder, loc, environment, fact);
  KeyRanges result;
  for (const Ends &ends : ranges) {
    Value mayBegin = emitter.emitIndex(ends.mayBegin), mayEnd = emitter.emitIndex(ends.mayEnd);
    Value fullBegin = emitter.emitIndex(ends.fullBegin), fullEnd = emitter.emitIndex(ends.fullEnd);
    result.may.push_back({mayBegin, mayEnd});
    result.full.push_back({fullBegin, fullEnd});
  }
  return result;
}

Value MaskAnalysis::emitKeyResidue(OpBuilder &builder, Location loc, const Environment &environment) const {
  auto fact = [&](ExprRef e) { return environment.facts[factIndex(e)]; };
  return IndexExprEmitter(builder, loc, environment, fact).emitIndex(keyResidue);
}

Value MaskAnalysis::emitMask(OpBuilder &builder, Location loc, const Environment &environment) const {
  auto fact = [&](ExprRef e) { return environment.facts[factIndex(e)]; };
  return IndexExprEmitter(builder, loc, environment, fact).emitTruth(mask);
}

void MaskAnalysis::print(llvm::raw_ostream &os) const {
  auto range = [&](ExprRef begin, ExprRef end) {
    os << '[';
    context->print(os, begin ? begin : context->constant(0));
    os << ", ";
    context->print(os, end ? end : context->symbol(IndexSymbol::KeyCount));
    os << ')';
  };
  if (modulus != 1) {
    os << "rows r + " << modulus << "*i, keys ";
    context->print(os, keyResidue);
    os << " + " << modulus << "*j\n";
  }
  os << "mask: ";
  context->print(os, mask);
  os << '\n';
  if (parts.empty())
    os << "no key is seen\n";
  for (const Ends &part : parts) {
    os << "some row sees ";
    range(part.mayBegin, part.mayEnd);
    os << ", every row sees ";
    if (part.fullEnd && part.fullEnd->isConstant(0))
      os << "none";
    else
      range(part.fullBegin, part.fullEnd);
    os << '\n';
  }
  for (const TableFact &fact : facts)
    os << "relies on " << context->name(fact.tensor) << " nondecreasing along axis " << fact.axis << '\n';
  for (const std::string &reason : unknowns)
    os << "unknown: " << reason << '\n';
}

KeyRanges heddle::roundToBlocks(OpBuilder &builder, Location loc, const KeyRanges &ranges, int64_t keyBlock) {
  auto constant = [&](int64_t v) -> Value { return arith::ConstantIndexOp::create(builder, loc, v); };
  auto max = [&](Value a, Value b) { return builder.createOrFold<arith::MaxSIOp>(loc, a, b); };
  auto min = [&](Value a, Value b) { return builder.createOrFold<arith::MinSIOp>(loc, a, b); };
  Value size = constant(keyBlock), slack = constant(keyBlock - 1);
  auto down = [&](Value x) { return builder.createOrFold<arith::DivSIOp>(loc, x, size); };
  auto up = [&](Value x) { return down(builder.createOrFold<arith::AddIOp>(loc, x, slack)); };
  KeyRanges result;
  Value taken; // blocks before this one belong to an earlier range
  for (auto [may, full] : llvm::zip(ranges.may, ranges.full)) {
    Value begin = down(may.begin);
    // An empty range takes no block, also where it stands inside one.
    Value some = builder.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::slt, may.begin, may.end);
    if (taken)
      begin = max(begin, taken);
    Value end = max(builder.createOrFold<arith::SelectOp>(loc, some, up(may.end), begin), begin);
    Value fullBegin = min(max(up(full.begin), begin), end);
    Value fullEnd = min(max(down(full.end), fullBegin), end);
    result.may.push_back({begin, end});
    result.full.push_back({fullBegin, fullEnd});
    taken = end;
  }
  return result;
}
