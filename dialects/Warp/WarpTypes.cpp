//===- WarpTypes.cpp - slots and rings --------------------------------------===//
#include "dialects/Warp/WarpDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace heddle::warp;

#define GET_TYPEDEF_CLASSES
#include "dialects/Warp/WarpTypes.cpp.inc"

void WarpDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Warp/WarpTypes.cpp.inc"
      >();
}

/// Parses `64x128xbf16, <pad = 16>`.
static SlotType parseTile(AsmParser &parser) {
  SmallVector<int64_t> shape;
  Type elementType;
  SharedAttr layout;
  SMLoc location = parser.getCurrentLocation();
  if (parser.parseDimensionList(shape, /*allowDynamic=*/false) || parser.parseType(elementType) ||
      parser.parseComma() || parser.parseCustomAttributeWithFallback(layout))
    return {};
  if (shape.size() != 2)
    return parser.emitError(location, "expected a tile of rank 2, got rank ") << shape.size(), SlotType();
  return SlotType::get(parser.getContext(), shape, elementType, layout);
}

static void printTile(AsmPrinter &printer, SlotType slot) {
  printer << slot.getShape()[0] << "x" << slot.getShape()[1] << "x" << slot.getElementType() << ", ";
  printer.printStrippedAttrOrType(slot.getLayout());
}

Type SlotType::parse(AsmParser &parser) {
  if (parser.parseLess())
    return {};
  SlotType slot = parseTile(parser);
  return slot && !parser.parseGreater() ? slot : SlotType();
}

void SlotType::print(AsmPrinter &printer) const {
  printer << "<";
  printTile(printer, *this);
  printer << ">";
}

int64_t SlotType::getElementBytes() const { return llvm::divideCeil(getElementType().getIntOrFloatBitWidth(), 8); }

int64_t SlotType::getPitch() const {
  if (isSwizzled())
    return getLayout().getSwizzle();
  if (getShape()[1] == 1 && !getLayout().getPad()) // a column, element after element
    return getElementBytes();
  return llvm::alignTo(getShape()[1] * getElementBytes(), 16) + getLayout().getPad();
}

int64_t SlotType::getPanelColumns() const {
  return isSwizzled() ? getLayout().getSwizzle() / getElementBytes() : getShape()[1];
}

int64_t SlotType::getBytes() const { return llvm::divideCeil(getShape()[1], getPanelColumns()) * getPanelBytes(); }

Type RingType::parse(AsmParser &parser) {
  int64_t stages;
  SMLoc location = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseInteger(stages) || parser.parseKeyword("of"))
    return {};
  if (stages < 1)
    return parser.emitError(location, "expected at least one stage, got ") << stages, Type();
  SlotType slot = parseTile(parser);
  bool bulk = slot && succeeded(parser.parseOptionalComma());
  if (bulk && parser.parseKeyword("bulk"))
    return {};
  bool gathered = bulk && succeeded(parser.parseOptionalComma());
  if (gathered && parser.parseKeyword("gathered"))
    return {};
  return slot && !parser.parseGreater() ? RingType::get(parser.getContext(), stages, slot, bulk, gathered) : Type();
}

void RingType::print(AsmPrinter &printer) const {
  printer << "<" << getStages() << " of ";
  printTile(printer, getSlot());
  printer << (getBulk() ? ", bulk" : "") << (getGathered() ? ", gathered>" : ">");
}
