//===- AttendSizes.cpp - sizes of an attend's blocks ------------------------===//
#include "AttendSizes.h"
#include "GridBlocks.h"
#include "MaskKernels.h"
#include "PackedRows.h"
#include "StagedKeys.h"
#include "dialects/Attn/RankedStats.h"
#include "heddle/Analysis/CpuSchedule.h"
#include "heddle/Analysis/GpuSchedule.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace heddle;

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

FailureOr<AttendSchedule> heddle::completeSchedule(AttendSchedule schedule, PlanBuilder &plan, attn::AttendOp op,
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
