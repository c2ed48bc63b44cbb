//===- InnerAttends.cpp -----------------------------------------------------===//
#include "InnerAttends.h"
#include "AttendRows.h"
#include "Partition.h"
#include "RecurKernels.h"
#include "dialects/Attn/SequenceLengths.h"
#include "heddle/Analysis/MaskOnHost.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace heddle;

/// Tokens of a sequence so long that what grows with it is not taken for short; a block of rows, and the keys that it
/// may see.
static constexpr int64_t kManyTokens = 1 << 20, kRows = 128, kFewKeys = 1024;

/// A number that a mask captures, where sequences have so many tokens; none if it is the caller's.
static std::optional<int64_t> numberOf(Value value) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return constant.getSExtValue();
  Operation *op = value.getDefiningOp();
  if (auto dim = dyn_cast_or_null<tensor::DimOp>(op)) {
    std::optional<int64_t> index = dim.getConstantIndex();
    auto type = cast<RankedTensorType>(dim.getSource().getType());
    return index && !type.isDynamicDim(*index) ? type.getDimSize(*index) : kManyTokens;
  }
  if (isa_and_nonnull<arith::IndexCastOp>(op))
    return numberOf(op->getOperand(0));
  if (!isa_and_nonnull<arith::AddIOp, arith::SubIOp>(op))
    return std::nullopt;
  std::optional<int64_t> left = numberOf(op->getOperand(0)), right = numberOf(op->getOperand(1));
  if (!left || !right)
    return std::nullopt;
  return isa<arith::AddIOp>(op) ? *left + *right : *left - *right;
}

/// Whether blocks of rows see few keys, by the algebra, with no table searched and no pair looked at beforehand.
static bool seesFewKeys(attn::AttendOp op) {
  if (!op.hasMask()) {
    int64_t keys = cast<RankedTensorType>(op.getKeyOperands().front().getType()).getDimSize(2);
    return !ShapedType::isDynamic(keys) && keys <= kFewKeys;
  }
  MaskAnalysis analysis = MaskAnalysis::compute(op.getMask());
  if (analysis.needsEvaluation() || !analysis.getTableFacts().empty() || readsPairs(op))
    return false;
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(op.getMask(), captured);
  if (!llvm::all_of(captured, [](Value value) { return value.getType().isIntOrIndex() && numberOf(value); }))
    return false;
  HostCaptures captures;
  captures.scalar = [](Value value) { return *numberOf(value); };
  MaskOnHost host(analysis, captures, kManyTokens);
  // At the ends and in between.
  for (int64_t first = 0; first + kRows <= kManyTokens; first = first ? 2 * first : kRows) {
    int64_t keys = 0;
    for (const HostRange &may : host.ranges(0, 0, first, first + kRows).may)
      keys += std::max<int64_t>(may.end - may.begin, 0);
    if (keys > kFewKeys)
      return false;
  }
  return true;
}

/// Whether `op` needs a result of `other`.
static bool dependsOn(Operation *op, Operation *other) {
  SmallVector<Operation *> pending{op};
  llvm::SmallPtrSet<Operation *, 16> seen;
  while (!pending.empty()) {
    Operation *next = pending.pop_back_val();
    if (next == other)
      return true;
    for (Value read : getTensorsRead(next))
      if (Operation *definition = read.getDefiningOp(); definition && seen.insert(definition).second)
        pending.push_back(definition);
  }
  return false;
}

bool heddle::canBeInner(attn::AttendOp op, attn::RecurOp around) {
  bool hasRowResults = !op.getNumCovalues() && !op.getNumTables() && !op.getNumPairs() && !op.hasSecondKeys();
  auto hasLengths = [](ArrayRef<Value> operands) { return !attn::findSequenceLengths(operands).empty(); };
  return hasRowResults && !op.getLagAttr() && !isOneToken(around) && !hasLengths(op.getRowOperands()) &&
         !hasLengths(op.getKeyOperands()) && !dependsOn(op, around) && !dependsOn(around, op) && seesFewKeys(op);
}

bool heddle::paysInside(attn::AttendOp op, attn::RecurOp around, tile::TargetAttr target) {
  constexpr int64_t channels = 64, bits = 16;
  auto isSmall = [&](Value tensor) {
    auto type = cast<RankedTensorType>(tensor.getType());
    return type.getDimSize(3) <= channels && type.getElementTypeBitWidth() == bits;
  };
  return target && target.getHasWarpgroupMma() && target.getHasBulkCopy() && !around.hasAt() && !around.getSegments() &&
         !around.isGatedByChannel() && isSmall(around.getKey()) && isSmall(around.getValue()) &&
         llvm::all_of(op.getRowOperands(), isSmall) && llvm::all_of(op.getKeyOperands(), isSmall);
}

FailureOr<std::vector<InnerAttend>> heddle::prepareInner(PlanBuilder &plan, ArrayRef<attn::AttendOp> attends,
                                                         const RecurSchedule &around, int64_t keys) {
  constexpr int64_t groupWarps = 4, groupRows = 64;
  AttendSchedule schedule;
  schedule.rows = around.chunk;
  schedule.keys = keys ? keys : schedule.keys;
  schedule.rowsApart = around.warps / groupWarps * groupRows == around.chunk ? groupRows : 0;
  std::vector<InnerAttend> inner;
  for (attn::AttendOp op : attends) {
    FailureOr<attn::NormalizerOp> definition = findNormalizer(op);
    FailureOr<PreparedMask> mask = prepareMask(plan, op, schedule, {});
    if (failed(definition) || failed(mask))
      return failure();
    inner.push_back({op, *definition, schedule, *mask});
  }
  return inner;
}

LogicalResult heddle::provideInnerRows(const InnerAttend &inner, const BlockPlace &place, const Lifted &row,
                                       const Lifted &columns, KernelBuilder &kernel, TileEmitter &emitter) {
  AttendSchedule schedule = inner.schedule;
  schedule.valueColumns = columns.extent;
  // Bounds of their own take registers beside the state, and sums of twice as many columns leave none.
  constexpr int64_t columnsBesideBounds = 64;
  schedule.hasOwnRanges = columns.extent <= columnsBesideBounds;
  auto size = [&](int64_t which) { return getAttendSize(kernel, kernel.head(), inner.op, which); };
  RowsPlace rows;
  rows.batchCount = place.batchCount; // as many as the recurrence has: their rows are merged
  rows.headCount = place.headCount;
  rows.rowLength = size(2);
  rows.keyLength = size(3);
  rows.batch = place.batch;
  rows.head = place.head;
  rows.firstRow = row.base;
  rows.firstColumn = columns.base;
  rows.row = row;
  AttendRows attend(kernel, emitter, inner.op, inner.definition, schedule, inner.mask);
  attend.setPlace(rows);
  FailureOr<RowState> state = attend.visitKeys([&] { return attend.nothing(); });
  return failed(state) ? failure() : attend.provide(*state);
}
