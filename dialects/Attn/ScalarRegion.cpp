//===- ScalarRegion.cpp - text and checks of regions on scalars -------------===//
#include "dialects/Attn/ScalarRegion.h"
#include "dialects/Attn/AttnOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace heddle::attn;

ParseResult heddle::attn::parseScalarRegion(OpAsmParser &parser, Region &region, TypeRange types,
                                            ArrayRef<OpAsmParser::Argument> trailing, unsigned optional) {
  SmallVector<OpAsmParser::Argument> arguments;
  SMLoc location = parser.getCurrentLocation();
  if (parser.parseArgumentList(arguments, OpAsmParser::Delimiter::Paren))
    return failure();
  if (optional && arguments.size() + optional == types.size())
    types = types.drop_back(optional);
  if (arguments.size() != types.size())
    return parser.emitError(location, "expected ") << types.size() << " arguments, got " << arguments.size();
  for (auto [argument, type] : llvm::zip_equal(arguments, types))
    argument.type = type;
  llvm::append_range(arguments, trailing);
  return parser.parseRegion(region, arguments);
}

void heddle::attn::printScalarRegion(OpAsmPrinter &printer, Region &region, unsigned hidden) {
  printer << '(';
  llvm::interleaveComma(region.getArguments().drop_back(hidden), printer,
                        [&](BlockArgument argument) { printer.printOperand(argument); });
  printer << ") ";
  printer.printRegion(region, /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/true);
}

LogicalResult heddle::attn::verifyScalarRegion(Operation *op, Region &region, StringRef name, TypeRange takes,
                                               TypeRange yields) {
  if (!region.hasOneBlock())
    return op->emitOpError("expected the ") << name << " region to be one block, got " << region.getBlocks().size();
  if (region.getArgumentTypes() != takes)
    return op->emitOpError("expected the ")
           << name << " region to take (" << takes << "), got (" << TypeRange(region.getArgumentTypes()) << ")";
  Block &block = region.front();
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield)
    return op->emitOpError("expected the ") << name << " region to end in attn.yield";
  if (TypeRange(yield.getResults()) != yields)
    return op->emitOpError("expected the ")
           << name << " region to yield (" << yields << "), got (" << TypeRange(yield.getResults()) << ")";
  return success();
}

ParseResult SizeList::parse(OpAsmParser &parser) {
  location = parser.getCurrentLocation();
  return parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, [&]() -> ParseResult {
    int64_t extent;
    OptionalParseResult number = parser.parseOptionalInteger(extent);
    if (number.has_value()) {
      extents.push_back(extent);
      return *number;
    }
    extents.push_back(ShapedType::kDynamic);
    return parser.parseOperand(values.emplace_back());
  });
}

ParseResult SizeList::check(OpAsmParser &parser, ShapedType type) const {
  if (!type.hasRank() || type.getRank() != static_cast<int64_t>(extents.size()))
    return parser.emitError(location, "expected the sizes of ") << type << ", got " << extents.size();
  for (auto [dim, extent] : llvm::enumerate(extents)) {
    if (extent == type.getDimSize(dim))
      continue;
    auto error = parser.emitError(location, "expected ");
    type.isDynamicDim(dim) ? error << "a value" : error << type.getDimSize(dim);
    error << " for size " << dim << " of " << type << ", got ";
    ShapedType::isDynamic(extent) ? error << "a value" : error << extent;
    return error;
  }
  return success();
}

void heddle::attn::printSizeList(OpAsmPrinter &printer, ValueRange sizes, ShapedType type) {
  printer << '(';
  auto size = sizes.begin();
  llvm::interleaveComma(type.getShape(), printer, [&](int64_t extent) {
    if (ShapedType::isDynamic(extent))
      printer.printOperand(*size++);
    else
      printer << extent;
  });
  printer << ')';
}
