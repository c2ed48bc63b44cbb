//===- AttendSyntax.cpp - the text of attn.attend ---------------------------===//
//
//   attn.attend dot(q, k[, k2])* pair(q, k)(x, y, c) {..}*
//     value(v[, v2])* covalue(u)* table(b, h, i, j) {..} sizes(..)*
//     normalize @n(args : types) stats [names] score(..) {..} mask(..) {..}
//     attributes : (operand types) -> (result types)
//
//===----------------------------------------------------------------------===//
#include "dialects/Attn/AttnOps.h"
#include "dialects/Attn/ScalarRegion.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace heddle::attn;
using Operand = OpAsmParser::UnresolvedOperand;

namespace {
/// What the text has given so far.
struct AttendText {
  SmallVector<Operand> dots, pairs, values, covalues, tableSizes, normalizerArgs;
  SmallVector<int32_t> dotSizes, valueSizes;
  SmallVector<Type> normalizerTypes;
  SmallVector<SizeList> tables;
  SmallVector<std::unique_ptr<Region>> pairRegions, tableRegions;
  bool secondKeys = false;

  size_t scores() const { return dotSizes.size() + pairs.size() / 2; }
};
} // namespace

static SmallVector<Type> positionTypes(Builder &builder, const AttendText &text) {
  return SmallVector<Type>(text.secondKeys ? 5 : 4, builder.getIndexType());
}

/// Parses `keyword(operands)` any number of times; `sizes` receives how many each has.
static ParseResult parseGroups(OpAsmParser &parser, StringRef keyword, SmallVectorImpl<Operand> &operands,
                               SmallVectorImpl<int32_t> &sizes) {
  while (succeeded(parser.parseOptionalKeyword(keyword))) {
    size_t before = operands.size();
    if (parser.parseOperandList(operands, OpAsmParser::Delimiter::Paren))
      return failure();
    sizes.push_back(operands.size() - before);
  }
  return success();
}

static ParseResult parsePairs(OpAsmParser &parser, AttendText &text) {
  Builder &builder = parser.getBuilder();
  Type types[] = {builder.getF32Type(), builder.getF32Type(), builder.getIndexType()};
  while (succeeded(parser.parseOptionalKeyword("pair"))) {
    SmallVector<Operand> operands;
    if (parser.parseOperandList(operands, 2, OpAsmParser::Delimiter::Paren) ||
        parseScalarRegion(parser, *text.pairRegions.emplace_back(std::make_unique<Region>()), types))
      return failure();
    text.pairs.append(operands);
  }
  return success();
}

static ParseResult parseTables(OpAsmParser &parser, AttendText &text) {
  while (succeeded(parser.parseOptionalKeyword("table"))) {
    Region &region = *text.tableRegions.emplace_back(std::make_unique<Region>());
    SizeList &sizes = text.tables.emplace_back();
    if (parseScalarRegion(parser, region, positionTypes(parser.getBuilder(), text)) || parser.parseKeyword("sizes") ||
        sizes.parse(parser))
      return failure();
    text.tableSizes.append(sizes.values);
  }
  return success();
}

static ParseResult parseNormalizer(OpAsmParser &parser, AttendText &text, AttendOp::Properties &properties) {
  SmallVector<Attribute> names;
  if (succeeded(parser.parseOptionalKeyword("normalize"))) {
    StringAttr name;
    if (parser.parseSymbolName(name))
      return failure();
    properties.setNormalizer(FlatSymbolRefAttr::get(name));
    if (succeeded(parser.parseOptionalLParen()) &&
        (parser.parseOperandList(text.normalizerArgs) || parser.parseColonTypeList(text.normalizerTypes) ||
         parser.parseRParen()))
      return failure();
  }
  if (succeeded(parser.parseOptionalKeyword("stats")) &&
      parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Square, [&]() -> ParseResult {
        std::string name;
        if (parser.parseKeywordOrString(&name))
          return failure();
        names.push_back(parser.getBuilder().getStringAttr(name));
        return success();
      }))
    return failure();
  properties.setStats(parser.getBuilder().getArrayAttr(names));
  return success();
}

/// Resolves a run of operands against its share of the operand types.
static ParseResult resolve(OpAsmParser &parser, SMLoc location, ArrayRef<Operand> operands, ArrayRef<Type> &types,
                           OperationState &result) {
  ArrayRef<Type> share = types.take_front(operands.size());
  types = types.drop_front(operands.size());
  return parser.resolveOperands(operands, share, location, result.operands);
}

ParseResult AttendOp::parse(OpAsmParser &parser, OperationState &result) {
  Builder &builder = parser.getBuilder();
  AttendText text;
  auto &properties = result.getOrAddProperties<Properties>();
  SmallVector<int32_t> covalueSizes;
  if (parseGroups(parser, "dot", text.dots, text.dotSizes))
    return failure();
  text.secondKeys = llvm::is_contained(text.dotSizes, 3);
  if (parsePairs(parser, text) || parseGroups(parser, "value", text.values, text.valueSizes) ||
      parseGroups(parser, "covalue", text.covalues, covalueSizes) || parseTables(parser, text) ||
      parseNormalizer(parser, text, properties))
    return failure();

  SmallVector<Type> maskTypes = positionTypes(builder, text), scoreTypes(text.scores(), builder.getF32Type());
  llvm::append_range(scoreTypes, maskTypes);
  Region *score = result.addRegion(), *mask = result.addRegion();
  if (succeeded(parser.parseOptionalKeyword("score")) && parseScalarRegion(parser, *score, scoreTypes))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("mask")) && parseScalarRegion(parser, *mask, maskTypes))
    return failure();
  result.addRegions(text.pairRegions);
  result.addRegions(text.tableRegions);

  FunctionType type;
  SMLoc location;
  if (parser.parseOptionalAttrDict(result.attributes) || parser.getCurrentLocation(&location) ||
      parser.parseColonType(type))
    return failure();
  if (Attribute lag = result.attributes.erase(getLagAttrName(result.name))) {
    properties.setLag(dyn_cast<FloatAttr>(lag));
    if (!properties.getLag() || !properties.getLag().getType().isF32())
      return parser.emitError(location, "expected lag of type f32, got ") << lag;
  }
  size_t count = text.dots.size() + text.pairs.size() + text.values.size() + text.covalues.size();
  if (type.getNumInputs() != count)
    return parser.emitError(location, "expected ") << count << " operand types, got " << type.getNumInputs();
  size_t weighted = text.valueSizes.size() + text.covalues.size() + text.tables.size();
  if (type.getNumResults() < weighted)
    return parser.emitError(location, "expected at least ")
           << weighted << " result types, got " << type.getNumResults();
  for (auto [index, sizes] : llvm::enumerate(text.tables)) {
    auto table = dyn_cast<ShapedType>(type.getResult(weighted - text.tables.size() + index));
    if (!table)
      return parser.emitError(location, "expected a tensor for table ") << index;
    if (sizes.check(parser, table))
      return failure();
  }

  ArrayRef<Type> types = type.getInputs();
  if (resolve(parser, location, text.dots, types, result) || resolve(parser, location, text.pairs, types, result) ||
      resolve(parser, location, text.values, types, result) ||
      resolve(parser, location, text.covalues, types, result) ||
      parser.resolveOperands(text.tableSizes, builder.getIndexType(), result.operands) ||
      parser.resolveOperands(text.normalizerArgs, text.normalizerTypes, location, result.operands))
    return failure();
  result.addTypes(type.getResults());
  properties.setDotSizes(builder.getDenseI32ArrayAttr(text.dotSizes));
  properties.setValueSizes(builder.getDenseI32ArrayAttr(text.valueSizes));
  size_t segments[] = {text.dots.size(),     text.pairs.size(),      text.values.size(),
                       text.covalues.size(), text.tableSizes.size(), text.normalizerArgs.size()};
  llvm::copy(segments, properties.operandSegmentSizes.begin());
  return success();
}

static void printOperands(OpAsmPrinter &printer, StringRef keyword, ValueRange operands) {
  printer << ' ' << keyword << '(' << operands << ')';
}

void AttendOp::print(OpAsmPrinter &printer) {
  for (OperandRange dot : getDots())
    printOperands(printer, "dot", dot);
  for (auto [index, region] : llvm::enumerate(getPairRegions())) {
    printOperands(printer, "pair", getPairs().slice(2 * index, 2));
    printer << ' ';
    printScalarRegion(printer, region);
  }
  for (OperandRange value : getValueGroups())
    printOperands(printer, "value", value);
  for (Value covalue : getCovalues())
    printOperands(printer, "covalue", covalue);
  for (auto [index, region] : llvm::enumerate(getTableRegions())) {
    printer << " table";
    printScalarRegion(printer, region);
    printer << " sizes";
    printSizeList(printer, getSizesOfTable(index), cast<ShapedType>(getTableResults()[index].getType()));
  }
  if (auto normalizer = getNormalizerAttr()) {
    printer << " normalize " << normalizer;
    if (!getNormalizerArgs().empty())
      printer << '(' << getNormalizerArgs() << " : " << getNormalizerArgs().getTypes() << ')';
  }
  if (!getStats().empty()) {
    printer << " stats [";
    llvm::interleaveComma(getStatNames(), printer, [&](StringRef name) { printer.printKeywordOrString(name); });
    printer << ']';
  }
  auto printNamed = [&](StringRef keyword, Region &region) {
    if (region.empty())
      return;
    printer << ' ' << keyword;
    printScalarRegion(printer, region);
  };
  printNamed("score", getScore());
  printNamed("mask", getMask());
  printer.printOptionalAttrDict((*this)->getAttrs(),
                                {"operandSegmentSizes", getDotSizesAttrName(), getValueSizesAttrName(),
                                 getNormalizerAttrName(), getStatsAttrName()});
  SmallVector<Type> types;
  for (OperandRange dot : getDots())
    llvm::append_range(types, dot.getTypes());
  llvm::append_range(types, getPairs().getTypes());
  for (OperandRange value : getValueGroups())
    llvm::append_range(types, value.getTypes());
  llvm::append_range(types, getCovalues().getTypes());
  printer << " : ";
  printer.printFunctionalType(types, getResultTypes());
}
