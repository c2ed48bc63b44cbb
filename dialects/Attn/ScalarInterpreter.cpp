//===- ScalarInterpreter.cpp - walk a scalar region -------------------------===//
#include "dialects/Attn/ScalarInterpreter.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace heddle::attn;

/// A loop of a scalar region has constant bounds; this only stops a mistaken one.
static constexpr int64_t kMaxIterations = 1 << 16;

std::optional<SmallVector<Scalar>> ScalarInterpreter::evaluate(Region &region, ArrayRef<Scalar> arguments) {
  values.clear();
  for (auto [argument, given] : llvm::zip_equal(region.getArguments(), arguments))
    values[argument] = given;
  return runBlock(region.front());
}

std::optional<SmallVector<Scalar>> ScalarInterpreter::runBlock(Block &block) {
  for (Operation &op : block.without_terminator())
    if (!run(op))
      return std::nullopt;
  SmallVector<Scalar> yielded;
  for (Value operand : block.getTerminator()->getOperands()) {
    std::optional<Scalar> known = value(operand);
    if (!known)
      return std::nullopt;
    yielded.push_back(*known);
  }
  return yielded;
}

std::optional<Scalar> ScalarInterpreter::value(Value operand) {
  auto known = values.find(operand);
  if (known != values.end())
    return known->second;
  // A value from outside: a constant, or arithmetic on others, else the caller's to know.
  if (readCapture)
    if (std::optional<Scalar> captured = readCapture(operand))
      return values[operand] = *captured;
  Operation *producer = operand.getDefiningOp();
  if (!producer || !run(*producer))
    return std::nullopt;
  return values.lookup(operand);
}

bool ScalarInterpreter::runFor(Operation &op) {
  auto loop = cast<scf::ForOp>(op);
  std::optional<Scalar> lower = value(loop.getLowerBound()), upper = value(loop.getUpperBound()),
                        step = value(loop.getStep());
  if (!lower || !upper || !step || step->integer <= 0 ||
      (upper->integer - lower->integer) / step->integer > kMaxIterations)
    return false;
  SmallVector<Scalar> carried;
  for (Value initial : loop.getInitArgs()) {
    std::optional<Scalar> known = value(initial);
    if (!known)
      return false;
    carried.push_back(*known);
  }
  for (int64_t position = lower->integer; position < upper->integer; position += step->integer) {
    values[loop.getInductionVar()] = Scalar::ofInteger(position);
    for (auto [argument, current] : llvm::zip_equal(loop.getRegionIterArgs(), carried))
      values[argument] = current;
    std::optional<SmallVector<Scalar>> next = runBlock(*loop.getBody());
    if (!next)
      return false;
    carried = std::move(*next);
  }
  for (auto [result, last] : llvm::zip_equal(loop.getResults(), carried))
    values[result] = last;
  return true;
}

bool ScalarInterpreter::run(Operation &op) {
  if (isa<scf::ForOp>(op))
    return runFor(op);
  if (auto branch = dyn_cast<scf::IfOp>(op)) {
    std::optional<Scalar> condition = value(branch.getCondition());
    if (!condition)
      return false;
    Region &taken = condition->integer ? branch.getThenRegion() : branch.getElseRegion();
    if (taken.empty())
      return branch.getNumResults() == 0;
    std::optional<SmallVector<Scalar>> yielded = runBlock(taken.front());
    if (!yielded)
      return false;
    for (auto [result, known] : llvm::zip_equal(branch.getResults(), *yielded))
      values[result] = known;
    return true;
  }
  if (op.getNumResults() != 1)
    return false;
  std::optional<Scalar> result;
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    SmallVector<int64_t> indices;
    for (Value index : extract.getIndices()) {
      std::optional<Scalar> known = value(index);
      if (!known)
        return false;
      indices.push_back(known->integer);
    }
    if (readElement)
      result = readElement(extract.getTensor(), indices);
  } else if (ScalarRule rule = lookupScalarRule(op.getName().getStringRef())) {
    SmallVector<Scalar> operands;
    for (Value operand : op.getOperands()) {
      std::optional<Scalar> known = value(operand);
      if (!known)
        return false;
      operands.push_back(*known);
    }
    result = rule(op, operands);
  } else if (readCapture) {
    result = readCapture(op.getResult(0));
  }
  if (!result)
    return false;
  values[op.getResult(0)] = *result;
  return true;
}
