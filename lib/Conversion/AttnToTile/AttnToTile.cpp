//===- AttnToTile.cpp - attn functions to plans and tile kernels ------------===//
//
// In:  a function over tensors with attn, linalg, tensor and arith operations.
// Out: its plan and the kernels the plan launches (contract 2, dialects/README.md).
//
//   func.func @f(%q: tensor<..>, ..) -> tensor<..> { %o = attn.attend ..; return %o }
// becomes
//   func.func @f(%q: memref<..>, .., %o: memref<..>) attributes {tile.plan} { tile.launch @f_0(..) }
//   func.func private @f_0(..) attributes {tile.kernel} { scf.forall .. { tile.load .. tile.dot .. tile.store .. } }
//
// Test: test/Conversion/attn-to-tile.mlir
//
//===----------------------------------------------------------------------===//
#include "AttendKernels.h"
#include "ElementwiseKernel.h"
#include "GridBlocks.h"
#include "MaskKernels.h"
#include "OwnRows.h"
#include "PackedGaps.h"
#include "PackedRows.h"
#include "RecurKernels.h"
#include "SizeRequirements.h"
#include "StagedKeys.h"
#include "dialects/Attn/RankedStats.h"
#include "dialects/Tile/TileOps.h"
#include "dialects/Tile/TileTarget.h"
#include "heddle/Analysis/CpuSchedule.h"
#include "heddle/Analysis/GpuSchedule.h"
#include "heddle/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/StringSwitch.h"

namespace heddle {
#define GEN_PASS_DEF_ATTNTOTILE
#include "heddle/Conversion/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {

/// Emits the kernels of one function in dependence order.
class FunctionEmitter {
public:
  FunctionEmitter(func::FuncOp function, const AttendSchedule &schedule, int64_t chunk)
      : function(function), schedule(schedule), chunk(chunk), partition(function), plan(PlanBuilder::create(function)) {
  }

  LogicalResult emit();

private:
  LogicalResult require(Value tensor);
  LogicalResult requireReads(Value tensor);
  LogicalResult emitAnchored(Operation *op);
  LogicalResult emitKernels(attn::AttendOp op, ArrayRef<KernelOutput> outputs);
  LogicalResult emitKernels(attn::RecurOp op, ArrayRef<KernelOutput> outputs);
  void noteSchedule(StringRef note, int64_t warps, bool putsOperands = false);
  Value placeOf(Value tensor);

  func::FuncOp function;
  const AttendSchedule &schedule;
  int64_t chunk; ///< tokens of a step of a recurrence; 0: open
  Partition partition;
  PlanBuilder plan;
  llvm::DenseSet<unsigned> givenOutputs;
};

} // namespace

/// The caller's array for a result of the function, workspace for anything else.
Value FunctionEmitter::placeOf(Value tensor) {
  for (auto [index, result] : llvm::enumerate(function.front().getTerminator()->getOperands()))
    if (result == tensor && givenOutputs.insert(index).second)
      return plan.output(index);
  return plan.allocateFor(tensor);
}

/// Makes sure that everything `tensor` is computed from is in memory where it must be.
LogicalResult FunctionEmitter::requireReads(Value tensor) {
  Operation *op = tensor.getDefiningOp();
  if (!op)
    return success();
  for (Value read : getTensorsRead(op))
    if (failed(partition.isStored(read) ? require(read) : requireReads(read)))
      return failure();
  return success();
}

static constexpr llvm::StringLiteral kScheduleAttr = "tile.schedule";

/// Whether a value in a score or mask region differs between rows or keys: the last two arguments.
static bool dependsOn(Value value, ArrayRef<unsigned> fromEnd) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return llvm::is_contained(fromEnd, argument.getOwner()->getNumArguments() - argument.getArgNumber());
  return llvm::any_of(value.getDefiningOp()->getOperands(), [&](Value operand) { return dependsOn(operand, fromEnd); });
}
/// The last two arguments of a region are the row and the key.
static bool dependsOnPosition(Value value) { return dependsOn(value, {1, 2}); }
static bool dependsOnRow(Value value) { return dependsOn(value, {2}); }
static bool dependsOnKey(Value value) { return dependsOn(value, {1}); }

/// Functions of a score: each takes the special unit once, as far as the choice of sizes is concerned.
static int64_t countSpecialFunctions(Region &region) {
  int64_t count = 0;
  region.walk([&](Operation *op) {
    bool isQuotient = isa<arith::DivFOp>(op) && !matchPattern(op->getOperand(1), m_Constant());
    bool isPlain = isa<math::AbsFOp, math::FmaOp, math::FloorOp, math::CeilOp, math::CopySignOp>(op);
    count += isQuotient || (op->getDialect()->getNamespace() == math::MathDialect::getDialectNamespace() && !isPlain);
  });
  return count;
}

/// An array as it lies in memory, not computed in the kernel.
static bool isPlain(Value tensor) { return isa<BlockArgument>(tensor) || tensor.getDefiningOp<attn::ViewOp>(); }

/// Whether an array is read at every pair of a row and a key, as its last coordinates.
static bool isReadByPairs(tensor::ExtractOp read) {
  auto isPosition = [&](Value index, unsigned fromEnd) {
    auto argument = dyn_cast<BlockArgument>(index);
    return argument && argument.getOwner()->getParentOp() == read->getParentOfType<attn::AttendOp>() &&
           argument.getArgNumber() + fromEnd == argument.getOwner()->getNumArguments();
  };
  ValueRange indices = read.getIndices();
  return indices.size() > 1 && isPosition(indices.back(), 1) && isPosition(indices.drop_back().back(), 2);
}

/// What the inner loop of `op` works on.
static AttendWork describeWork(attn::AttendOp op, attn::NormalizerOp definition, int64_t valueColumns) {
  AttendWork work;
  auto padded = [](Value tensor) { return llvm::alignTo(cast<RankedTensorType>(tensor.getType()).getDimSize(3), 16); };
  for (ValueRange dot : op.getDots())
    work.depths.push_back(padded(dot[0]));
  for (unsigned value = 0; value < op.getNumValues(); ++value)
    work.valueColumns.push_back(std::min<int64_t>(valueColumns, padded(op.getValueGroups()[value][0])));
  if (int64_t rows = cast<RankedTensorType>(op.getDots().front()[0].getType()).getDimSize(2);
      !ShapedType::isDynamic(rows))
    work.rows = rows;
  work.accumulatorsPerValue = definition ? definition.getNumWeights() : 1;
  if (!work.depths.empty())
    work.elementBytes = getElementTypeOrSelf(op.getDots().front()[0]).getIntOrFloatBitWidth() / 8;
  auto countReads = [](Operation *around) {
    int64_t count = 0;
    around->walk([&](tensor::ExtractOp read) { count += llvm::any_of(read.getIndices(), dependsOnPosition); });
    return count;
  };
  work.tableReads = countReads(op);
  work.ranks = attn::countRanks(op);
  if (op.hasMask() && searchesTables(op))
    for (Operation &inside : op.getMask().front())
      work.apartReads += countReads(&inside);
  op.getScore().walk([&](tensor::ExtractOp read) {
    work.pairReads += llvm::any_of(read.getIndices(), dependsOnRow) && llvm::any_of(read.getIndices(), dependsOnKey);
    work.tileReads += read.getType().getIntOrFloatBitWidth() == 16 && isReadByPairs(read);
  });
  work.specialFunctions = countSpecialFunctions(op.getScore());
  if (definition)
    work.specialFunctions += countSpecialFunctions(definition.getWeight());
  SetVector<Value> captured;
  getUsedValuesDefinedAbove(op->getRegions(), captured);
  work.scalars = llvm::count_if(
      captured, [](Value value) { return !isa<TensorType>(value.getType()) && !matchPattern(value, m_Constant()); });
  work.isPlain = llvm::all_of(op.getDots(), [&](ValueRange dot) { return isPlain(dot[1]); }) &&
                 llvm::all_of(op.getValueGroups(), [&](ValueRange value) { return isPlain(value[0]); });
  return work;
}

/// The sizes that the options leave open (0): what suits the target, or the usual ones where there is none.
static FailureOr<AttendSchedule> completeSchedule(AttendSchedule schedule, PlanBuilder &plan, attn::AttendOp op,
                                                  attn::NormalizerOp definition, std::string &note) {
  if (schedule.rows && schedule.keys && !schedule.warps)
    return schedule;
  schedule.stagedStrip = 0;
  schedule.isPartialApart = false;
  auto target = op->getParentOfType<ModuleOp>()->getAttrOfType<tile::TargetAttr>(tile::kTargetAttr);
  AttendWork work = describeWork(op, definition, schedule.valueColumns);
  int64_t rows = 64, keys = 64;
  bool isOpen = !schedule.rows || !schedule.keys, isFree = !schedule.rows && !schedule.keys;
  if (isOpen)
    schedule.order.reset();
  if (target && target.getIsGpu()) {
    GpuSchedule chosen = chooseGpuSchedule(target, work);
    if (!chosen.rows && isOpen) {
      InFlightDiagnostic error = op.emitOpError("expected a spec that fits a schedule of ")
                                 << target.getName() << ", got one that needs more in every size";
      auto [budgets, nearest] = StringRef(chosen.note).rsplit('\n');
      error.attachNote() << "rows x keys:\n" << budgets;
      error.attachNote() << "nearest that fits: " << nearest;
      return failure();
    }
    rows = chosen.rows;
    keys = chosen.keys;
    schedule.warps = schedule.warps ? schedule.warps : chosen.warps;
    schedule.isPersistent = chosen.isPersistent;
    // A mask that is evaluated may be needed in every step.
    schedule.isPartialApart = chosen.isPersistent && (searchesTables(op) || PackedRows::find(op, plan));
    schedule.cachedKeys = chosen.cachedKeys;
    schedule.batchesFastest = work.tileReads != 0;
    note = isOpen ? chosen.note : "sizes as given";
  } else if (target) {
    AttendSchedule staged = schedule;
    staged.keys = 2 * kMatrixUnitStrip; // the least that can be staged
    staged.stagedStrip = kMatrixUnitStrip;
    CpuSchedule chosen = chooseCpuSchedule(target, work, StagedKeys::isPossible(plan, op, staged));
    schedule.stagedStrip = chosen.stagedStrip;
    rows = chosen.rows;
    keys = chosen.keys;
    note = chosen.note;
  }
  schedule.rows = schedule.rows ? schedule.rows : rows;
  schedule.keys = schedule.keys ? schedule.keys : keys;
  return isFree && schedule.isPersistent ? withSmallBoxes(schedule) : schedule;
}

LogicalResult FunctionEmitter::emitAnchored(Operation *op) {
  for (Value read : getTensorsRead(op))
    if (failed(partition.isStored(read) ? require(read) : requireReads(read)))
      return failure();
  SmallVector<KernelOutput> outputs;
  for (Value tensor : partition.getStored())
    if (partition.getAnchor(tensor) == op) {
      outputs.push_back({tensor, placeOf(tensor)});
      // What the output needs besides this anchor.
      SmallVector<Value> pending{tensor};
      while (!pending.empty()) {
        Operation *producer = pending.pop_back_val().getDefiningOp();
        if (!producer || producer == op)
          continue;
        for (Value read : getTensorsRead(producer)) {
          if (partition.isStored(read) && partition.getAnchor(read) != op) {
            if (failed(require(read)))
              return failure();
          } else {
            pending.push_back(read);
          }
        }
      }
    }
  for (const KernelOutput &output : outputs)
    emitZerosBetween(plan, output.tensor, output.memory);
  auto attend = dyn_cast<attn::AttendOp>(op);
  if (failed(attend ? emitKernels(attend, outputs) : emitKernels(cast<attn::RecurOp>(op), outputs)))
    return failure();
  for (const KernelOutput &output : outputs)
    plan.store(output.tensor, output.memory);
  return success();
}

LogicalResult FunctionEmitter::emitKernels(attn::AttendOp op, ArrayRef<KernelOutput> outputs) {
  attn::NormalizerOp definition = op.lookupNormalizer();
  if (op.isNormalized() && !definition)
    return op.emitOpError("expected the normalizer to be defined (run attn-link-prelude first), got ")
           << *op.getNormalizer();
  std::string note;
  FailureOr<AttendSchedule> complete = completeSchedule(schedule, plan, op, definition, note);
  auto kernels = op->getParentOfType<ModuleOp>().getOps<func::FuncOp>();
  SmallPtrSet<Operation *, 8> earlier;
  for (func::FuncOp kernel : kernels)
    earlier.insert(kernel);
  if (failed(complete) || failed(emitAttend(plan, op, definition, *complete, outputs, note)))
    return failure();
  if (op.getLagAttr())
    for (func::FuncOp kernel : kernels)
      if (!earlier.contains(kernel))
        kernel->setAttr(tile::kLagAttr, op.getLagAttr());
  noteSchedule(note, complete->warps);
  return success();
}

LogicalResult FunctionEmitter::emitKernels(attn::RecurOp op, ArrayRef<KernelOutput> outputs) {
  auto target = op->getParentOfType<ModuleOp>()->getAttrOfType<tile::TargetAttr>(tile::kTargetAttr);
  RecurSchedule given;
  given.chunk = isOneToken(op) ? 1 : chunk;
  given.segments = schedule.splitKeys ? schedule.splits : 1;
  RecurSchedule complete = chooseRecurSchedule(target, describeWork(op, partition), given);
  complete.valueColumns = std::min(complete.valueColumns, schedule.valueColumns);
  if (failed(emitRecur(plan, op, complete, outputs)))
    return failure();
  if (target)
    noteSchedule(complete.note, complete.warps, complete.putsOperands);
  return success();
}

/// What was chosen, and why not something else, goes with the kernels.
void FunctionEmitter::noteSchedule(StringRef note, int64_t warps, bool putsOperands) {
  if (note.empty())
    return;
  Builder builder(function.getContext());
  for (auto kernel : function->getParentOfType<ModuleOp>().getOps<func::FuncOp>())
    if (kernel->hasAttr(tile::kKernelAttr) && !kernel->hasAttr(kScheduleAttr)) {
      kernel->setAttr(kScheduleAttr, builder.getStringAttr(note));
      if (warps)
        kernel->setAttr(tile::kWarpsAttr, builder.getI64IntegerAttr(warps));
      if (putsOperands)
        kernel->setAttr(tile::kPutsOperandsAttr, builder.getUnitAttr());
    }
}

LogicalResult FunctionEmitter::require(Value tensor) {
  if (plan.memory(tensor))
    return success();
  if (Operation *anchor = partition.getAnchor(tensor))
    return emitAnchored(anchor);
  if (failed(requireReads(tensor)))
    return failure();
  Value place = placeOf(tensor);
  emitZerosBetween(plan, tensor, place);
  if (failed(emitElementwise(plan, tensor, place)))
    return failure();
  plan.store(tensor, place);
  return success();
}

LogicalResult FunctionEmitter::emit() {
  emitSizeRequirements(plan);
  auto results = function.front().getTerminator()->getOperands();
  for (Value result : results)
    if (failed(require(result)))
      return failure();
  // A result that is an argument, or that is returned twice, is a copy.
  for (auto [index, result] : llvm::enumerate(results))
    if (!givenOutputs.contains(index) && failed(emitElementwise(plan, result, plan.output(index))))
      return failure();
  plan.finish();
  return success();
}

namespace {
struct AttnToTile : heddle::impl::AttnToTileBase<AttnToTile> {
  using Base::Base;

  LogicalResult readOrder(std::optional<WorkOrder> &order) {
    if (work.empty())
      return success();
    order = llvm::StringSwitch<std::optional<WorkOrder>>(work)
                .Case("blocks", WorkOrder::Blocks)
                .Case("rounds", WorkOrder::Rounds)
                .Case("back-and-forth", WorkOrder::BackAndForth)
                .Case("counter", WorkOrder::Counter)
                .Default(std::nullopt);
    if (order)
      return success();
    return getOperation().emitError("expected work to be blocks, rounds, back-and-forth or counter, got ") << work;
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    RewritePatternSet patterns(&getContext());
    linalg::populateLinalgNamedOpsGeneralizationPatterns(patterns);
    linalg::populateDecomposeProjectedPermutationPatterns(patterns);
    if (failed(applyPatternsGreedily(module, std::move(patterns))))
      return signalPassFailure();

    AttendSchedule schedule;
    schedule.rows = rows;
    schedule.keys = keys;
    schedule.warps = warps;
    schedule.valueColumns = valueColumns;
    schedule.splitKeys = splitKeys && splits != 1;
    schedule.splits = splits;
    schedule.stagedStrip = stagedStrip;
    schedule.isPartialApart = partialApart;
    if (failed(readOrder(schedule.order)))
      return signalPassFailure();
    for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
      if (function.isExternal() || function->hasAttr(tile::kPlanAttr) || function->hasAttr(tile::kKernelAttr))
        continue;
      if (failed(FunctionEmitter(function, schedule, chunk).emit()))
        return signalPassFailure();
      function.erase();
    }
    for (auto normalizer : llvm::make_early_inc_range(module.getOps<attn::NormalizerOp>()))
      normalizer.erase();
  }
};
} // namespace
