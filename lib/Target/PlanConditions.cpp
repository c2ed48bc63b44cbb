//===- PlanConditions.cpp - which kernels run when, for people ---------------===//
//
//   @recur_0, @recur_1 run where (3 <= min(floordiv(machine, ..), floordiv(size(k, 2), 512)))
//
// Test: test/Compiler/explain-conditions.mlir
//===----------------------------------------------------------------------===//
#include "heddle/Target/Plan.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace heddle;

/// What must equal the size of an array is called by that size, where it is shorter.
static std::vector<std::pair<std::string, std::string>> shorterNames(const Plan &plan,
                                                                     llvm::ArrayRef<std::string> names) {
  std::vector<std::pair<std::string, std::string>> shorter;
  for (const PlanRequirement &required : plan.requirements) {
    Expression equal = Expression::binary(HEDDLE_OP_EQ, required.left, required.right);
    std::string text = printExpression(required.right.words(), names);
    std::string name = printExpression(required.left.words(), names);
    if (equal.words() == required.condition.words() && name.size() < text.size())
      shorter.emplace_back(std::move(text), std::move(name));
  }
  llvm::sort(shorter, [](const auto &a, const auto &b) { return a.first.size() > b.first.size(); });
  return shorter;
}

std::string heddle::describeConditions(const Plan &plan) {
  std::vector<std::string> names;
  for (const PlanParameter &parameter : plan.parameters)
    names.push_back(parameter.name);
  auto shorter = shorterNames(plan, names);
  std::vector<std::pair<std::string, std::vector<std::string>>> kernels; // by condition
  for (const PlanLaunch &launch : plan.launches) {
    if (!launch.condition)
      continue;
    std::string text = printExpression(launch.condition->words(), names);
    for (const auto &[from, to] : shorter)
      for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
    auto known = llvm::find_if(kernels, [&](const auto &entry) { return entry.first == text; });
    if (known == kernels.end())
      known = kernels.insert(known, {std::move(text), {}});
    known->second.push_back("@" + launch.kernel);
  }
  std::string lines;
  for (const auto &[condition, launched] : kernels)
    lines += llvm::join(launched, ", ") + (launched.size() == 1 ? " runs where " : " run where ") + condition + "\n";
  return lines;
}
