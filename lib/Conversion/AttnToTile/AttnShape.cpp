//===- AttnShape.cpp --------------------------------------------------------===//
#include "AttnShape.h"
#include "dialects/Attn/AttnOps.h"

using namespace mlir;
using namespace heddle;

using TiedDims = SmallVector<std::pair<Value, int64_t>>;

/// Sizes given as operands, one per dynamic dimension of `type`.
static TiedDims getGivenSize(RankedTensorType type, ValueRange sizes, int64_t dimension) {
  return {{sizes[type.getDynamicDimIndex(dimension)], -1}};
}

TiedDims heddle::getTiedDims(OpResult result, int64_t dimension) {
  Operation *op = result.getOwner();
  auto type = cast<RankedTensorType>(result.getType());
  if (auto view = dyn_cast<attn::ViewOp>(op))
    return getGivenSize(type, view.getSizes(), dimension);
  if (auto accumulate = dyn_cast<attn::AccumulateOp>(op))
    return getGivenSize(type, accumulate.getSizes(), dimension);
  if (auto recur = dyn_cast<attn::RecurOp>(op)) {
    if (dimension == 0)
      return recur.getBatchExtents();
    if (dimension == 1)
      return recur.getHeadExtents();
    return {{recur.getQuery(), 2}};
  }
  if (auto merge = dyn_cast<attn::MergeOp>(op))
    return {{merge.getParts().front(), dimension}};
  auto attend = dyn_cast<attn::AttendOp>(op);
  if (!attend)
    return {};
  unsigned weighted = result.getResultNumber();
  bool overKeys = weighted >= attend.getNumValues() && weighted < attend.getNumValues() + attend.getNumCovalues();
  unsigned firstTable = attend.getNumValues() + attend.getNumCovalues();
  if (weighted >= firstTable && weighted < attend.getNumWeighted())
    return getGivenSize(type, attend.getSizesOfTable(weighted - firstTable), dimension);
  // (b, h, i or j, ..): batch and heads are the largest of any operand, positions those of one.
  TiedDims tied;
  SmallVector<Value> rows = attend.getRowOperands(), keys = attend.getKeyOperands();
  if (dimension == 2)
    return {{overKeys ? keys.front() : rows.front(), 2}};
  for (Value operand : llvm::concat<Value>(rows, keys))
    tied.push_back({operand, dimension});
  return tied;
}
