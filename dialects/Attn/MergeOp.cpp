//===- MergeOp.cpp - text and checks of attn.merge --------------------------===//
#include "dialects/Attn/AttnOps.h"
#include "dialects/Attn/ScalarRegion.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace heddle::attn;

/// The positions that weights depend on: b, h, i.
static constexpr unsigned kPositions = 3;

ParseResult MergeOp::parse(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::UnresolvedOperand> parts;
  SmallVector<Type> positions(kPositions, parser.getBuilder().getIndexType());
  FunctionType type;
  SMLoc location;
  if (parser.parseOperandList(parts, OpAsmParser::Delimiter::Paren) || parser.parseKeyword("weights") ||
      parseScalarRegion(parser, *result.addRegion(), positions) || parser.parseOptionalAttrDict(result.attributes) ||
      parser.getCurrentLocation(&location) || parser.parseColonType(type) ||
      parser.resolveOperands(parts, type.getInputs(), location, result.operands))
    return failure();
  result.addTypes(type.getResults());
  return success();
}

void MergeOp::print(OpAsmPrinter &printer) {
  printer << " (" << getParts() << ") weights";
  printScalarRegion(printer, getWeights());
  printer.printOptionalAttrDict((*this)->getAttrs());
  printer << " : ";
  printer.printFunctionalType(getParts().getTypes(), (*this)->getResultTypes());
}

void MergeOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  if (region.getNumArguments() == kPositions)
    for (auto [argument, name] : llvm::zip(region.getArguments(), ArrayRef<StringRef>{"b", "h", "i"}))
      setName(argument, name);
}

LogicalResult MergeOp::verifyRegions() {
  RankedTensorType type = getResult().getType();
  if (getParts().empty()) // C1
    return emitOpError("expected at least one part, got none");
  for (Value part : getParts()) {
    auto partType = cast<RankedTensorType>(part.getType());
    int64_t width = partType.getDimSize(3);
    if (ShapedType::isDynamic(width) || width != type.getDimSize(3)) // C1
      return emitOpError("expected parts with the static last extent of ") << type << ", got " << partType;
    if (failed(verifyCompatibleShape(partType, type))) // C2, C3
      return emitOpError("expected parts with the extents of ") << type << ", got " << partType;
  }
  Builder builder(getContext());
  SmallVector<Type> takes(kPositions, builder.getIndexType()), yields(getParts().size(), builder.getF32Type());
  return verifyScalarRegion(*this, getWeights(), "weights", takes, yields); // C4
}
