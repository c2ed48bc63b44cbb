//===- ResidueParts.cpp - kernels of a mask that keeps to residue classes ----===//
#include "ResidueParts.h"
#include "PackedRows.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

std::vector<MaskAnalysis> heddle::findResidueParts(PlanBuilder &plan, attn::AttendOp op) {
  // Pictures of masks are evaluated in blocks of consecutive rows and keys; packed rows are found by such blocks.
  if (!op.hasMask() || readsPairs(op) || PackedRows::find(op, plan))
    return {};
  return MaskAnalysis::computeParts(op.getMask());
}

Value heddle::areResiduesWorthIt(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule,
                                 ArrayRef<MaskAnalysis> parts) {
  // What a state costs that is written and read again: as much as so many keys of its row.
  constexpr int64_t keysPerState = 512;
  ImplicitLocOpBuilder &b = plan.getBuilder();
  Value rows = getAttendSize(plan, b, op, 2), keys = getAttendSize(plan, b, op, 3);
  auto multiply = [&](Value x, Value y) -> Value { return arith::MulIOp::create(b, x, y); };
  auto padded = [&](Value count, int64_t size) {
    return multiply(arith::CeilDivSIOp::create(b, count, plan.constant(size)), plan.constant(size));
  };
  // Pairs in the blocks of all rows and keys: what else a mask leaves out it leaves out of both.
  Value allRows = padded(rows, schedule.rows), whole = multiply(allRows, padded(keys, schedule.keys)), apart;
  for (const MaskAnalysis &part : parts) {
    if (part.getModulus() == 1) {
      apart = arith::AddIOp::create(b, apart, multiply(allRows, plan.constant(keysPerState)));
      continue;
    }
    Value classes = plan.constant(part.getModulus());
    Value pairs = multiply(padded(arith::CeilDivSIOp::create(b, rows, classes), schedule.rows),
                           padded(arith::CeilDivSIOp::create(b, keys, classes), schedule.keys));
    pairs = multiply(pairs, classes);
    apart = apart ? arith::AddIOp::create(b, apart, pairs).getResult() : pairs;
  }
  // Less by a quarter: rows that lie apart, and a state that is handed on, cost something.
  return arith::CmpIOp::create(b, arith::CmpIPredicate::sle, multiply(apart, plan.constant(4)),
                               multiply(whole, plan.constant(3)));
}

SplitWorkspace heddle::allocateResidueState(PlanBuilder &plan, attn::AttendOp op, attn::NormalizerOp normalizer,
                                            ArrayRef<MaskAnalysis> parts, Value isUsed) {
  if (parts.size() == 1)
    return {};
  Value states = arith::SelectOp::create(plan.getBuilder(), isUsed, plan.constant(1), plan.constant(0));
  return SplitWorkspace::allocate(plan, op, normalizer, states);
}

LogicalResult heddle::emitResidueParts(PlanBuilder &plan, attn::AttendOp op, attn::NormalizerOp normalizer,
                                       const AttendSchedule &schedule, ArrayRef<MaskAnalysis> parts,
                                       const SplitWorkspace &state, ArrayRef<KernelOutput> outputs) {
  assert(parts.size() <= 2 && "a part that begins and one that finishes");
  for (const MaskAnalysis &part : parts) {
    AttendRole role = parts.size() == 1        ? AttendRole::Direct
                      : &part == parts.begin() ? AttendRole::Begin
                                               : AttendRole::Finish;
    FailureOr<PreparedMask> mask = preparePart(plan, part);
    if (failed(mask) || failed(emitAttendKernel(plan, op, normalizer, schedule, *mask, role, &state, outputs)))
      return failure();
  }
  return success();
}
