//===- Selection.cpp - which kernels of a pack are compiled -----------------===//
#include "Selection.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"

using namespace heddle;

llvm::Expected<Selection> Selection::parse(llvm::StringRef text) {
  Selection selection;
  selection.everything = text.empty();
  if (text.empty() || text == "none")
    return selection;
  for (llvm::StringRef name : llvm::split(text, ',')) {
    auto [variant, kernel] = name.split(':');
    unsigned number;
    if (variant.getAsInteger(10, number) || kernel.empty())
      return llvm::createStringError("expected kernels such as '0:attend_0,1:attend_0', or 'none', got '" + text + "'");
    selection.wanted.insert((llvm::Twine(number) + ":" + kernel).str());
  }
  return selection;
}

bool Selection::takes(unsigned variant, llvm::StringRef kernel) {
  if (everything)
    return true;
  std::string name = (llvm::Twine(variant) + ":" + kernel).str();
  if (!wanted.contains(name))
    return false;
  taken.insert(name);
  return true;
}

llvm::Error Selection::checkAllTaken() const {
  for (llvm::StringRef name : wanted.keys())
    if (!taken.contains(name))
      return llvm::createStringError("expected kernels that --emit=plan shows, got '" + name + "'");
  return llvm::Error::success();
}
