//===- NormalizerOp.cpp - text and checks of attn.normalizer ----------------===//
#include "dialects/Attn/AttnOps.h"
#include "dialects/Attn/NormalizerGauge.h"
#include "dialects/Attn/RankedStats.h"
#include "dialects/Attn/ScalarRegion.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace heddle::attn;

//===----------------------------------------------------------------------===//
// Shapes of the four regions, in one place for the text and the checks
//===----------------------------------------------------------------------===//

namespace {
/// What a region takes before the header's arguments, and how many f32 it yields.
struct Signature {
  StringRef name;
  SmallVector<Type> takes;
  unsigned yields;
};

/// The counts that decide the signatures.
struct Counts {
  unsigned weights, sums, stats;
  bool reference;
  bool movesSums; ///< rescale says what becomes of each sum
};
} // namespace

enum RegionIndex { kReference, kRescale, kWeight, kFinish, kNumRegions };

static Signature signature(MLIRContext *context, const Counts &counts, unsigned region) {
  Type f32 = Float32Type::get(context), index = IndexType::get(context);
  SmallVector<Type> takes;
  unsigned gauge = counts.reference ? 1 : 0;
  switch (region) {
  case kReference:
    takes.append({f32, index, index, index, index});
    return {"reference", takes, 1};
  case kRescale:
    takes.append({f32, f32});
    if (counts.movesSums)
      takes.append(counts.sums, f32);
    return {"rescale", takes, counts.movesSums ? 1 + counts.sums : 1};
  case kWeight:
    takes.append(1 + gauge, f32);
    takes.append(4, index);
    return {"weight", takes, counts.weights + counts.sums};
  default:
    takes.append(gauge + counts.sums, f32);
    takes.append(3, index);
    return {"finish", takes, counts.weights + counts.stats};
  }
}

static Counts countsOf(NormalizerOp op) {
  Counts counts = {op.getNumWeights(), op.getNumSums(), op.getNumStats(), op.hasReference(), /*movesSums=*/false};
  if (!counts.reference || op.getRescale().empty() || op.getWeight().empty())
    return counts;
  // Both regions end in the header's arguments.
  int64_t header = int64_t(op.getWeight().getNumArguments()) - signature(op.getContext(), counts, kWeight).takes.size();
  int64_t least = signature(op.getContext(), counts, kRescale).takes.size() + header;
  counts.movesSums = op.getRescale().getNumArguments() > least;
  return counts;
}

std::optional<unsigned> NormalizerOp::getStatIndex(StringRef name) {
  for (auto [index, stat] : llvm::enumerate(getStats().getAsValueRange<StringAttr>()))
    if (stat == name)
      return index;
  return std::nullopt;
}

unsigned NormalizerOp::getNumLeading(Region &region) {
  return signature(getContext(), countsOf(*this), region.getRegionNumber()).takes.size();
}

SmallVector<Type> NormalizerOp::getHeaderTypes() {
  ArrayRef<BlockArgument> arguments = getWeight().getArguments();
  unsigned leading = std::min<unsigned>(getNumLeading(getWeight()), arguments.size());
  return llvm::to_vector(ValueRange(arguments.drop_front(leading)).getTypes());
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static ParseResult parseCount(OpAsmParser &parser, StringRef keyword, uint64_t &count) {
  return failure(parser.parseKeyword(keyword) || parser.parseLParen() || parser.parseInteger(count) ||
                 parser.parseRParen());
}

ParseResult NormalizerOp::parse(OpAsmParser &parser, OperationState &result) {
  Builder &builder = parser.getBuilder();
  auto &properties = result.getOrAddProperties<Properties>();
  StringAttr name;
  uint64_t weights, sums;
  SmallVector<OpAsmParser::Argument> header;
  SmallVector<Attribute> stats;
  if (parser.parseSymbolName(name) ||
      parser.parseArgumentList(header, OpAsmParser::Delimiter::OptionalParen, /*allowType=*/true) ||
      parseCount(parser, "weights", weights) || parseCount(parser, "sums", sums))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("stats")) &&
      parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Square, [&]() -> ParseResult {
        std::string stat;
        if (parser.parseKeywordOrString(&stat))
          return failure();
        stats.push_back(builder.getStringAttr(stat));
        return success();
      }))
    return failure();
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes) || parser.parseLBrace())
    return failure();
  Counts counts = {unsigned(weights), unsigned(sums), unsigned(stats.size()), /*reference=*/false, /*movesSums=*/true};
  for (unsigned index = 0; index < kNumRegions; ++index) {
    Region *region = result.addRegion();
    Signature shape = signature(builder.getContext(), counts, index);
    if (index == kReference || index == kRescale) {
      if (failed(parser.parseOptionalKeyword(shape.name)))
        continue;
    } else if (parser.parseKeyword(shape.name)) {
      return failure();
    }
    if (parseScalarRegion(parser, *region, shape.takes, header, index == kRescale ? unsigned(sums) : 0))
      return failure();
    counts.reference |= index == kReference;
  }
  properties.setSymName(name);
  properties.setWeights(builder.getI64IntegerAttr(weights));
  properties.setSums(builder.getI64IntegerAttr(sums));
  properties.setStats(builder.getArrayAttr(stats));
  return parser.parseRBrace();
}

void NormalizerOp::print(OpAsmPrinter &printer) {
  printer << ' ';
  printer.printSymbolName(getSymName());
  unsigned hidden = getHeaderTypes().size();
  if (hidden != 0) {
    printer << '(';
    llvm::interleaveComma(getWeight().getArguments().take_back(hidden), printer,
                          [&](BlockArgument argument) { printer.printRegionArgument(argument); });
    printer << ')';
  }
  printer << " weights(" << getWeights() << ") sums(" << getSums() << ')';
  if (!getStats().empty())
    printer << " stats " << getStats();
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(), {getSymNameAttrName(), getWeightsAttrName(), getSumsAttrName(), getStatsAttrName()});
  printer << " {";
  printer.increaseIndent();
  for (Region &region : (*this)->getRegions()) {
    if (region.empty())
      continue;
    printer.printNewline();
    printer << signature(getContext(), countsOf(*this), region.getRegionNumber()).name;
    printScalarRegion(printer, region, hidden);
  }
  printer.decreaseIndent();
  printer.printNewline();
  printer << '}';
}

void NormalizerOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  SmallVector<std::string> names;
  auto add = [&](std::initializer_list<const char *> more) { names.append(more.begin(), more.end()); };
  switch (region.getRegionNumber()) {
  case kReference:
    add({"s", "b", "h", "i", "j"});
    break;
  case kRescale:
    add({"old", "new"});
    for (unsigned sum = 0; names.size() < getNumLeading(region); ++sum)
      names.push_back("r" + std::to_string(sum));
    break;
  case kWeight:
    add({"s"});
    if (hasReference())
      add({"m"});
    add({"b", "h", "i", "j"});
    break;
  default:
    if (hasReference())
      add({"m"});
    for (unsigned sum = 0; sum < getNumSums(); ++sum)
      names.push_back("r" + std::to_string(sum));
    add({"b", "h", "i"});
  }
  // The header is printed once for all regions, so its arguments have the same name in each.
  for (unsigned index = names.size(); index < region.getNumArguments(); ++index)
    names.push_back("t" + std::to_string(index - getNumLeading(region)));
  for (auto [argument, name] : llvm::zip(region.getArguments(), names))
    setName(argument, name);
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

LogicalResult NormalizerOp::verifyRegions() {
  if (getWeightsAttr().getInt() < 1) // C1
    return emitOpError("expected at least 1 weight, got ") << getWeightsAttr().getInt();
  if (getSumsAttr().getInt() < 0) // C1
    return emitOpError("expected at least 0 sums, got ") << getSumsAttr().getInt();
  llvm::StringSet<> seen;
  for (StringRef stat : getStats().getAsValueRange<StringAttr>())
    if (stat == kMaxStat || RankedStat::parse(stat) || !seen.insert(stat).second) // C1
      return emitOpError("expected distinct statistics not called ") << kMaxStat << ", got " << getStats();
  if (getReference().empty() != getRescale().empty()) // C2
    return emitOpError("expected reference and rescale together, got only ")
           << (hasReference() ? "reference" : "rescale");
  if (getWeight().empty() || getFinish().empty())
    return emitOpError("expected weight and finish regions, got ")
           << (getWeight().empty() ? getFinish().empty() ? "neither" : "only finish" : "only weight");
  Type f32 = Float32Type::get(getContext());
  SmallVector<Type> header = getHeaderTypes();
  for (Region &region : (*this)->getRegions()) {
    if (region.empty())
      continue;
    Signature shape = signature(getContext(), countsOf(*this), region.getRegionNumber());
    llvm::append_range(shape.takes, header);
    if (failed(verifyScalarRegion(*this, region, shape.name, shape.takes, SmallVector<Type>(shape.yields, f32)))) // C3
      return failure();
  }
  return verifyGauge(*this); // C4, C5
}
