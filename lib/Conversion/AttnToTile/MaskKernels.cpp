//===- MaskKernels.cpp ------------------------------------------------------===//
#include "MaskKernels.h"
#include "BlockPlace.h"
#include "MaskEvaluation.h"
#include "PackedRows.h"
#include "dialects/Attn/SequenceLengths.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace heddle;

Value heddle::getAttendSize(ScalarScope &scope, ImplicitLocOpBuilder &b, attn::AttendOp op, int64_t which) {
  SmallVector<Value> rows = op.getRowOperands(), keys = op.getKeyOperands();
  if (which >= 2)
    return scope.dim(which == 2 ? rows.front() : keys.front(), 2);
  Value extent;
  for (Value operand : llvm::concat<Value>(rows, keys)) {
    Value next = scope.dim(operand, which);
    extent = !extent || extent == next ? next : arith::MaxUIOp::create(b, extent, next).getResult();
  }
  return extent;
}

Lengths heddle::emitLengths(attn::AttendOp op, Value batch, Value rowCount, Value keyCount, KernelBuilder &kernel,
                            TileEmitter &emitter) {
  SequenceEnd rows = findSequenceEnd(op.getRowOperands(), batch, rowCount, kernel, emitter);
  SequenceEnd keys = findSequenceEnd(op.getKeyOperands(), batch, keyCount, kernel, emitter);
  Value isClamped = rows.isClamped ? rows.isClamped : keys.isClamped;
  if (rows.isClamped && keys.isClamped)
    isClamped = arith::OrIOp::create(emitter.builder(), rows.isClamped, keys.isClamped);
  return {rows.count, keys.count, isClamped};
}

/// What the analysis needs to write its expressions in a kernel.
static MaskAnalysis::Environment makeEnvironment(const PreparedMask &mask, const RowBlock &block, KernelBuilder &kernel,
                                                 TileEmitter &emitter) {
  ImplicitLocOpBuilder &b = emitter.builder();
  MaskAnalysis::Environment environment;
  environment.batch = block.batch;
  environment.head = block.head;
  environment.rowBegin = block.firstRow;
  environment.rowEnd = block.rowEnd;
  environment.keyCount = block.keyLength;
  environment.residue = block.residue;
  environment.scalar = [&](Value value) { return emitter.scalar(value); };
  environment.load = [&](OpBuilder &at, Location, Value tensor, ValueRange indices) {
    ImplicitLocOpBuilder &b = emitter.builder();
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(at.getInsertionBlock(), at.getInsertionPoint());
    SmallVector<Lifted> lifted;
    for (Value index : indices)
      lifted.push_back({index});
    return emitter.element(tensor, lifted).value;
  };
  environment.dim = [&](Value tensor, int64_t dimension) { return kernel.dim(tensor, dimension); };
  for (size_t fact = 0; fact < mask.analysis->getTableFacts().size(); ++fact) {
    Value violations = memref::LoadOp::create(b, kernel.import(mask.violations), kernel.constant(fact));
    Value none = arith::ConstantIntOp::create(b, 0, 32);
    environment.facts.push_back(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, violations, none));
  }
  return environment;
}

KeyRanges heddle::emitKeyRanges(const PreparedMask &mask, attn::AttendOp op, const RowBlock &block,
                                KernelBuilder &kernel, TileEmitter &emitter) {
  if (!mask.analysis) {
    KeyRange all{kernel.constant(0), block.keyLength};
    return {{all}, {all}};
  }
  return mask.analysis->emit(emitter.builder(), op.getLoc(), makeEnvironment(mask, block, kernel, emitter));
}

Value heddle::emitKeyResidue(const PreparedMask &mask, attn::AttendOp op, const RowBlock &block, KernelBuilder &kernel,
                             TileEmitter &emitter) {
  return mask.analysis->emitKeyResidue(emitter.builder(), op.getLoc(), makeEnvironment(mask, block, kernel, emitter));
}

/// A part of a mask as a scalar region: positions are counted within their class.
static std::shared_ptr<Block> writePart(const MaskAnalysis &part, Location loc) {
  auto block = std::make_shared<Block>();
  OpBuilder builder(loc.getContext());
  builder.setInsertionPointToEnd(block.get());
  MaskAnalysis::Environment environment;
  for (Value *argument :
       {&environment.batch, &environment.head, &environment.row, &environment.key, &environment.residue})
    *argument = block->addArgument(builder.getIndexType(), loc);
  environment.clampsCoordinates = false; // as the region itself reads
  environment.scalar = [](Value value) { return value; };
  environment.load = [](OpBuilder &b, Location at, Value tensor, ValueRange indices) -> Value {
    return tensor::ExtractOp::create(b, at, tensor, indices);
  };
  environment.dim = [&](Value tensor, int64_t dimension) -> Value {
    return tensor::DimOp::create(builder, loc, tensor, dimension);
  };
  attn::YieldOp::create(builder, loc, part.emitMask(builder, loc, environment));
  return block;
}

FailureOr<Value> heddle::emitVisible(const PreparedMask &mask, attn::AttendOp op, const RowBlock &block,
                                     const Lifted &row, const Lifted &key, ArrayRef<int64_t> shape,
                                     TileEmitter &emitter) {
  if (!mask.analysis)
    return Value();
  Block &region = mask.part ? *mask.part : op.getMask().front();
  SmallVector<Lifted> arguments{{block.batch}, {block.head}, row, key};
  if (mask.part) {
    for (Lifted &position : MutableArrayRef(arguments).drop_front(2))
      position = position.ofClass(1, {});
    arguments.push_back({block.residue});
  }
  FailureOr<SmallVector<Lifted>> visible = emitter.apply(region, arguments);
  if (failed(visible))
    return failure();
  return emitter.materialize(visible->front(), shape);
}

/// Coordinates of a block of rows in the evaluated lists, which are shared by batches or heads that see alike.
static SmallVector<Value> getListCoordinates(const PreparedMask &mask, const RowBlock &block, int64_t rows,
                                             KernelBuilder &kernel) {
  Value rowBlock = arith::DivUIOp::create(kernel.body(), block.firstRow, kernel.constant(rows));
  return {mask.byBatch ? block.batch : kernel.constant(0), mask.byHead ? block.head : kernel.constant(0), rowBlock};
}

/// A search is a chain of reads. Done once for each block of rows, all at the same time, it does not hold up the
/// kernels that visit the keys: this kernel writes the ends of the ranges, may and full.
static void emitRangeTable(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule,
                           const PreparedMask &mask) {
  KernelBuilder kernel = KernelBuilder::create(plan);
  TileEmitter emitter(kernel);
  ImplicitLocOpBuilder &head = kernel.head(), &b = kernel.body();
  Value target = kernel.import(mask.table);
  auto extent = [&](int64_t dim) { return memref::DimOp::create(head, target, dim).getResult(); };
  SmallVector<Value> ids = kernel.startBody({extent(2), extent(1), extent(0)});
  RowBlock block;
  block.batch = ids[2];
  block.head = ids[1];
  block.firstRow = arith::MulIOp::create(b, ids[0], kernel.constant(schedule.rows));
  Lengths lengths = emitLengths(op, block.batch, getAttendSize(kernel, head, op, 2), getAttendSize(kernel, head, op, 3),
                                kernel, emitter);
  block.rowLength = lengths.rows;
  block.keyLength = lengths.keys;
  Value end = arith::AddIOp::create(b, block.firstRow, kernel.constant(schedule.rows));
  block.rowEnd = arith::MinSIOp::create(b, end, block.rowLength);
  KeyRanges ranges = emitKeyRanges(mask, op, block, kernel, emitter);
  int64_t place = 0;
  for (const SmallVector<KeyRange> &kind : {ranges.may, ranges.full})
    for (const KeyRange &range : kind)
      for (Value bound : {range.begin, range.end}) {
        Value word = arith::IndexCastOp::create(b, b.getI32Type(), bound);
        memref::StoreOp::create(b, word, target, ValueRange{ids[2], ids[1], ids[0], kernel.constant(place++)});
      }
  kernel.launch();
}

static KeyRanges loadRanges(const PreparedMask &mask, const RowBlock &block, int64_t rows, KernelBuilder &kernel) {
  ImplicitLocOpBuilder &b = kernel.body();
  Value table = kernel.import(mask.table);
  SmallVector<Value> coordinates = getListCoordinates(mask, block, rows, kernel);
  int64_t place = 0;
  auto load = [&]() -> Value {
    SmallVector<Value> indices(coordinates);
    indices.push_back(kernel.constant(place++));
    return arith::IndexCastOp::create(b, b.getIndexType(), memref::LoadOp::create(b, table, indices));
  };
  KeyRanges ranges;
  for (SmallVector<KeyRange> *kind : {&ranges.may, &ranges.full})
    for (size_t range = 0; range < mask.analysis->getRanges().size(); ++range) {
      Value begin = load();
      kind->push_back({begin, load()});
    }
  return ranges;
}

KeyBlocks heddle::emitKeyBlocks(const PreparedMask &mask, attn::AttendOp op, const RowBlock &block,
                                const AttendSchedule &schedule, KernelBuilder &kernel, TileEmitter &emitter) {
  if (!mask.list) {
    KeyRanges ranges =
        mask.table ? loadRanges(mask, block, schedule.rows, kernel) : emitKeyRanges(mask, op, block, kernel, emitter);
    return (schedule.isPartialApart ? KeyBlocks::fromRangesApart : KeyBlocks::fromRanges)(emitter.builder(), ranges,
                                                                                          schedule.keys);
  }
  return KeyBlocks::fromList(emitter.builder(), kernel.import(mask.list), kernel.import(mask.count),
                             getListCoordinates(mask, block, schedule.rows, kernel), schedule.keys);
}

/// A kernel that looks for neighbours of a table that fall.
static LogicalResult emitFactKernel(PlanBuilder &plan, const TableFact &fact, Value violations, int64_t index) {
  constexpr int64_t kChunk = 256;
  KernelBuilder kernel = KernelBuilder::create(plan);
  TileEmitter emitter(kernel);
  ImplicitLocOpBuilder &head = kernel.head(), &b = kernel.body();
  int64_t rank = cast<RankedTensorType>(fact.tensor.getType()).getRank();
  Value size = kernel.dim(fact.tensor, fact.axis);
  SmallVector<Value> grid{arith::CeilDivSIOp::create(head, size, kernel.constant(kChunk)), kernel.constant(1),
                          kernel.constant(1)};
  for (int64_t dim = 0, next = 1; dim < rank; ++dim)
    if (dim != fact.axis) {
      Value extent = kernel.dim(fact.tensor, dim);
      grid[next] = next == 1 || rank <= 3 ? extent : arith::MulIOp::create(head, grid[next], extent).getResult();
      ++next;
    }
  if (rank > 3)
    return emitError(fact.tensor.getLoc(), "expected a searched table of rank 3 or less, got ")
           << fact.tensor.getType();
  SmallVector<Value> ids = kernel.startBody(grid);
  Value first = arith::MulIOp::create(b, ids[0], kernel.constant(kChunk));
  Value second = arith::AddIOp::create(b, first, kernel.constant(1));
  auto read = [&](Value base) -> Value {
    SmallVector<Lifted> indices;
    for (int64_t dim = 0, next = 1; dim < rank; ++dim)
      indices.push_back(dim == fact.axis ? Lifted::positions(0, kChunk, base, size) : Lifted{ids[next++]});
    Lifted entries = emitter.element(fact.tensor, indices);
    return entries.value ? emitter.materialize(entries, {kChunk, 1}) : Value();
  };
  Value entries = read(first), neighbours = read(second);
  if (!entries || !neighbours)
    return failure();
  Value falls = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, entries, neighbours);
  Value positions = emitter.materialize(Lifted::positions(0, kChunk, second), {});
  Value exists =
      arith::CmpIOp::create(b, arith::CmpIPredicate::slt, positions, emitter.materialize({size}, {kChunk, 1}));
  Value bad = arith::ExtUIOp::create(b, RankedTensorType::get({kChunk, 1}, b.getI32Type()),
                                     arith::AndIOp::create(b, falls, exists));
  Value any = tile::ReduceOp::create(b, RankedTensorType::get({1, 1}, b.getI32Type()), tile::ReduceKind::Max, bad, 0);
  Value word = tile::ScalarOp::create(b, b.getI32Type(), any);
  tile::AtomicMaxOp::create(b, word, kernel.import(violations), kernel.constant(index));
  kernel.launch();
  return success();
}

bool heddle::readsPairs(attn::AttendOp op) {
  attn::AttendOp::Positions positions = op.getPositions(op.getMask());
  auto dependsOn = [](Value value, Value position) {
    SmallVector<Value> pending{value};
    llvm::SmallPtrSet<Operation *, 8> seen;
    while (!pending.empty()) {
      Value next = pending.pop_back_val();
      if (next == position)
        return true;
      if (Operation *definition = next.getDefiningOp(); definition && seen.insert(definition).second)
        llvm::append_range(pending, definition->getOperands());
    }
    return false;
  };
  WalkResult result = op.getMask().walk([&](tensor::ExtractOp extract) {
    auto reads = [&](Value position) {
      return llvm::any_of(extract.getIndices(), [&](Value index) { return dependsOn(index, position); });
    };
    return reads(positions.i) && reads(positions.j) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return result.wasInterrupted();
}

/// Kernels that check what the analysis relies on.
static LogicalResult checkFacts(PlanBuilder &plan, PreparedMask &mask) {
  ArrayRef<TableFact> facts = mask.analysis->getTableFacts();
  if (facts.empty())
    return success();
  mask.violations = plan.allocateZeroed(facts.size());
  for (auto [index, fact] : llvm::enumerate(facts))
    if (failed(emitFactKernel(plan, fact, mask.violations, index)))
      return failure();
  return success();
}

bool heddle::searchesTables(attn::AttendOp op) {
  if (!op.hasMask())
    return false;
  std::optional<MaskAnalysis> analysis = MaskAnalysis::compute(op.getMask());
  return !analysis->needsEvaluation() && !readsPairs(op) && !analysis->getTableFacts().empty();
}

FailureOr<PreparedMask> heddle::preparePart(PlanBuilder &plan, const MaskAnalysis &part) {
  PreparedMask mask;
  mask.analysis = part;
  mask.part = writePart(part, plan.getSource().getLoc());
  if (failed(checkFacts(plan, mask)))
    return failure();
  return mask;
}

FailureOr<PreparedMask> heddle::prepareMask(PlanBuilder &plan, attn::AttendOp op, const AttendSchedule &schedule,
                                            ArrayRef<MaskAnalysis> parts, Value isUsed) {
  PreparedMask mask;
  if (!op.hasMask())
    return mask;
  mask.analysis = MaskAnalysis::compute(op.getMask());
  ImplicitLocOpBuilder &b = plan.getBuilder();
  Type i32 = b.getI32Type();
  constexpr int64_t kDynamic = ShapedType::kDynamic;
  bool evaluates = (mask.analysis->needsEvaluation() && parts.empty()) || readsPairs(op);
  if (!evaluates && failed(checkFacts(plan, mask)))
    return failure();
  if (!evaluates && !mask.violations)
    return mask;
  auto blocks = [&](int64_t which, int64_t size) -> Value {
    return arith::CeilDivSIOp::create(b, getAttendSize(plan, b, op, which), plan.constant(size));
  };
  Value one = plan.constant(1);
  bool hasLengths = !attn::findSequenceLengths(op.getRowOperands()).empty() ||
                    !attn::findSequenceLengths(op.getKeyOperands()).empty();
  mask.byBatch = mask.analysis->dependsOnBatch() || hasLengths;
  mask.byHead = mask.analysis->dependsOnHead();
  Value sizes[] = {mask.byBatch ? getAttendSize(plan, b, op, 0) : one,
                   mask.byHead ? getAttendSize(plan, b, op, 1) : one, blocks(2, schedule.rows),
                   blocks(3, schedule.keys)};
  if (!evaluates) {
    // Packed rows find their sequence and their rows in the kernel itself.
    if (!PackedRows::find(op, plan)) {
      int64_t ends = 4 * mask.analysis->getRanges().size();
      mask.table =
          plan.allocate(MemRefType::get({kDynamic, kDynamic, kDynamic, ends}, i32), ArrayRef(sizes).drop_back());
      emitRangeTable(plan, op, schedule, mask);
    }
    return mask;
  }
  if (isUsed)
    for (Value &size : sizes)
      size = arith::SelectOp::create(b, isUsed, size, plan.constant(0));
  auto lists = MemRefType::get({kDynamic, kDynamic, kDynamic, kDynamic}, i32);
  Value states = plan.allocate(lists, sizes);
  mask.list = plan.allocate(lists, sizes);
  mask.count = plan.allocate(MemRefType::get({kDynamic, kDynamic, kDynamic}, i32), ArrayRef(sizes).drop_back());
  OpBuilder::InsertionGuard guard(b);
  if (isUsed)
    b.setInsertionPointToStart(scf::IfOp::create(b, isUsed, /*withElseRegion=*/false).thenBlock());
  if (failed(emitEvaluation(plan, op, schedule, states)))
    return failure();
  emitListing(plan, states, mask.list, mask.count);
  return mask;
}
