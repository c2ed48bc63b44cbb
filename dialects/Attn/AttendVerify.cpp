//===- AttendVerify.cpp - the constraints of attn.attend --------------------===//
//
// Each check quotes the constraint number of the operation's description.
//
//===----------------------------------------------------------------------===//
#include "dialects/Attn/AttnOps.h"
#include "dialects/Attn/OperandExtents.h"
#include "dialects/Attn/RankedStats.h"
#include "dialects/Attn/ScalarRegion.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace heddle::attn;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// C2 for one dot, pair, value or covalue.
static LogicalResult verifyWidths(AttendOp op, StringRef what, ValueRange operands) {
  RankedTensorType first = tensorType(operands.front());
  for (Value operand : operands) {
    RankedTensorType type = tensorType(operand);
    if (type.getElementType() != first.getElementType()) // C2
      return op.emitOpError("expected the operands of a ")
             << what << " to have one element type, got " << first.getElementType() << " and " << type.getElementType();
    if (failed(verifyWidth(op, what, type.getDimSize(3)))) // C2
      return failure();
    if (type.getDimSize(3) != first.getDimSize(3)) // C2
      return op.emitOpError("expected the operands of a ")
             << what << " to have one last extent, got " << first.getDimSize(3) << " and " << type.getDimSize(3);
  }
  return success();
}

static LogicalResult verifyOperands(AttendOp op) {
  if (op.getNumDots() + op.getNumPairs() == 0) // C1
    return op.emitOpError("expected a dot or a pair, got none");
  for (OperandRange dot : op.getDots()) {
    if (dot.size() != 2 && dot.size() != 3) // C1
      return op.emitOpError("expected two or three operands in a dot, got ") << dot.size();
    if (failed(verifyWidths(op, "dot", dot)))
      return failure();
  }
  if (op.getPairs().size() % 2 != 0 || op.getNumPairs() > op.getBodies().size()) // C1
    return op.emitOpError("expected two operands and a region for each pair, got ")
           << op.getPairs().size() << " operands and " << op.getBodies().size() << " regions";
  for (unsigned pair = 0; pair < op.getNumPairs(); ++pair)
    if (failed(verifyWidths(op, "pair", op.getPairs().slice(2 * pair, 2))))
      return failure();
  for (OperandRange value : op.getValueGroups()) {
    if (value.size() != 1 && (value.size() != 2 || !op.hasSecondKeys())) // C1
      return op.emitOpError("expected ") << (op.hasSecondKeys() ? "one or two operands" : "one operand")
                                         << " in a value, got " << value.size();
    if (failed(verifyWidths(op, "value", value)))
      return failure();
  }
  for (Value covalue : op.getCovalues())
    if (failed(verifyWidths(op, "covalue", covalue)))
      return failure();
  return success();
}

/// C3: the lengths of one side agree where they are static.
static FailureOr<int64_t> sideLength(AttendOp op, StringRef side, ArrayRef<Value> operands) {
  return verifyLength(op, side,
                      llvm::map_to_vector(operands, [](Value operand) { return tensorType(operand).getDimSize(2); }));
}

/// C4, C7: extents against the largest of the operands'.
static LogicalResult verifyExtents(AttendOp op) {
  OperandExtents operands, summed, whole;
  for (const SmallVector<Value> &side : {op.getRowOperands(), op.getKeyOperands(), op.getSecondKeyOperands()})
    for (Value operand : side)
      operands.add(tensorType(operand));
  for (Value result : op.getResults().take_front(op.getNumValues() + op.getNumCovalues()))
    summed.add(tensorType(result));
  for (Value stat : op.getStatResults())
    whole.add(tensorType(stat));
  if (failed(operands.verifyDivide(op, operands)) || failed(operands.verifyDivide(op, summed))) // C4
    return failure();
  return operands.verifyEqual(op, "a statistic", whole); // C7
}

/// C6 for one result over positions of a side of length `length`.
static LogicalResult verifyWeightedResult(AttendOp op, StringRef what, Value result, int64_t length, Value operand) {
  auto type = dyn_cast<RankedTensorType>(result.getType());
  int64_t width = tensorType(operand).getDimSize(3);
  if (!type || type.getRank() != 4 || !isa<Float16Type, BFloat16Type, Float32Type>(type.getElementType())) // C6
    return op.emitOpError("expected a ") << what << " result to be a tensor of rank 4 of f16, bf16 or f32, got "
                                         << result.getType();
  if (type.getDimSize(3) != width) // C6
    return op.emitOpError("expected last extent ") << width << " of a " << what << " result, got " << type;
  if (failed(verifyCompatibleDims({type.getDimSize(2), length}))) // C6
    return op.emitOpError("expected length ") << length << " of a " << what << " result, got " << type;
  return success();
}

static LogicalResult verifyResults(AttendOp op, int64_t rows, int64_t keys) {
  size_t expected = op.getNumWeighted() + op.getStats().size();
  if (op.getNumResults() != expected) // C5
    return op.emitOpError("expected ") << expected << " results, got " << op.getNumResults();
  for (auto [value, result] : llvm::zip_equal(op.getValueGroups(), op.getValueResults()))
    if (failed(verifyWeightedResult(op, "value", result, rows, value.front())))
      return failure();
  for (auto [covalue, result] : llvm::zip_equal(op.getCovalues(), op.getCovalueResults()))
    if (failed(verifyWeightedResult(op, "covalue", result, keys, covalue)))
      return failure();
  for (Value result : op.getStatResults()) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    if (!type || type.getRank() != 3 || !type.getElementType().isF32() ||
        failed(verifyCompatibleDims({type.getDimSize(2), rows}))) { // C7
      auto error = op.emitOpError("expected a statistic to be a (b, h, i) tensor of f32");
      if (!ShapedType::isDynamic(rows))
        error << " of length " << rows;
      return error << ", got " << result.getType();
    }
  }
  unsigned dynamicExtents = 0;
  for (Value result : op.getTableResults()) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    if (!type || type.getRank() == 0 || !isa<FloatType>(type.getElementType())) // C8
      return op.emitOpError("expected a table to be a tensor of floats of rank 1 or more, got ") << result.getType();
    dynamicExtents += type.getNumDynamicDims();
  }
  if (op.getTableSizes().size() != dynamicExtents) // C8
    return op.emitOpError("expected ") << dynamicExtents << " table sizes, got " << op.getTableSizes().size();
  return success();
}

static LogicalResult verifyStats(AttendOp op) {
  if (!op.getStats().empty() && !op.isNormalized()) // C12
    return op.emitOpError("expected a normalizer for statistics, got none");
  llvm::StringSet<> seen;
  for (StringRef name : op.getStatNames())
    if (!seen.insert(name).second) // C12
      return op.emitOpError("expected distinct statistics, got ") << name << " twice";
  if (!op.isNormalized() && !op.getNormalizerArgs().empty()) // C13
    return op.emitOpError("expected a normalizer for its arguments, got none");
  return success();
}

LogicalResult AttendOp::verify() {
  if (failed(verifyOperands(*this)))
    return failure();
  auto rows = sideLength(*this, "rows", getRowOperands());
  auto keys = sideLength(*this, "keys", getKeyOperands());
  if (failed(rows) || failed(keys) || failed(sideLength(*this, "second keys", getSecondKeyOperands())))
    return failure();
  if (failed(verifyResults(*this, *rows, *keys)) || failed(verifyExtents(*this)))
    return failure();
  if (failed(verifyStats(*this)))
    return failure();
  if (!getLag())
    return success();
  float lag = getLag()->convertToFloat();
  if (!isNormalized()) // C14
    return emitOpError("expected a normalizer beside lag, got none");
  if (!(lag > 0 && lag <= 15)) // C14
    return emitOpError("expected lag above 0 and at most 15, got ") << getLagAttr();
  if (llvm::is_contained(getStatNames(), kMaxStat)) // C14
    return emitOpError("expected no statistic max beside lag, got one");
  return success();
}

LogicalResult AttendOp::verifyRegions() {
  Builder builder(getContext());
  Type f32 = builder.getF32Type(), index = builder.getIndexType();
  SmallVector<Type> positions(getNumPositions(), index);
  if (hasScore()) { // C9
    SmallVector<Type> takes(getNumDots() + getNumPairs(), f32);
    llvm::append_range(takes, positions);
    SmallVector<Type> yields(isNormalized() ? 1 : getNumWeighted(), f32);
    if (failed(verifyScalarRegion(*this, getScore(), "score", takes, yields)))
      return failure();
  } else if (!isNormalized() && getNumWeighted() != 1) { // C9
    return emitOpError("expected a score region for ") << getNumWeighted() << " weights, got none";
  }
  if (hasMask() && failed(verifyScalarRegion(*this, getMask(), "mask", positions, {builder.getI1Type()}))) // C10
    return failure();
  for (Region &pair : getPairRegions()) // C11
    if (failed(verifyScalarRegion(*this, pair, "pair", {f32, f32, index}, {f32})))
      return failure();
  for (auto [table, result] : llvm::zip_equal(getTableRegions(), getTableResults())) { // C8
    SmallVector<Type> yields(cast<RankedTensorType>(result.getType()).getRank(), index);
    if (failed(verifyScalarRegion(*this, table, "table", positions, yields)))
      return failure();
  }
  return success();
}

/// Whether an argument of type `given` may stand for a header argument of type `wanted`.
static bool fits(Type given, Type wanted) {
  return given == wanted || (isa<RankedTensorType>(given) && isa<RankedTensorType>(wanted) &&
                             getElementTypeOrSelf(given) == getElementTypeOrSelf(wanted) &&
                             succeeded(verifyCompatibleShape(given, wanted)));
}

LogicalResult AttendOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (!isNormalized())
    return success();
  Operation *symbol = symbols.lookupNearestSymbolFrom(*this, getNormalizerAttr());
  if (!symbol) // The prelude may bring it; verify-attn asks again.
    return success();
  auto normalizer = dyn_cast<NormalizerOp>(symbol);
  if (!normalizer) // C13
    return emitOpError("expected ") << getNormalizerAttr() << " to be a normalizer, got " << symbol->getName();
  SmallVector<Type> header = normalizer.getHeaderTypes();
  TypeRange given = getNormalizerArgs().getTypes();
  if (given.size() != header.size() ||
      !llvm::all_of(llvm::zip_equal(given, header), [](auto pair) { return std::apply(fits, pair); })) // C13
    return emitOpError("expected arguments (")
           << header << ") for " << getNormalizerAttr() << ", got (" << given << ")";
  for (StringRef name : getStatNames()) {
    bool isOfReference = name == kMaxStat || RankedStat::parse(name);
    if (isOfReference ? normalizer.hasReference() : normalizer.getStatIndex(name).has_value()) // C12
      continue;
    return emitOpError("expected a statistic of ") << getNormalizerAttr() << ", got " << name;
  }
  return success();
}
