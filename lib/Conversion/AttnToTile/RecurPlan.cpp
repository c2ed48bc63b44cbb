//===- RecurPlan.cpp - which kernels a recurrence becomes, and their plan ---===//
//
// One kernel, a block for each head, where these fill the machine. Where they do not:
// blocks for segments of the tokens, in two kernels, if there are tokens enough; else
// blocks that own fewer columns of the state. Sums of gates may come from a kernel in
// front of them all (GateSums.h), and where gates are checked (ChannelChunk.h)
// one more kernel behind these repeats the heads whose gates were not moderate.
//
// Shown by test/Conversion/attn-to-tile-recur-plan.mlir.
//===----------------------------------------------------------------------===//
#include "GateSums.h"
#include "RecurKernel.h"
#include "heddle/Analysis/ReadPosition.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

/// Segments read keys and values twice, which two do not make up for.
static constexpr int64_t kFewestSegments = 3;
/// Of a segment that is worth a block of its own.
static constexpr int64_t kFewestChunks = 4;
/// Products of fewer columns cost as much as products of so many.
static constexpr int64_t kFewestColumns = 32;
/// Of a group of warps, where columns are rows of its products.
static constexpr int64_t kFewestRows = 64;

namespace {
class RecurPlan {
public:
  RecurPlan(PlanBuilder &plan, attn::RecurOp op, const RecurSchedule &schedule, ArrayRef<KernelOutput> outputs,
            ArrayRef<InnerAttend> inner)
      : plan(plan), b(plan.getBuilder()), op(op), schedule(schedule), outputs(outputs), inner(inner) {}

  LogicalResult emit();

private:
  bool canDivide();
  SegmentWorkspace allocate(Value segments, Value count);
  LogicalResult emitSegments(const SegmentWorkspace &workspace);
  LogicalResult emitKernel(RecurRole role, const RecurSchedule &chosen, const SegmentWorkspace *workspace,
                           ArrayRef<KernelOutput> stored);
  LogicalResult emitColumns(int64_t columns);
  LogicalResult emitFewerColumns(int64_t columns, Value machine);
  Value fewerColumnsFit(int64_t columns, Value machine);
  bool addsUpItself();
  LogicalResult prepareSums(Value isDivided = {}, Value machine = {});
  Value blocksOf(int64_t columns);
  void allocateMarks(Value count);
  LogicalResult emitChecked(const SegmentWorkspace *workspace, llvm::function_ref<LogicalResult()> emit);

  PlanBuilder &plan;
  ImplicitLocOpBuilder &b;
  attn::RecurOp op;
  const RecurSchedule &schedule;
  ArrayRef<KernelOutput> outputs;
  ArrayRef<InnerAttend> inner;
  Value batch, heads;
  Value marks;     ///< see GateCheck; null where gates are not checked
  GateCheck check; ///< of the kernels that are emitted
  Value gateSums;  ///< that they read; null where each adds up its own
};
} // namespace

/// Whether what a segment adds and the sum of its gates say all that the next ones need.
bool RecurPlan::canDivide() {
  return !op.hasAt() && !op.getSegments() && !(op.getMass() && op.isGatedByChannel()) &&
         (!op.isGatedByChannel() || schedule.hasChannelRows) && !isOneToken(op);
}

/// `count` arrays of each kind: no segments, no workspace.
SegmentWorkspace RecurPlan::allocate(Value segments, Value count) {
  constexpr int64_t kDynamic = ShapedType::kDynamic;
  Type f32 = b.getF32Type();
  SegmentWorkspace workspace{segments, {}, {}, {}};
  Value sizes[] = {count, batch, heads};
  SmallVector<int64_t> shape(3, kDynamic), sums(shape);
  llvm::append_values(sums, op.getKeyWidth(), op.getValueWidth());
  if (schedule.isTurned)
    std::swap(sums[3], sums[4]);
  workspace.sums = plan.allocate(MemRefType::get(sums, f32), sizes);
  if (op.getMass())
    workspace.masses = plan.allocate(MemRefType::get({kDynamic, kDynamic, kDynamic, op.getKeyWidth()}, f32), sizes);
  if (op.isGatedByChannel())
    shape.push_back(op.getKeyWidth());
  if (op.getGate())
    workspace.decays = plan.allocate(MemRefType::get(shape, f32), sizes);
  return workspace;
}

/// What a kernel is for, in a sentence.
static std::string describe(RecurRole role, const GateCheck &check, int64_t columns, int64_t valueWidth) {
  if (role == RecurRole::States)
    return "what each segment of the tokens adds to the state";
  std::string text =
      role == RecurRole::Rows ? "segments of the tokens, from what those before leave" : "whole sequences";
  if (columns < valueWidth)
    text += ", a block for every " + std::to_string(columns) + " columns of the state";
  if (check.part == GateCheck::Moderate)
    text += ", as if all gates were moderate";
  if (check.part == GateCheck::Excessive)
    text += ", of heads whose gates were not moderate";
  return text;
}

LogicalResult RecurPlan::emitKernel(RecurRole role, const RecurSchedule &chosen, const SegmentWorkspace *workspace,
                                    ArrayRef<KernelOutput> stored) {
  bool isOwn = role == RecurRole::Whole && addsUpItself() && chosen.valueColumns == schedule.valueColumns;
  if (failed(RecurKernel(plan, op, chosen, role, workspace, check, isOwn ? Value() : gateSums)
                 .emit(stored, role == RecurRole::States ? ArrayRef<InnerAttend>() : inner)))
    return failure();
  auto launch = cast<tile::LaunchOp>(*std::prev(b.getInsertionPoint()));
  SymbolTable::lookupNearestSymbolFrom(launch, launch.getKernelAttr())
      ->setAttr("tile.part", b.getStringAttr(describe(role, check, chosen.valueColumns, op.getValueWidth())));
  return success();
}

LogicalResult RecurPlan::emitSegments(const SegmentWorkspace &workspace) {
  if (failed(emitKernel(RecurRole::States, schedule, &workspace, {})))
    return failure();
  return emitChecked(&workspace, [&] { return emitKernel(RecurRole::Rows, schedule, &workspace, outputs); });
}

/// `count` for each head.
void RecurPlan::allocateMarks(Value count) {
  constexpr int64_t kDynamic = ShapedType::kDynamic;
  if (schedule.checksGates)
    marks = plan.allocate(MemRefType::get({kDynamic, kDynamic, kDynamic}, b.getF32Type()), {count, batch, heads});
}

/// What `emit` emits, for moderate gates, then a kernel with all columns for the others; `emit` alone if nothing is
/// checked.
LogicalResult RecurPlan::emitChecked(const SegmentWorkspace *workspace, llvm::function_ref<LogicalResult()> emit) {
  if (!marks)
    return emit();
  check = {GateCheck::Moderate, marks};
  if (failed(emit()))
    return failure();
  check = {GateCheck::Excessive, marks};
  LogicalResult result = emitKernel(workspace ? RecurRole::Rows : RecurRole::Whole, schedule, workspace, outputs);
  check = {};
  return result;
}

LogicalResult RecurPlan::emitColumns(int64_t columns) {
  RecurSchedule chosen = schedule;
  chosen.valueColumns = columns;
  return emitKernel(RecurRole::Whole, chosen, nullptr, outputs);
}

/// Whether a kernel with all columns adds up gates of its own: they lie token by token, and it waits for memory anyway.
bool RecurPlan::addsUpItself() { return op.getGate() && plan.memory(op.getGate()) && !schedule.tileChannels; }

/// The kernel in front. It runs for segments, where `isDivided`, and for fewer columns; without `machine` for all.
LogicalResult RecurPlan::prepareSums(Value isDivided, Value machine) {
  if (!hasGateSums(op, schedule))
    return success();
  Value isUsed;
  if (machine && addsUpItself()) {
    isUsed = fewerColumnsFit(schedule.valueColumns, machine);
    if (isDivided)
      isUsed = isUsed ? arith::OrIOp::create(b, isDivided, isUsed).getResult() : isDivided;
    if (!isUsed)
      return success();
  }
  FailureOr<Value> sums = emitGateSums(plan, op, schedule, isUsed);
  if (succeeded(sums))
    gateSums = *sums;
  return sums;
}

Value RecurPlan::blocksOf(int64_t columns) {
  int64_t slices = llvm::divideCeil(llvm::alignTo(op.getValueWidth(), 16), columns);
  return arith::MulIOp::create(b, arith::MulIOp::create(b, heads, batch), plan.constant(slices));
}

/// Whether blocks with half as many columns run at a time; null where there are none.
Value RecurPlan::fewerColumnsFit(int64_t columns, Value machine) {
  int64_t half = columns / 2;
  if (half < (schedule.isTurned ? kFewestRows : kFewestColumns) || half % 16)
    return {};
  return arith::CmpIOp::create(b, arith::CmpIPredicate::sle, blocksOf(half), machine);
}

/// Half as many columns, as long as the blocks run at a time. Each reads all queries and keys again, from the cache.
LogicalResult RecurPlan::emitFewerColumns(int64_t columns, Value machine) {
  Value fits = fewerColumnsFit(columns, machine);
  if (!fits)
    return emitColumns(columns);
  auto branch = scf::IfOp::create(b, fits, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  if (failed(emitFewerColumns(columns / 2, machine)))
    return failure();
  b.setInsertionPointToStart(branch.elseBlock());
  return emitColumns(columns);
}

LogicalResult RecurPlan::emit() {
  bool isFixed = schedule.segments > 1 && canDivide(), isOne = isOneToken(op);
  bool isFilled = schedule.fillsMachine && !op.hasAt() && !isOne, isChecked = schedule.checksGates && !isOne;
  if (!isFixed && !isFilled && !isChecked)
    return emitColumns(schedule.valueColumns);
  // Sizes before any branch: what is computed here is used again.
  batch = largestExtent(plan, b, op.getBatchExtents());
  heads = largestExtent(plan, b, op.getHeadExtents());
  if (isFixed) {
    Value segments = plan.constant(schedule.segments);
    allocateMarks(segments);
    return failed(prepareSums()) ? failure() : emitSegments(allocate(segments, segments));
  }
  if (!isFilled) {
    allocateMarks(plan.constant(1));
    return failed(prepareSums()) ? failure() : emitChecked(nullptr, [&] { return emitColumns(schedule.valueColumns); });
  }
  Value machine = tile::MachineOp::create(b, b.getIndexType());
  auto emitWhole = [&] {
    return emitChecked(nullptr, [&] { return emitFewerColumns(schedule.valueColumns, machine); });
  };
  if (!canDivide() || schedule.segments == 1) {
    allocateMarks(plan.constant(1));
    return failed(prepareSums({}, machine)) ? failure() : emitWhole();
  }
  Value blocks = arith::MaxSIOp::create(b, blocksOf(schedule.valueColumns), plan.constant(1));
  Value chunks = arith::DivSIOp::create(b, plan.dim(op.getKey(), 2), plan.constant(schedule.chunk * kFewestChunks));
  Value segments = arith::MinSIOp::create(b, arith::DivSIOp::create(b, machine, blocks), chunks);
  Value isDivided = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, segments, plan.constant(kFewestSegments));
  SegmentWorkspace workspace = allocate(segments, arith::SelectOp::create(b, isDivided, segments, plan.constant(0)));
  allocateMarks(arith::SelectOp::create(b, isDivided, segments, plan.constant(1)));
  if (failed(prepareSums(isDivided, machine)))
    return failure();
  auto branch = scf::IfOp::create(b, isDivided, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  if (failed(emitSegments(workspace)))
    return failure();
  b.setInsertionPointToStart(branch.elseBlock());
  return emitWhole();
}

LogicalResult heddle::emitRecur(PlanBuilder &plan, attn::RecurOp op, const RecurSchedule &schedule,
                                ArrayRef<KernelOutput> outputs, ArrayRef<InnerAttend> inner) {
  if (op.hasAt() && !neverFalls(op.getAt()))
    return op.emitOpError("expected rows that read at positions that never fall; lower it with attn-to-loops");
  return RecurPlan(plan, op, schedule, outputs, inner).emit();
}
