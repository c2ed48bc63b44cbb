//===- AttnOps.cpp - accessors of attn.attend and names in its text ---------===//
#include "dialects/Attn/AttnOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace heddle::attn;

#define GET_OP_CLASSES
#include "dialects/Attn/AttnOps.cpp.inc"

bool AttendOp::hasSecondKeys() { return llvm::is_contained(getDotSizes(), 3); }

AttendOp::Positions AttendOp::getPositions(Region &region) {
  ArrayRef<BlockArgument> positions = region.getArguments().take_back(getNumPositions());
  return {positions[0], positions[1], positions[2], positions[3], hasSecondKeys() ? positions[4] : BlockArgument()};
}

ArrayRef<BlockArgument> AttendOp::getScoreArguments() {
  if (!hasScore())
    return {};
  return getScore().getArguments().drop_back(getNumPositions());
}

SmallVector<StringRef> AttendOp::getStatNames() {
  return llvm::map_to_vector(getStats().getAsValueRange<StringAttr>(), [](StringRef name) { return name; });
}

Value AttendOp::getStatResult(StringRef name) {
  for (auto [stat, result] : llvm::zip_equal(getStatNames(), getStatResults()))
    if (stat == name)
      return result;
  return {};
}

OperandRange AttendOp::getSizesOfTable(unsigned table) {
  auto dynamicDims = [&](unsigned index) {
    return cast<ShapedType>(getTableResults()[index].getType()).getNumDynamicDims();
  };
  unsigned first = 0;
  for (unsigned index = 0; index < table; ++index)
    first += dynamicDims(index);
  return getTableSizes().slice(first, dynamicDims(table));
}

SmallVector<Value> AttendOp::getRowOperands() {
  SmallVector<Value> rows;
  for (OperandRange dot : getDots())
    rows.push_back(dot[0]);
  for (unsigned pair = 0; pair < getNumPairs(); ++pair)
    rows.push_back(getPairs()[2 * pair]);
  llvm::append_range(rows, getCovalues());
  return rows;
}

SmallVector<Value> AttendOp::getKeyOperands() {
  SmallVector<Value> keys;
  for (OperandRange dot : getDots())
    keys.push_back(dot[1]);
  for (unsigned pair = 0; pair < getNumPairs(); ++pair)
    keys.push_back(getPairs()[2 * pair + 1]);
  for (OperandRange value : getValueGroups())
    keys.push_back(value[0]);
  return keys;
}

SmallVector<Value> AttendOp::getSecondKeyOperands() {
  SmallVector<Value> keys;
  for (OperandRange dot : getDots())
    if (dot.size() == 3)
      keys.push_back(dot[2]);
  for (OperandRange value : getValueGroups())
    if (value.size() == 2)
      keys.push_back(value[1]);
  return keys;
}

NormalizerOp AttendOp::lookupNormalizer() {
  if (auto name = getNormalizerAttr())
    return SymbolTable::lookupNearestSymbolFrom<NormalizerOp>(*this, name);
  return {};
}

void AttendOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  bool isPair = llvm::any_of(getPairRegions(), [&](Region &pair) { return &pair == &region; });
  if (isPair && region.getNumArguments() == 3) {
    for (auto [argument, name] : llvm::zip(region.getArguments(), ArrayRef<StringRef>{"x", "y", "c"}))
      setName(argument, name);
    return;
  }
  if (isPair || region.getNumArguments() < getNumPositions())
    return;
  for (BlockArgument score : region.getArguments().drop_back(getNumPositions()))
    setName(score, "s");
  for (auto [argument, name] :
       llvm::zip(region.getArguments().take_back(getNumPositions()), ArrayRef<StringRef>{"b", "h", "i", "j", "k"}))
    setName(argument, name);
}
