//===- AttendToLoops.cpp - reference semantics of attn.attend ---------------===//
//
// Written from the definition, without fusion. With a normalizer, one kernel per row
//
//     for each visible key: m = max(m, reference(s))
//     for each visible key: R_k += r_k(s, m)
//     c, stats = finish(m, R)
//
// stores the factors c and the reference m. Then one kernel per result computes
// every weight again, `w = sum_a c_a w_a(s, m)`, and adds it up in memory of `real`.
//
//===----------------------------------------------------------------------===//
#include "dialects/Attn/AttnOps.h"
#include "dialects/Attn/RankedStats.h"
#include "lib/Conversion/AttnToLoops/LoopLowerings.h"
#include "lib/Conversion/AttnToLoops/PairEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::loops;
using Values = KernelBuilder::Values;

//===----------------------------------------------------------------------===//
// The row kernel
//===----------------------------------------------------------------------===//

/// Folds over the visible keys of a row. The last carried value is whether there was one.
static Values foldRow(PairEmitter &emitter, KernelBuilder &kernel, const Pair &row, ValueRange initial,
                      llvm::function_ref<Values(const Pair &, Value, ValueRange)> fold) {
  Values extents = emitter.keyExtents();
  return kernel.loop(extents[0], initial, [&](Value j, ValueRange outer) {
    auto at = [&](Value k, ValueRange carried) {
      Pair pair = {row.b, row.h, row.i, j, k};
      return emitter.whenVisible(pair, carried, [&](ValueRange scores) { return fold(pair, scores[0], carried); });
    };
    return extents.size() == 1 ? at(Value(), outer) : kernel.loop(extents[1], outer, at);
  });
}

static RowMemory emitRows(attn::AttendOp op, attn::NormalizerOp normalizer, PlanBuilder &plan, ArrayRef<Value> shape) {
  RowMemory memory;
  SmallVector<Value> factorShape(shape);
  factorShape.push_back(plan.constant(normalizer.getNumWeights()));
  memory.factors = plan.allocate(plan.getReal(), factorShape);
  if (normalizer.hasReference())
    memory.reference = plan.allocate(plan.getReal(), shape);
  SmallVector<Value> stats;
  for (Value stat : op.getStatResults())
    stats.push_back(plan.allocate(stat, shape));

  KernelBuilder kernel(plan);
  PairEmitter emitter(op, normalizer, kernel);
  Values grid = kernel.openGrid({emitter.rows(), emitter.extent(1), emitter.extent(0)});
  ImplicitLocOpBuilder &body = kernel.body();
  Pair row = {grid[2], grid[1], grid[0], Value(), Value()};
  Value lowest = kernel.real(-std::numeric_limits<double>::infinity());
  Value never = arith::ConstantIntOp::create(body, 0, 1), once = arith::ConstantIntOp::create(body, 1, 1);

  Value reference;
  if (normalizer.hasReference()) {
    reference = foldRow(emitter, kernel, row, lowest, [&](const Pair &pair, Value s, ValueRange carried) -> Values {
      Value own = emitter.run(normalizer.getReference(), s, {pair.b, pair.h, pair.i, pair.j})[0];
      return {arith::MaximumFOp::create(body, carried[0], own)};
    })[0];
    kernel.store(reference, kernel.buffer(memory.reference), {row.b, row.h, row.i});
  }
  // Of references below the rank before: the largest, and how many are that.
  Values ranks;
  for (unsigned rank = 0; rank < attn::countRanks(op); ++rank) {
    auto fold = [&](Value from, function_ref<Value(Value own, Value carried)> next) {
      return foldRow(emitter, kernel, row, from, [&](const Pair &pair, Value s, ValueRange carried) -> Values {
        return {next(emitter.run(normalizer.getReference(), s, {pair.b, pair.h, pair.i, pair.j})[0], carried[0])};
      })[0];
    };
    Value best = reference;
    if (rank)
      best = fold(lowest, [&](Value own, Value carried) -> Value {
        Value isBelow = arith::CmpFOp::create(body, arith::CmpFPredicate::OLT, own, ranks[2 * rank - 2]);
        return arith::MaximumFOp::create(body, carried, arith::SelectOp::create(body, isBelow, own, lowest));
      });
    Value zero = kernel.real(0), one = kernel.real(1);
    ranks.push_back(best);
    ranks.push_back(fold(zero, [&](Value own, Value carried) -> Value {
      Value isBest = arith::CmpFOp::create(body, arith::CmpFPredicate::OEQ, own, best);
      return arith::AddFOp::create(body, carried, arith::SelectOp::create(body, isBest, one, zero));
    }));
  }
  Values initial(normalizer.getNumSums(), kernel.real(0));
  initial.push_back(never);
  Values sums = foldRow(emitter, kernel, row, initial, [&](const Pair &pair, Value s, ValueRange carried) {
    Values reals = {s};
    if (reference)
      reals.push_back(reference);
    Values terms = emitter.run(normalizer.getWeight(), reals, {pair.b, pair.h, pair.i, pair.j});
    Values next;
    for (unsigned sum = 0; sum < normalizer.getNumSums(); ++sum)
      next.push_back(arith::AddFOp::create(body, carried[sum], terms[normalizer.getNumWeights() + sum]));
    next.push_back(once);
    return next;
  });
  Value any = sums.pop_back_val();

  Values otherwise(normalizer.getNumWeights(), kernel.real(0));
  otherwise.append(normalizer.getNumStats(), lowest);
  Values finished = kernel.when(any, otherwise, [&] {
    Values reals;
    if (reference)
      reals.push_back(reference);
    llvm::append_range(reals, sums);
    return emitter.run(normalizer.getFinish(), reals, {row.b, row.h, row.i});
  });
  for (unsigned index = 0; index < normalizer.getNumWeights(); ++index)
    kernel.store(finished[index], kernel.buffer(memory.factors), {row.b, row.h, row.i, kernel.constant(index)});
  for (auto [name, stat] : llvm::zip_equal(op.getStatNames(), stats)) {
    Value value = reference;
    if (std::optional<attn::RankedStat> ranked = attn::RankedStat::parse(name))
      value = ranks[2 * ranked->rank + ranked->isCount];
    else if (name != attn::kMaxStat)
      value = finished[normalizer.getNumWeights() + *normalizer.getStatIndex(name)];
    kernel.store(value, kernel.buffer(stat), {row.b, row.h, row.i});
  }
  kernel.launch();
  return memory;
}

//===----------------------------------------------------------------------===//
// Kernels of the results
//===----------------------------------------------------------------------===//

/// The heads (or batches) that one of a result's stands for.
static Value groupSize(PairEmitter &emitter, KernelBuilder &kernel, Value memory, unsigned dim) {
  Value own = kernel.size(memory, dim), whole = emitter.extent(dim);
  return own == whole ? kernel.constant(1) : kernel.combine<arith::DivUIOp>(whole, own);
}

/// A result over positions of one side, summed over the other: a value (over rows) or a covalue (over keys).
static void emitWeightedSum(attn::AttendOp op, attn::NormalizerOp normalizer, PlanBuilder &plan, unsigned result,
                            ValueRange operands, const RowMemory &row) {
  bool overRows = result < op.getNumValues();
  Value target = plan.memory(op.getResult(result));
  KernelBuilder kernel(plan);
  PairEmitter emitter(op, normalizer, kernel);
  Value memory = kernel.buffer(target);
  Value heads = groupSize(emitter, kernel, memory, 1), batches = groupSize(emitter, kernel, memory, 0);
  Values summed = {batches, heads}, keys = emitter.keyExtents();
  if (!overRows)
    keys[0] = emitter.rows();
  llvm::append_range(summed, keys);
  Value width = kernel.size(memory, 3);
  Values grid = kernel.openGrid({kernel.size(memory, 2), kernel.size(memory, 1), kernel.size(memory, 0)});
  ImplicitLocOpBuilder &body = kernel.body();
  kernel.loop(width, [&](Value e) { kernel.store(kernel.real(0), memory, {grid[2], grid[1], grid[0], e}); });

  auto member = [&](Value group, Value size, Value index) -> Value {
    return arith::AddIOp::create(body, arith::MulIOp::create(body, group, size), index);
  };
  kernel.nest(summed, [&](Values at) {
    Pair pair = {member(grid[2], batches, at[0]), member(grid[1], heads, at[1]), overRows ? grid[0] : at[2],
                 overRows ? at[2] : grid[0], at.size() == 4 ? at[3] : Value()};
    emitter.whenVisible(pair, {}, [&](ValueRange scores) -> Values {
      Value w = emitter.weight(result, scores, pair, row);
      kernel.loop(width, [&](Value e) {
        Value term = arith::MulFOp::create(body, w, emitter.read(operands[0], pair, overRows ? pair.j : pair.i, e));
        if (operands.size() == 2)
          term = arith::MulFOp::create(body, term, emitter.read(operands[1], pair, pair.k, e));
        Values indices = {grid[2], grid[1], grid[0], e};
        kernel.store(arith::AddFOp::create(body, kernel.load(memory, indices), term), memory, indices);
      });
      return {};
    });
  });
  kernel.launch();
}

/// A table, by one block: pairs of any positions may meet in an element.
static void emitTable(attn::AttendOp op, attn::NormalizerOp normalizer, PlanBuilder &plan, unsigned table,
                      const RowMemory &row) {
  unsigned result = op.getNumValues() + op.getNumCovalues() + table;
  Value target = plan.memory(op.getResult(result));
  KernelBuilder kernel(plan);
  PairEmitter emitter(op, normalizer, kernel);
  Value memory = kernel.buffer(target);
  Values shape = kernel.sizes(memory);
  Values pairs = {emitter.extent(0), emitter.extent(1), emitter.rows()};
  llvm::append_range(pairs, emitter.keyExtents());
  kernel.openGrid(kernel.constant(1));
  ImplicitLocOpBuilder &body = kernel.body();
  kernel.nest(shape, [&](Values at) { kernel.store(kernel.real(0), memory, at); });
  kernel.nest(pairs, [&](Values at) {
    Pair pair = {at[0], at[1], at[2], at[3], at.size() == 5 ? at[4] : Value()};
    emitter.whenVisible(pair, {}, [&](ValueRange scores) -> Values {
      Value w = emitter.weight(result, scores, pair, row);
      Values element = kernel.inlined(op.getTableRegions()[table], at);
      Value inside;
      for (auto [position, extent] : llvm::zip_equal(element, shape)) {
        // Unsigned, so that a negative position is outside too.
        Value below = arith::CmpIOp::create(body, arith::CmpIPredicate::ult, position, extent);
        inside = inside ? arith::AndIOp::create(body, inside, below) : below;
      }
      kernel.when(inside,
                  [&] { kernel.store(arith::AddFOp::create(body, kernel.load(memory, element), w), memory, element); });
      return {};
    });
  });
  kernel.launch();
}

static LogicalResult lowerAttend(attn::AttendOp op, PlanBuilder &plan) {
  attn::NormalizerOp normalizer = op.lookupNormalizer();
  if (op.isNormalized() && !normalizer)
    return op.emitOpError("expected ") << op.getNormalizerAttr() << " to be defined, got no such symbol";
  auto hostExtent = [&](unsigned dim) {
    return largestExtent(
        operandDimensions(op, dim), [&](Value operand, int64_t dimension) { return plan.size(operand, dimension); },
        [&](Value a, Value b) { return plan.host().createOrFold<arith::MaxSIOp>(a, b); });
  };
  Value batch = hostExtent(0), heads = hostExtent(1);
  Value rows = plan.size(op.getRowOperands().front(), 2), keys = plan.size(op.getKeyOperands().front(), 2);
  auto allocate = [&](Value result, Value length, Value operand) {
    auto type = cast<RankedTensorType>(result.getType());
    plan.allocate(result,
                  {type.isDynamicDim(0) ? batch : plan.constant(type.getDimSize(0)),
                   type.isDynamicDim(1) ? heads : plan.constant(type.getDimSize(1)), length, plan.size(operand, 3)});
  };
  for (auto [value, result] : llvm::zip_equal(op.getValueGroups(), op.getValueResults()))
    allocate(result, rows, value.front());
  for (auto [covalue, result] : llvm::zip_equal(op.getCovalues(), op.getCovalueResults()))
    allocate(result, keys, covalue);
  for (auto [index, result] : llvm::enumerate(op.getTableResults())) {
    auto type = cast<RankedTensorType>(result.getType());
    SmallVector<Value> shape;
    auto given = op.getSizesOfTable(index).begin();
    for (int64_t extent : type.getShape()) {
      shape.push_back(ShapedType::isDynamic(extent) ? plan.hostScalar(*given++) : plan.constant(extent));
      if (!shape.back())
        return failure();
    }
    plan.allocate(result, shape);
  }

  RowMemory row;
  if (normalizer)
    row = emitRows(op, normalizer, plan, {batch, heads, rows});
  for (auto [index, value] : llvm::enumerate(op.getValueGroups()))
    emitWeightedSum(op, normalizer, plan, index, value, row);
  for (auto [index, covalue] : llvm::enumerate(op.getCovalues()))
    emitWeightedSum(op, normalizer, plan, op.getNumValues() + index, covalue, row);
  for (unsigned table = 0; table < op.getNumTables(); ++table)
    emitTable(op, normalizer, plan, table, row);
  return success();
}

void heddle::loops::addAttendLowering(LoopLowerings &lowerings) { lowerings.add<attn::AttendOp>(lowerAttend); }
