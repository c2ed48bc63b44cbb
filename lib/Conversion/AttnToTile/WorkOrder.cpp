//===- WorkOrder.cpp - which block of a kernel computes what ----------------===//
#include "WorkOrder.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

WorkItem heddle::startBlocks(KernelBuilder &kernel, Value rows, Value heads, Value batches) {
  SmallVector<Value> ids = kernel.startBody({rows, heads, batches});
  return {ids[0], ids[1], ids[2]};
}

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

WorkItem heddle::startWorkLoop(KernelBuilder &kernel, Value rows, Value heads, Value batches, const HeadOrder &order) {
  ImplicitLocOpBuilder &h = kernel.head();
  ImplicitLocOpBuilder &p = kernel.getPlan().getBuilder();
  Value machine = kernel.import(tile::MachineOp::create(p, p.getIndexType()));
  Value allHeads = arith::MulIOp::create(h, heads, batches), total = arith::MulIOp::create(h, rows, allHeads);
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
  Value group = order.group;
  if (!group) {
    Value item = loopOver(total, [&](Value) { return block; });
    Value head = m.div(item, rows);
    return {m.rem(item, rows), m.rem(head, heads), m.div(head, heads)};
  }
  Value number = m.loop(m.div(m.sub(m.add(allHeads, group), m.constant(1)), group));
  Value firstHead = m.mul(number, group), size = m.min(group, m.sub(allHeads, firstHead));
  Value back = m.sub(m.sub(blocks, m.constant(1)), block), turned = m.isOdd(number);
  Value item = loopOver(m.mul(rows, size), [&](Value round) {
    Value isBack = arith::XOrIOp::create(m.b, m.isOdd(round), turned);
    return m.select(isBack, back, block);
  });
  Value head = m.add(firstHead, m.rem(item, size));
  if (order.batchesFastest)
    return {m.div(item, size), m.div(head, batches), m.rem(head, batches)};
  return {m.div(item, size), m.rem(head, heads), m.div(head, heads)};
}
