//===- RecurOp.cpp - text, checks and accessors of attn.recur ---------------===//
//
//   attn.recur query(q) key(k) value(v) [gate(g)] [segments(s)] [init(S[, z])] [at(i) {..}]
//     [stats [mass]] [final] attributes : (operand types) -> (result types)
//
//===----------------------------------------------------------------------===//
#include "dialects/Attn/AttnOps.h"
#include "dialects/Attn/OperandExtents.h"
#include "dialects/Attn/ScalarRegion.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace heddle::attn;
using Operand = OpAsmParser::UnresolvedOperand;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

ParseResult RecurOp::parse(OpAsmParser &parser, OperationState &result) {
  Builder &builder = parser.getBuilder();
  auto &properties = result.getOrAddProperties<Properties>();
  SmallVector<Operand> operands;
  // One entry per operand of the operation, in its order.
  SmallVector<int32_t> segments;
  for (StringRef keyword : {"query", "key", "value"}) {
    if (parser.parseKeyword(keyword) || parser.parseLParen() || parser.parseOperand(operands.emplace_back()) ||
        parser.parseRParen())
      return failure();
    segments.push_back(1);
  }
  auto parseGroup = [&](StringRef keyword, SmallVectorImpl<Operand> &group) -> ParseResult {
    if (failed(parser.parseOptionalKeyword(keyword)))
      return success();
    return parser.parseOperandList(group, OpAsmParser::Delimiter::Paren);
  };
  for (StringRef keyword : {"gate", "segments"}) {
    SmallVector<Operand> group;
    SMLoc location = parser.getCurrentLocation();
    if (parseGroup(keyword, group))
      return failure();
    if (group.size() > 1)
      return parser.emitError(location, "expected one operand of ") << keyword << ", got " << group.size();
    segments.push_back(group.size());
    operands.append(group);
  }
  SmallVector<Operand> initial;
  SMLoc initialLocation = parser.getCurrentLocation();
  if (parseGroup("init", initial))
    return failure();
  if (initial.size() > 2)
    return parser.emitError(initialLocation, "expected a state and its mass in init, got ") << initial.size();
  segments.push_back(!initial.empty());
  segments.push_back(initial.size() == 2);
  operands.append(initial);

  Region *at = result.addRegion();
  if (succeeded(parser.parseOptionalKeyword("at")) && parseScalarRegion(parser, *at, builder.getIndexType()))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("stats"))) {
    if (parser.parseLSquare() || parser.parseKeyword("mass") || parser.parseRSquare())
      return failure();
    properties.setMass(builder.getUnitAttr());
  }
  if (succeeded(parser.parseOptionalKeyword("final")))
    properties.setFinal(builder.getUnitAttr());

  FunctionType type;
  SMLoc location;
  if (parser.parseOptionalAttrDict(result.attributes) || parser.getCurrentLocation(&location) ||
      parser.parseColonType(type) || parser.resolveOperands(operands, type.getInputs(), location, result.operands))
    return failure();
  result.addTypes(type.getResults());
  llvm::copy(segments, properties.operandSegmentSizes.begin());
  return success();
}

void RecurOp::print(OpAsmPrinter &printer) {
  printer << " query(" << getQuery() << ") key(" << getKey() << ") value(" << getValue() << ')';
  if (Value gate = getGate())
    printer << " gate(" << gate << ')';
  if (Value segments = getSegments())
    printer << " segments(" << segments << ')';
  if (Value initial = getInitial()) {
    printer << " init(" << initial;
    if (Value mass = getInitialMass())
      printer << ", " << mass;
    printer << ')';
  }
  if (hasAt()) {
    printer << " at";
    printScalarRegion(printer, getAt());
  }
  if (getMass())
    printer << " stats [mass]";
  if (getFinal())
    printer << " final";
  printer.printOptionalAttrDict((*this)->getAttrs(), {"operandSegmentSizes", getMassAttrName(), getFinalAttrName()});
  printer << " : ";
  printer.printFunctionalType((*this)->getOperandTypes(), getResultTypes());
}

void RecurOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  if (region.getNumArguments() == 1)
    setName(region.getArgument(0), "i");
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

static LogicalResult verifyOperandTypes(RecurOp op) {
  RankedTensorType query = tensorType(op.getQuery()), key = tensorType(op.getKey()), value = tensorType(op.getValue());
  for (RankedTensorType type : {key, value})
    if (type.getElementType() != query.getElementType()) // C1
      return op.emitOpError("expected query, key and value of one element type, got ")
             << query.getElementType() << " and " << type.getElementType();
  if (failed(verifyWidth(op, "query", query.getDimSize(3))) || failed(verifyWidth(op, "key", key.getDimSize(3))) ||
      failed(verifyWidth(op, "value", value.getDimSize(3)))) // C1
    return failure();
  if (query.getDimSize(3) != key.getDimSize(3)) // C1
    return op.emitOpError("expected query and key to have one last extent, got ")
           << query.getDimSize(3) << " and " << key.getDimSize(3);
  if (Value gate = op.getGate()) {
    RankedTensorType type = tensorType(gate);
    int64_t rank = type.getRank();
    if (rank != 1 && rank != 3 && rank != 4) // C4
      return op.emitOpError("expected a gate (h), (b, h, t) or (b, h, t, c), got ") << type;
    if (rank == 4 && type.getDimSize(3) != key.getDimSize(3)) // C4
      return op.emitOpError("expected a gate with the last extent ")
             << key.getDimSize(3) << " of the keys, got " << type;
  }
  return success();
}

/// C7 for a state, or (without `e`) its mass.
static LogicalResult verifyState(RecurOp op, StringRef what, Value state, bool isMass) {
  auto type = dyn_cast<RankedTensorType>(state.getType());
  SmallVector<int64_t> widths{op.getKeyWidth()};
  if (!isMass)
    widths.push_back(op.getValueWidth());
  if (type && type.getElementType().isF32() && type.getRank() == static_cast<int64_t>(2 + widths.size()) &&
      type.getShape().drop_front(2) == ArrayRef(widths))
    return success();
  auto error = op.emitOpError("expected ") << what << " to be a (b, h";
  for (int64_t width : widths)
    error << ", " << width;
  return error << ") tensor of f32, got " << state.getType();
}

static LogicalResult verifyResults(RecurOp op, int64_t rows) {
  size_t expected = (op.getMass() ? 2 : 1) * (op.getFinal() ? 2 : 1);
  if (op.getNumResults() != expected) // C5
    return op.emitOpError("expected ") << expected << " results, got " << op.getNumResults();
  auto type = dyn_cast<RankedTensorType>(op.getOutput().getType());
  if (!type || type.getRank() != 4 || !isa<Float16Type, BFloat16Type, Float32Type>(type.getElementType()) ||
      type.getDimSize(3) != op.getValueWidth() || failed(verifyCompatibleDims({type.getDimSize(2), rows}))) // C6
    return op.emitOpError("expected a result (b, h, ")
           << (ShapedType::isDynamic(rows) ? std::string("i") : std::to_string(rows)) << ", " << op.getValueWidth()
           << ") of f16, bf16 or f32, got " << op.getOutput().getType();
  if (Value mass = op.getMassResult()) {
    auto massType = dyn_cast<RankedTensorType>(mass.getType());
    if (!massType || massType.getRank() != 3 || !massType.getElementType().isF32() ||
        failed(verifyCompatibleDims({massType.getDimSize(2), rows}))) // C6
      return op.emitOpError("expected a mass (b, h, ")
             << (ShapedType::isDynamic(rows) ? std::string("i") : std::to_string(rows)) << ") of f32, got "
             << mass.getType();
  }
  if (op.getFinal() && failed(verifyState(op, "a final state", op.getFinalState(), /*isMass=*/false))) // C7
    return failure();
  if (op.getFinalMass() && failed(verifyState(op, "a final state's mass", op.getFinalMass(), /*isMass=*/true))) // C7
    return failure();
  return success();
}

LogicalResult RecurOp::verify() {
  if (failed(verifyOperandTypes(*this)))
    return failure();
  SmallVector<int64_t> lengths;
  for (Value operand : getTokenOperands())
    lengths.push_back(tensorType(operand).getDimSize(2));
  if (Value segments = getSegments())
    lengths.push_back(tensorType(segments).getDimSize(1));
  int64_t rows = tensorType(getQuery()).getDimSize(2);
  if (!hasAt())
    lengths.push_back(rows);
  FailureOr<int64_t> length = verifyLength(*this, "tokens", lengths); // C2
  if (failed(length))
    return failure();
  if (!hasAt())
    rows = *length;
  if (Value initial = getInitial()) {
    if ((getInitialMass() != Value()) != getMass()) // C8
      return emitOpError("expected init to have ") << (getMass() ? "a state and its mass" : "a state alone") << ", got "
                                                   << (getMass() ? 1 : 2) << " operands";
    if (failed(verifyState(*this, "an initial state", initial, /*isMass=*/false)) ||
        (getInitialMass() && failed(verifyState(*this, "an initial state's mass", getInitialMass(), true)))) // C7
      return failure();
  }
  if (failed(verifyResults(*this, rows)))
    return failure();
  OperandExtents operands, results;
  for (auto [operand, dimension] : getBatchExtents())
    operands.addBatch(tensorType(operand).getDimSize(dimension));
  for (auto [operand, dimension] : getHeadExtents())
    operands.addHeads(tensorType(operand).getDimSize(dimension));
  for (Value result : getResults())
    results.add(tensorType(result));
  if (failed(operands.verifyDivide(*this, operands))) // C3
    return failure();
  return operands.verifyEqual(*this, "a result", results); // C6, C7
}

LogicalResult RecurOp::verifyRegions() {
  Type index = IndexType::get(getContext());
  return hasAt() ? verifyScalarRegion(*this, getAt(), "at", index, index) : success(); // C9
}

//===----------------------------------------------------------------------===//
// Accessors
//===----------------------------------------------------------------------===//

SmallVector<Value> RecurOp::getTokenOperands() {
  SmallVector<Value> tokens{getKey(), getValue()};
  if (Value gate = getGate(); gate && tensorType(gate).getRank() > 1)
    tokens.push_back(gate);
  return tokens;
}

SmallVector<std::pair<Value, int64_t>> RecurOp::getBatchExtents() {
  SmallVector<std::pair<Value, int64_t>> extents{{getQuery(), 0}};
  for (Value operand : getTokenOperands())
    extents.push_back({operand, 0});
  for (Value operand : {Value(getSegments()), Value(getInitial()), Value(getInitialMass())})
    if (operand)
      extents.push_back({operand, 0});
  return extents;
}

SmallVector<std::pair<Value, int64_t>> RecurOp::getHeadExtents() {
  SmallVector<std::pair<Value, int64_t>> extents{{getQuery(), 1}};
  for (Value operand : getTokenOperands())
    extents.push_back({operand, 1});
  if (Value gate = getGate(); gate && tensorType(gate).getRank() == 1)
    extents.push_back({gate, 0});
  for (Value operand : {Value(getInitial()), Value(getInitialMass())})
    if (operand)
      extents.push_back({operand, 1});
  return extents;
}
