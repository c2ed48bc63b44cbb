//===- WorkOrder.cpp - which block of a kernel computes what ----------------===//
#include "WorkOrder.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

namespace {
/// Emits the arithmetic of a body.
struct IndexMath {
  ImplicitLocOpBuilder &b;
  Value constant(int64_t value) const { return arith::ConstantIndexOp::create(b, value); }
  Value add(Value x, Value y) const { return arith::AddIOp::create(b, x, y); }
  Value sub(Value x, Value y) const { return arith::SubIOp::create(b, x, y); }
  Value mul(Value x, Value y) const { return arith::MulIOp::create(b, x, y); }
  Value div(Value x, Value y) const { return arith::DivUIOp::create(b, x, y); }
  Value rem(Value x, Value y) const { return arith::RemUIOp::create(b, x, y); }
  Value min(Value x, Value y) const { return arith::MinSIOp::create(b, x, y); }
  Value select(Value condition, Value x, Value y) const { return arith::SelectOp::create(b, condition, x, y); }
  Value isOdd(Value x) const {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, rem(x, constant(2)), constant(1));
  }
  Value isLess(Value x, Value y) const { return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, x, y); }
  /// Continues inside a new loop; its induction variable.
  Value loop(Value count) const {
    auto loop = scf::ForOp::create(b, constant(0), count, constant(1));
    b.setInsertionPoint(loop.getBody()->getTerminator());
    return loop.getInductionVar();
  }
};
} // namespace

/// Starts a loop over numbers that a counter gives out, behind the block's own, which is the first.
static Value startCounting(KernelBuilder &kernel, Value block, Value blocks, Value total) {
  ImplicitLocOpBuilder &b = kernel.body();
  Value counter = kernel.getPlan().allocateZeroed(1);
  SmallVector<Type> types{b.getIndexType()};
  auto loop = scf::WhileOp::create(b, types, ValueRange{block});
  Block *before = b.createBlock(&loop.getBefore(), {}, types, b.getLoc());
  Value more = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, before->getArgument(0), total);
  scf::ConditionOp::create(b, more, before->getArguments());
  Block *body = b.createBlock(&loop.getAfter(), {}, types, b.getLoc());
  // Asked for now, read when this piece is done.
  Value number = tile::NextItemOp::create(b, b.getIndexType(), kernel.import(counter), kernel.constant(0));
  Value next = arith::AddIOp::create(b, blocks, number);
  scf::YieldOp::create(b, next);
  b.setInsertionPoint(next.getDefiningOp());
  return body->getArgument(0);
}

WorkItem heddle::startWork(KernelBuilder &kernel, WorkOrder order, const WorkSize &size) {
  if (order == WorkOrder::Blocks) {
    SmallVector<Value> ids = kernel.startBody({size.rows, size.heads, size.batches});
    return {ids[0], ids[1], ids[2]};
  }
  ImplicitLocOpBuilder &h = kernel.head();
  ImplicitLocOpBuilder &p = kernel.getPlan().getBuilder();
  Value machine = kernel.import(tile::MachineOp::create(p, p.getIndexType()));
  Value allHeads = arith::MulIOp::create(h, size.heads, size.batches),
        total = arith::MulIOp::create(h, size.rows, allHeads);
  Value blocks = arith::MinSIOp::create(h, total, machine);
  Value block = kernel.startBody({blocks})[0];
  IndexMath m{kernel.body()};

  // `count` pieces, those of a round in the order `place`; the last round may lack some.
  auto loopOver = [&](Value count, function_ref<Value(Value)> place) {
    Value full = m.div(count, blocks);
    Value hasMore = m.isLess(place(full), m.rem(count, blocks));
    Value round = m.loop(m.add(full, m.select(hasMore, m.constant(1), m.constant(0))));
    return m.add(m.mul(round, blocks), place(round));
  };
  if (order != WorkOrder::BackAndForth) {
    Value item = order == WorkOrder::Counter ? startCounting(kernel, block, blocks, total)
                                             : loopOver(total, [&](Value) { return block; });
    Value head = m.div(item, size.rows);
    return {m.rem(item, size.rows), m.rem(head, size.heads), m.div(head, size.heads)};
  }
  Value number = m.loop(m.div(m.sub(m.add(allHeads, size.group), m.constant(1)), size.group));
  Value firstHead = m.mul(number, size.group), headsHere = m.min(size.group, m.sub(allHeads, firstHead));
  Value back = m.sub(m.sub(blocks, m.constant(1)), block), turned = m.isOdd(number);
  Value item = loopOver(m.mul(size.rows, headsHere), [&](Value round) {
    Value isBack = arith::XOrIOp::create(m.b, m.isOdd(round), turned);
    return m.select(isBack, back, block);
  });
  Value head = m.add(firstHead, m.rem(item, headsHere));
  if (size.batchesFastest)
    return {m.div(item, headsHere), m.div(head, size.batches), m.rem(head, size.batches)};
  return {m.div(item, headsHere), m.rem(head, size.heads), m.div(head, size.heads)};
}
