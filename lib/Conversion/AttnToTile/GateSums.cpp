//===- GateSums.cpp - sums of a chunk's gates, by a kernel in front ---------===//
//
// The sums of a chunk's tokens (rows) in several heads (columns) are a product with a triangle of ones. Gates are
// three narrow terms that together lose nothing, the least first, so that the matrix unit's own sums keep them.
//
// Shown by test/Conversion/attn-to-tile-recur-gate-sums.mlir.
//
//===----------------------------------------------------------------------===//
#include "GateSums.h"
#include "ChunkDecay.h"
#include "dialects/Attn/SequenceLengths.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

/// Of a block: a product's columns, and two of a memory's sectors of gates side by side.
static constexpr int64_t kHeads = 16;

bool heddle::hasGateSums(attn::RecurOp op, const RecurSchedule &schedule) {
  SmallVector<Value> operands = op.getTokenOperands();
  operands.push_back(op.getQuery());
  return schedule.weighsKeys && op.getGate() && op.getGate().getType().getRank() == 3 && !op.hasAt() &&
         !op.getSegments() && attn::findSequenceLengths(operands).empty();
}

FailureOr<Value> heddle::emitGateSums(PlanBuilder &plan, attn::RecurOp op, const RecurSchedule &schedule,
                                      Value isUsed) {
  constexpr int64_t kDynamic = ShapedType::kDynamic;
  ImplicitLocOpBuilder &planned = plan.getBuilder();
  Value gate = op.getGate();
  int64_t size = schedule.chunk;
  auto chunksOf = [&](ScalarScope &scope, ImplicitLocOpBuilder &b) -> Value {
    return arith::CeilDivSIOp::create(b, scope.dim(gate, 2), scope.constant(size));
  };
  auto groupsOf = [&](ScalarScope &scope, ImplicitLocOpBuilder &b) -> Value {
    return arith::CeilDivSIOp::create(b, scope.dim(gate, 1), scope.constant(kHeads));
  };
  Value tokens = arith::MulIOp::create(planned, chunksOf(plan, planned), plan.constant(size));
  Value allHeads = arith::MulIOp::create(planned, groupsOf(plan, planned), plan.constant(kHeads));
  if (isUsed)
    allHeads = arith::SelectOp::create(planned, isUsed, allHeads, plan.constant(0));
  Value memory = plan.allocate(MemRefType::get({kDynamic, kDynamic, kDynamic}, planned.getF32Type()),
                               {plan.dim(gate, 0), allHeads, tokens});

  KernelBuilder kernel = KernelBuilder::create(plan);
  TileEmitter emitter(kernel);
  TileMath math(emitter);
  Value count = kernel.dim(gate, 2);
  SmallVector<Value> ids =
      kernel.startBody({chunksOf(kernel, kernel.head()), groupsOf(kernel, kernel.head()), kernel.dim(gate, 0)});
  ImplicitLocOpBuilder &b = kernel.body();
  Value first = arith::MulIOp::create(b, ids[0], kernel.constant(size));
  Value head = arith::MulIOp::create(b, ids[1], kernel.constant(kHeads));
  Lifted token = Lifted::positions(0, size, first);
  Value gates = emitter.tile(gate, {{ids[2]}, Lifted::positions(1, kHeads, head), token}, {size, kHeads});
  if (!gates)
    return failure();
  // Gates that are computed are so of tokens beyond the end, too.
  Value exists =
      math.compare(arith::CmpIPredicate::slt, emitter.materialize(token, {}), emitter.materialize({count}, {size, 1}));
  Value left = math.select(exists, ChunkDecay::inBase2(math, gates), math.number(0));

  Type narrow = b.getBF16Type();
  SmallVector<Value> terms;
  for (int term = 0; term < 3; ++term) {
    terms.push_back(math.narrow(left, narrow));
    left = math.sub(left, math.wide(terms.back()));
  }
  Value zero = kernel.constant(0);
  Value i = emitter.materialize(Lifted::positions(0, size, zero), {});
  Value j = emitter.materialize(Lifted::positions(1, size, zero), {});
  Value isSummed = math.compare(arith::CmpIPredicate::sge, i, j);
  Value triangle = math.narrow(math.select(isSummed, math.number(1), math.number(0)), narrow);
  Value sums = math.zeros({size, kHeads});
  for (Value term : llvm::reverse(terms))
    sums = math.dot(triangle, term, sums);
  // A column at a time: warps that have rows would each hold all of a transpose of so few.
  for (int64_t n = 0; n < kHeads; ++n) {
    Value column = tile::SliceOp::create(b, TileMath::typeOf(sums).clone({size, 1}), sums, 0, n);
    Value own = arith::AddIOp::create(b, head, kernel.constant(n));
    tile::StoreOp::create(b, column, kernel.import(memory), ValueRange{ids[2], own, first}, Value(), IntegerAttr(),
                          b.getUnitAttr());
  }
  OpBuilder::InsertionGuard guard(planned);
  if (isUsed)
    planned.setInsertionPointToStart(scf::IfOp::create(planned, isUsed, /*withElseRegion=*/false).thenBlock());
  kernel.launch();
  auto launch = cast<tile::LaunchOp>(*std::prev(planned.getInsertionPoint()));
  SymbolTable::lookupNearestSymbolFrom(launch, launch.getKernelAttr())
      ->setAttr("tile.part", planned.getStringAttr("sums of gates from the start of each chunk"));
  return memory;
}
