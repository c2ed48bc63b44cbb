//===- ParameterNames.cpp - what the text calls its arguments ---------------===//
//
// MLIR forgets SSA names, but its parser will tell where each was written. A
// user of the pack then reads "argument q", as in the spec.
//
//===----------------------------------------------------------------------===//
#include "ParameterNames.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace heddle;

/// `%name` without the sign; empty for a number, which says nothing.
static std::string nameAt(llvm::SMRange range) {
  if (!range.isValid())
    return {};
  StringRef text(range.Start.getPointer(), range.End.getPointer() - range.Start.getPointer());
  text.consume_front("%");
  return text.empty() || llvm::isDigit(text.front()) ? std::string() : text.str();
}

static std::string nameOf(Value value, const AsmParserState &state) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    const auto *block = state.getBlockDef(argument.getOwner());
    bool isKnown = block && argument.getArgNumber() < block->arguments.size();
    return isKnown ? nameAt(block->arguments[argument.getArgNumber()].loc) : std::string();
  }
  const auto *definition = state.getOpDef(value.getDefiningOp());
  unsigned number = cast<OpResult>(value).getResultNumber();
  if (definition)
    for (const auto &group : definition->resultGroups)
      if (group.startIndex == number)
        return nameAt(group.definition.loc);
  return {};
}

ParameterNames heddle::readParameterNames(ModuleOp module, const AsmParserState &state) {
  ParameterNames result;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isExternal())
      continue;
    std::vector<std::string> names;
    auto add = [&](Value value, StringRef fallback, unsigned index) {
      std::string name = nameOf(value, state);
      if (name.empty() || llvm::is_contained(names, name))
        name = (fallback + Twine(index)).str();
      names.push_back(name);
    };
    for (auto [index, argument] : llvm::enumerate(function.getArguments()))
      add(argument, "arg", index);
    for (auto [index, value] : llvm::enumerate(function.back().getTerminator()->getOperands()))
      add(value, "result", index);
    result[function.getSymName()] = std::move(names);
  }
  return result;
}
