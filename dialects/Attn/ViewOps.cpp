//===- ViewOps.cpp - text and checks of attn.view and attn.accumulate -------===//
#include "dialects/Attn/AttnOps.h"
#include "dialects/Attn/ScalarRegion.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace heddle::attn;

//===----------------------------------------------------------------------===//
// Text: `source (x..) { .. } sizes(..) [injective] [lengths(n)] : type -> type`
//===----------------------------------------------------------------------===//

/// The region of an operation whose positions are those of `ranked` can only be given types once the rank is known,
/// and in the text types come last; so the names tell the rank.
static ParseResult parsePositionRegion(OpAsmParser &parser, Region &region) {
  SmallVector<OpAsmParser::Argument> arguments;
  if (parser.parseArgumentList(arguments, OpAsmParser::Delimiter::Paren))
    return failure();
  for (OpAsmParser::Argument &argument : arguments)
    argument.type = parser.getBuilder().getIndexType();
  return parser.parseRegion(region, arguments);
}

/// Parses `lengths(%n)` or `lengths(%n : type)`; the type is tensor<?xi32> when left out.
static ParseResult parseLengths(OpAsmParser &parser, SmallVectorImpl<OpAsmParser::UnresolvedOperand> &lengths,
                                Type &type) {
  if (failed(parser.parseOptionalKeyword("lengths")))
    return success();
  type = RankedTensorType::get({ShapedType::kDynamic}, parser.getBuilder().getI32Type());
  if (parser.parseLParen() || parser.parseOperand(lengths.emplace_back()) ||
      (succeeded(parser.parseOptionalColon()) && parser.parseType(type)))
    return failure();
  return parser.parseRParen();
}

static void printLengths(OpAsmPrinter &printer, Value lengths) {
  if (!lengths)
    return;
  printer << " lengths(" << lengths;
  if (cast<RankedTensorType>(lengths.getType()).hasStaticShape())
    printer << " : " << lengths.getType();
  printer << ')';
}

template <typename OpT>
static ParseResult parseRenaming(OpAsmParser &parser, OperationState &result, bool mayBeInjective) {
  OpAsmParser::UnresolvedOperand source;
  SizeList sizes;
  SmallVector<OpAsmParser::UnresolvedOperand> lengths;
  Type lengthsType, sourceType, resultType;
  if (parser.parseOperand(source) || parsePositionRegion(parser, *result.addRegion()) || parser.parseKeyword("sizes") ||
      sizes.parse(parser))
    return failure();
  if (mayBeInjective && succeeded(parser.parseOptionalKeyword("injective")))
    result.addAttribute("injective", parser.getBuilder().getUnitAttr());
  SMLoc location;
  if (parseLengths(parser, lengths, lengthsType) || parser.parseOptionalAttrDict(result.attributes) ||
      parser.parseColonType(sourceType) || parser.parseArrow() || parser.getCurrentLocation(&location) ||
      parser.parseType(resultType))
    return failure();
  auto shaped = dyn_cast<ShapedType>(resultType);
  if (!shaped)
    return parser.emitError(location, "expected a tensor, got ") << resultType;
  if (sizes.check(parser, shaped) || parser.resolveOperand(source, sourceType, result.operands) ||
      parser.resolveOperands(sizes.values, parser.getBuilder().getIndexType(), result.operands))
    return failure();
  if (!lengths.empty() && parser.resolveOperand(lengths.front(), lengthsType, result.operands))
    return failure();
  int32_t segments[] = {1, static_cast<int32_t>(sizes.values.size()), static_cast<int32_t>(lengths.size())};
  result.addAttribute("operandSegmentSizes", parser.getBuilder().getDenseI32ArrayAttr(segments));
  result.addTypes(resultType);
  return success();
}

template <typename OpT> static void printRenaming(OpAsmPrinter &printer, OpT op, bool injective) {
  printer << ' ' << op.getSource() << ' ';
  printScalarRegion(printer, op.getCoordinates());
  printer << " sizes";
  printSizeList(printer, op.getSizes(), op.getType());
  if (injective)
    printer << " injective";
  printLengths(printer, op.getLengths());
  printer.printOptionalAttrDict(op->getAttrs(), {"operandSegmentSizes", "injective"});
  printer << " : " << op.getSource().getType() << " -> " << op.getType();
}

ParseResult ViewOp::parse(OpAsmParser &parser, OperationState &result) {
  return parseRenaming<ViewOp>(parser, result, /*mayBeInjective=*/false);
}
void ViewOp::print(OpAsmPrinter &printer) { printRenaming(printer, *this, /*injective=*/false); }

ParseResult AccumulateOp::parse(OpAsmParser &parser, OperationState &result) {
  return parseRenaming<AccumulateOp>(parser, result, /*mayBeInjective=*/true);
}
void AccumulateOp::print(OpAsmPrinter &printer) { printRenaming(printer, *this, getInjective()); }

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

/// The region goes from positions of `from` to positions of `to`.
template <typename OpT> static LogicalResult verifyRenaming(OpT op, RankedTensorType from, RankedTensorType to) {
  Type index = IndexType::get(op.getContext());
  SmallVector<Type> takes(from.getRank(), index), yields(to.getRank(), index);
  if (failed(verifyScalarRegion(op, op.getCoordinates(), "coordinate", takes, yields))) // C1
    return failure();
  if (static_cast<int64_t>(op.getSizes().size()) != op.getType().getNumDynamicDims()) // C2
    return op.emitOpError("expected ") << op.getType().getNumDynamicDims() << " sizes for " << op.getType() << ", got "
                                       << op.getSizes().size();
  if (from.getElementType() != to.getElementType()) // C3
    return op.emitOpError("expected element type ")
           << op.getSource().getType().getElementType() << ", got " << op.getType().getElementType();
  if (Value lengths = op.getLengths()) { // C4
    if (from.getRank() < 3)
      return op.emitOpError("expected lengths to bound dimension 2 of a tensor of rank 3 or more, got ") << from;
    auto type = cast<RankedTensorType>(lengths.getType());
    if (failed(verifyCompatibleDims({type.getDimSize(0), from.getDimSize(0)})))
      return op.emitOpError("expected ") << from.getDimSize(0) << " lengths, got " << type.getDimSize(0);
  }
  return success();
}

LogicalResult ViewOp::verifyRegions() { return verifyRenaming(*this, getType(), getSource().getType()); }
LogicalResult AccumulateOp::verifyRegions() { return verifyRenaming(*this, getSource().getType(), getType()); }

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

static void namePositions(Region &region, OpAsmSetValueNameFn setName) {
  static constexpr StringLiteral names[] = {"b", "h", "t", "c"};
  // Only the dialect's own order has names worth giving.
  if (region.getNumArguments() == 4 || region.getNumArguments() == 3)
    for (auto [argument, name] : llvm::zip(region.getArguments(), names))
      setName(argument, name);
}

void ViewOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) { namePositions(region, setName); }
void AccumulateOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  namePositions(region, setName);
}
