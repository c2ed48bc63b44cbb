//===- AttendKernels.cpp - which kernels an attend becomes, and their plan --===//
//
// The direct kernel, or, when there are fewer blocks of rows than the machine runs at a
// time, kernels that share the keys out and merge, or, for a mask that keeps to residue
// classes, kernels of its parts, or, where positions are points of a grid, one over boxes of
// it. What the mask needs comes first.
//
//===----------------------------------------------------------------------===//
#include "AttendKernels.h"
#include "AttendKernel.h"
#include "GridBlocks.h"
#include "MaskKernels.h"
#include "OutputStore.h"
#include "ResidueParts.h"
#include "RowNormalizer.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

FailureOr<attn::NormalizerOp> heddle::findNormalizer(attn::AttendOp op) {
  attn::NormalizerOp definition = op.lookupNormalizer();
  if (op.isNormalized() && !definition)
    return op.emitOpError("expected the normalizer to be defined (run attn-link-prelude first), got ")
           << *op.getNormalizer();
  return definition;
}

static LogicalResult checkSupported(attn::AttendOp op) {
  if (op.getNumCovalues() || op.getNumTables())
    return op.emitOpError(
        "expected value results and statistics only, got results over keys or tables; lower it with attn-to-loops");
  if (op.getNumPairs() || op.hasSecondKeys())
    return op.emitOpError("expected dots of two operands; lower it with attn-to-loops");
  return success();
}

/// A merge holds two states at a time and has no products to feed: fewer rows keep it in registers. On a GPU what it
/// waits for is memory: small pieces by one warp each, and several shares at a time.
static AttendSchedule scheduleMerge(const AttendSchedule &schedule, attn::AttendOp op, int64_t weights,
                                    ArrayRef<KernelOutput> outputs) {
  constexpr int64_t fewRows = 16, fewColumns = 32, accumulatorsTogether = 4;
  AttendSchedule merging = schedule;
  merging.rows = std::min<int64_t>(schedule.rows, 64);
  if (!schedule.warps)
    return merging;
  // What is computed of a result may need whole rows of it.
  bool areResults = llvm::all_of(outputs, [&](const KernelOutput &output) {
    return getLogicalSource(output.tensor).getDefiningOp() == op.getOperation();
  });
  merging.rows = fewRows;
  if (!areResults)
    return merging;
  merging.valueColumns = fewColumns;
  int64_t accumulators = std::max<int64_t>(weights * op.getNumValues(), 1); // none: statistics alone
  merging.mergedTogether = std::max<int64_t>(accumulatorsTogether / accumulators, 1);
  return merging;
}

namespace {
/// What the direct kernel needs to be emitted, once or twice.
struct DirectKernel {
  PlanBuilder &plan;
  attn::AttendOp op;
  attn::NormalizerOp definition;
  const AttendSchedule &schedule;
  const PreparedMask &mask;
  ArrayRef<KernelOutput> outputs;
  std::vector<MaskAnalysis> parts; ///< of the mask, where it keeps to residue classes

  Value isDirect; ///< i1 of the plan: whether this kernel, or those in its place, run; null: always
  Value isStaged; ///< i1 of the plan, or null
  std::optional<StagedKeys> staged;
  Value isApart; ///< i1 of the plan: whether kernels of the parts run; null without
  std::optional<SplitWorkspace> state;

  /// Workspace. Before any branch of the plan: what it computes may be used again.
  void prepare() {
    auto ifDirect = [&](Value condition) -> Value {
      return isDirect ? arith::AndIOp::create(plan.getBuilder(), condition, isDirect).getResult() : condition;
    };
    if (!parts.empty()) {
      isApart = areResiduesWorthIt(plan, op, schedule, parts);
      state = allocateResidueState(plan, op, definition, parts, ifDirect(isApart));
    }
    if (!StagedKeys::isPossible(plan, op, schedule))
      return;
    isStaged = ifDirect(StagedKeys::isWorthIt(plan, op, schedule));
    if (isApart) {
      ImplicitLocOpBuilder &b = plan.getBuilder();
      Value isWhole = arith::XOrIOp::create(b, isApart, arith::ConstantIntOp::create(b, 1, 1));
      isStaged = arith::AndIOp::create(b, isStaged, isWhole);
    }
    staged.emplace(plan, op, schedule, isStaged);
  }

  /// This kernel, or where that pays those of the parts.
  LogicalResult emit() {
    if (!isApart)
      return emitWhole();
    ImplicitLocOpBuilder &b = plan.getBuilder();
    auto branch = scf::IfOp::create(b, isApart, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    if (failed(emitResidueParts(plan, op, definition, schedule, parts, *state, outputs)))
      return failure();
    b.setInsertionPointToStart(branch.elseBlock());
    return emitWhole();
  }

  LogicalResult emitWhole(const StagedKeys *from) {
    return emitAttendKernel(plan, op, definition, schedule, mask, AttendRole::Direct, nullptr, outputs, from);
  }
  /// Where many blocks of rows read the same keys, the kernel that reads them staged.
  LogicalResult emitWhole() {
    if (!staged)
      return emitWhole(nullptr);
    ImplicitLocOpBuilder &b = plan.getBuilder();
    auto branch = scf::IfOp::create(b, isStaged, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    if (failed(staged->emitKernels(plan)) || failed(emitWhole(&*staged)))
      return failure();
    b.setInsertionPointToStart(branch.elseBlock());
    return emitWhole(nullptr);
  }
};
} // namespace

LogicalResult heddle::emitAttend(PlanBuilder &plan, attn::AttendOp op, attn::NormalizerOp definition,
                                 const AttendSchedule &schedule, ArrayRef<KernelOutput> outputs, std::string &note) {
  if (failed(checkSupported(op)))
    return failure();
  std::vector<MaskAnalysis> parts = findResidueParts(plan, op);
  ImplicitLocOpBuilder &b = plan.getBuilder();
  OpBuilder::InsertionGuard guard(b);
  auto negate = [&](Value condition) -> Value {
    return arith::XOrIOp::create(b, condition, arith::ConstantIntOp::create(b, 1, 1));
  };
  std::optional<GridChoice> grid;
  if (parts.empty() && !(schedule.splitKeys && schedule.splits))
    grid = findGrid(plan, op, schedule, outputs);
  Value isOnGrid = grid ? areWholeLines(plan, op, grid->grid) : Value(), isFlat = grid ? negate(isOnGrid) : Value();
  FailureOr<PreparedMask> mask = prepareMask(plan, op, schedule, parts, isFlat);
  if (failed(mask))
    return failure();
  DirectKernel direct{plan, op, definition, schedule, *mask, outputs, std::move(parts)};
  direct.isDirect = isFlat;
  // Goes on where rows and keys are no whole lines of a grid.
  auto emitBoxes = [&]() -> LogicalResult {
    if (!grid)
      return success();
    note += describeGrid(*grid);
    AttendSchedule ofBoxes = schedule;
    ofBoxes.keys = grid->tiles.countKeys();
    FailureOr<PreparedMask> byAxes = prepareGrid(plan, *grid);
    if (failed(byAxes))
      return failure();
    auto branch = scf::IfOp::create(b, isOnGrid, /*withElseRegion=*/true);
    b.setInsertionPointToStart(branch.thenBlock());
    LogicalResult result =
        emitAttendKernel(plan, op, definition, ofBoxes, *byAxes, AttendRole::Direct, nullptr, outputs);
    b.setInsertionPointToStart(branch.elseBlock());
    return result;
  };
  if (!schedule.splitKeys) {
    direct.prepare();
    return failed(emitBoxes()) ? failure() : direct.emit();
  }

  // Fewer blocks of rows than run at a time, and enough keys: share the keys out. A number that was asked for is kept.
  Value batch = getAttendSize(plan, b, op, 0), heads = getAttendSize(plan, b, op, 1);
  Value rows = getAttendSize(plan, b, op, 2), keys = getAttendSize(plan, b, op, 3);
  Value one = plan.constant(1);
  Value blocks = arith::CeilDivSIOp::create(b, rows, plan.constant(schedule.rows));
  blocks = arith::MulIOp::create(b, arith::MulIOp::create(b, blocks, heads), batch);
  Value machine = tile::MachineOp::create(b, b.getIndexType());
  Value wanted = arith::DivSIOp::create(b, machine, arith::MaxSIOp::create(b, blocks, one));
  Value most = arith::DivSIOp::create(b, keys, plan.constant(schedule.minSplitKeys));
  Value splits = schedule.splits ? plan.constant(schedule.splits)
                                 : arith::MaxSIOp::create(b, arith::MinSIOp::create(b, wanted, most), one).getResult();
  Value isSplit = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, splits, one);
  if (isFlat)
    isSplit = arith::AndIOp::create(b, isSplit, isFlat);
  // No split, no workspace.
  Value shares = arith::SelectOp::create(b, isSplit, splits, plan.constant(0));
  SplitWorkspace workspace = SplitWorkspace::allocate(plan, op, definition, shares);
  workspace.splits = splits;
  AttendSchedule merging = scheduleMerge(schedule, op, definition ? definition.getNumWeights() : 1, outputs);
  auto emitShares = [&]() -> LogicalResult {
    if (failed(emitAttendKernel(plan, op, definition, schedule, *mask, AttendRole::Partial, &workspace, outputs)))
      return failure();
    return emitAttendKernel(plan, op, definition, merging, *mask, AttendRole::Merge, &workspace, outputs);
  };
  if (schedule.splits)
    return emitShares();
  direct.isDirect = negate(isSplit);
  if (isFlat)
    direct.isDirect = arith::AndIOp::create(b, direct.isDirect, isFlat);
  direct.prepare();
  if (failed(emitBoxes()))
    return failure();
  auto branch = scf::IfOp::create(b, isSplit, /*withElseRegion=*/true);
  b.setInsertionPointToStart(branch.thenBlock());
  if (failed(emitShares()))
    return failure();
  b.setInsertionPointToStart(branch.elseBlock());
  return direct.emit();
}
