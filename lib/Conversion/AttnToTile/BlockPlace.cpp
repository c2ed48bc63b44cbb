//===- BlockPlace.cpp - the batch and head of a block, in every operand -----===//
#include "BlockPlace.h"
#include "dialects/Attn/SequenceLengths.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace heddle;

Lifted BlockPlace::batchOf(Value tensor) const {
  Value extent = kernel.dim(tensor, 0);
  if (extent == batchCount)
    return {batch};
  ImplicitLocOpBuilder &b = kernel.body();
  Value last = arith::SubIOp::create(b, extent, kernel.constant(1));
  return {arith::MinUIOp::create(b, batch, last)};
}

Lifted BlockPlace::headOf(Value tensor, int64_t dimension) const {
  Value extent = kernel.dim(tensor, dimension);
  if (extent == headCount)
    return {head};
  // Every head if the extents agree, the group's head if not.
  Value group = arith::DivUIOp::create(kernel.head(), headCount, extent);
  return {arith::DivUIOp::create(kernel.body(), head, group)};
}

SequenceEnd heddle::findSequenceEnd(ArrayRef<Value> operands, Value batch, Value count, KernelBuilder &kernel,
                                    TileEmitter &emitter) {
  ImplicitLocOpBuilder &b = emitter.builder();
  llvm::SetVector<Value> lengths = attn::findSequenceLengths(operands);
  SequenceEnd end{count, {}};
  for (Value array : lengths) {
    Value length = emitter.lengthOf(array, {batch});
    Value isLow = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, length, kernel.constant(0));
    Value isHigh = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, length, count);
    Value isOut = arith::OrIOp::create(b, isLow, isHigh);
    end.isClamped = end.isClamped ? arith::OrIOp::create(b, end.isClamped, isOut).getResult() : isOut;
    end.count = arith::MinSIOp::create(b, end.count, length);
  }
  if (!lengths.empty())
    end.count = arith::MaxSIOp::create(b, end.count, kernel.constant(0));
  return end;
}

void heddle::reportClamped(KernelBuilder &kernel, Value isClamped) {
  if (!isClamped)
    return;
  ImplicitLocOpBuilder &b = kernel.body();
  auto report = scf::IfOp::create(b, isClamped, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(report.thenBlock());
  Value one = arith::ConstantIntOp::create(b, 1, 32);
  tile::AtomicMaxOp::create(b, one, kernel.import(kernel.getPlan().getStatus()), kernel.constant(0));
}
