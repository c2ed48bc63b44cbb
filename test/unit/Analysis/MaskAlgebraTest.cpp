//===- MaskAlgebraTest.cpp - ten thousand random masks against brute force ===//
#include "RandomMask.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "gtest/gtest.h"
#include <cstdio>

using namespace heddle;
using namespace heddle::test;
using namespace mlir;

namespace {
struct Counts {
  int64_t blocks = 0, visited = 0, needed = 0, full = 0, foundFull = 0, closedForm = 0;
};

std::string describe(const MaskCase &mask, int64_t rowBegin, int64_t rowEnd) {
  std::string text;
  llvm::raw_string_ostream os(text);
  const_cast<func::FuncOp &>(mask.function).print(os);
  MaskAnalysis::compute(const_cast<func::FuncOp &>(mask.function).getBody()).print(os);
  os << "\nkeys " << mask.keys << " rows " << mask.rows << " block [" << rowBegin << ", " << rowEnd << ")";
  for (auto [number, value] : mask.scalars)
    os << " arg" << number << " = " << value;
  return text;
}

class RandomMasks : public testing::Test {
protected:
  RandomMasks() {
    context.loadDialect<arith::ArithDialect, func::FuncDialect, scf::SCFDialect, tensor::TensorDialect>();
  }
  MLIRContext context{MLIRContext::Threading::DISABLED};
};

/// The visible pairs, row-major, by running the mask.
std::vector<bool> lookAtEveryPair(const MaskCase &mask, Block &body) {
  Interpreter interpreter(body);
  mask.bind(interpreter);
  interpreter.bind(body.getArgument(0), mask.batch);
  interpreter.bind(body.getArgument(1), mask.head);
  std::vector<bool> visible;
  for (int64_t i = 0; i < mask.rows; ++i)
    for (int64_t j = 0; j < mask.keys; ++j) {
      interpreter.bind(body.getArgument(2), i);
      interpreter.bind(body.getArgument(3), j);
      visible.push_back(interpreter.run()[0]);
    }
  return visible;
}

/// The inequalities of KeyRanges, and that no pair contradicts them.
bool isSound(const MaskCase &mask, const std::vector<bool> &visible, const HostRanges &ranges, int64_t rowBegin,
             int64_t rowEnd, Counts &counts) {
  std::vector<int> state(mask.keys, 0);
  int64_t last = 0;
  if (ranges.may.size() > MaskAnalysis::maxRanges || ranges.may.size() != ranges.full.size())
    return false;
  for (auto [may, full] : llvm::zip(ranges.may, ranges.full)) {
    if (!(last <= may.begin && may.begin <= full.begin && full.begin <= full.end && full.end <= may.end &&
          may.end <= mask.keys))
      return false;
    last = may.end;
    for (int64_t j = may.begin; j < may.end; ++j)
      state[j] = full.begin <= j && j < full.end ? 2 : 1;
  }
  for (int64_t j = 0; j < mask.keys; ++j) {
    int64_t seen = 0;
    for (int64_t i = rowBegin; i < rowEnd; ++i)
      seen += visible[i * mask.keys + j];
    if ((state[j] == 0 && seen > 0) || (state[j] == 2 && seen < rowEnd - rowBegin))
      return false;
    counts.blocks += 1;
    counts.visited += state[j] > 0;
    counts.needed += seen > 0;
    counts.foundFull += state[j] == 2;
    counts.full += seen == rowEnd - rowBegin;
  }
  return true;
}
} // namespace

TEST_F(RandomMasks, AreSoundAgainstBruteForce) {
  constexpr int64_t masks = 10000, extent = 24;
  Random random(20240817);
  Counts counts;
  for (int64_t k = 0; k < masks; ++k) {
    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
    MaskCase mask = makeRandomMask(*module, random, extent, /*opaque=*/k % 4 == 0);
    Region &region = mask.function.getBody();
    MaskAnalysis analysis = MaskAnalysis::compute(region);
    counts.closedForm += !analysis.needsEvaluation();
    std::vector<bool> visible = lookAtEveryPair(mask, region.front());
    MaskOnHost host(analysis, mask.captures(), mask.keys);
    for (int64_t block : {int64_t(1), pick(random, 2, 9), extent})
      for (int64_t begin = 0; begin < mask.rows; begin += block) {
        int64_t end = std::min(begin + block, mask.rows);
        HostRanges ranges = host.ranges(mask.batch, mask.head, begin, end);
        ASSERT_TRUE(isSound(mask, visible, ranges, begin, end, counts)) << "mask " << k << "\n"
                                                                        << describe(mask, begin, end);
      }
    if (!analysis.getMask()->hasOpaque && k % 8 == 0) {
      int64_t pairs = std::count(visible.begin(), visible.end(), true);
      ASSERT_EQ(host.countVisible(mask.batch, mask.head, mask.rows), pairs) << "mask " << k << "\n"
                                                                            << describe(mask, 0, 1);
    }
  }
  std::printf(
      "%ld of %ld masks are closed form; of the (block, key) columns %.1f%% are seen and %.1f%% visited, %.1f%% "
      "are full and %.1f%% known to be\n",
      long(counts.closedForm), long(masks), 100.0 * counts.needed / counts.blocks,
      100.0 * counts.visited / counts.blocks, 100.0 * counts.full / counts.blocks,
      100.0 * counts.foundFull / counts.blocks);
  // Random masks are mostly outside of what anybody writes; the analysis still has to say something about them.
  EXPECT_LT(counts.visited, 2 * counts.needed);
  EXPECT_GT(2 * counts.foundFull, counts.full);
}

namespace {
/// A function that computes the ranges, written by `emit`.
func::FuncOp emitRanges(const MaskCase &mask, const MaskAnalysis &analysis) {
  func::FuncOp source = mask.function;
  OpBuilder b(source.getContext());
  b.setInsertionPointAfter(source);
  Location loc = source.getLoc();
  SmallVector<Type> inputs(source.getArgumentTypes());
  inputs.push_back(b.getIndexType());
  inputs.append(analysis.getTableFacts().size(), b.getI1Type());
  auto function = func::FuncOp::create(b, loc, "ranges", b.getFunctionType(inputs, {}));
  Block *body = function.addEntryBlock();
  b.setInsertionPointToStart(body);
  auto captured = [&](Value v) -> Value { return body->getArgument(cast<BlockArgument>(v).getArgNumber()); };
  MaskAnalysis::Environment environment;
  environment.batch = body->getArgument(0);
  environment.head = body->getArgument(1);
  environment.rowBegin = body->getArgument(2);
  environment.rowEnd = body->getArgument(3);
  environment.keyCount = body->getArgument(source.getNumArguments());
  environment.scalar = captured;
  environment.load = [&](OpBuilder &builder, Location l, Value tensor, ValueRange indices) -> Value {
    return tensor::ExtractOp::create(builder, l, captured(tensor), indices);
  };
  environment.dim = [&](Value tensor, int64_t dimension) -> Value {
    return tensor::DimOp::create(b, loc, captured(tensor), dimension);
  };
  for (unsigned k = 0; k < analysis.getTableFacts().size(); ++k)
    environment.facts.push_back(body->getArgument(source.getNumArguments() + 1 + k));
  KeyRanges ranges = analysis.emit(b, loc, environment);
  SmallVector<Value> results;
  for (auto [may, full] : llvm::zip(ranges.may, ranges.full))
    results.append({may.begin, may.end, full.begin, full.end});
  function.setFunctionType(b.getFunctionType(inputs, SmallVector<Type>(results.size(), b.getIndexType())));
  func::ReturnOp::create(b, loc, results);
  return function;
}
} // namespace

TEST_F(RandomMasks, EmitWhatTheHostEvaluates) {
  constexpr int64_t masks = 1500, extent = 24;
  Random random(7);
  int64_t compared = 0;
  for (int64_t k = 0; k < masks; ++k) {
    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
    MaskCase mask = makeRandomMask(*module, random, extent, /*opaque=*/false);
    MaskAnalysis analysis = MaskAnalysis::compute(mask.function.getBody());
    MaskOnHost host(analysis, mask.captures(), mask.keys);
    IndexExprEvaluator facts(analysis.getContext(), mask.captures());
    func::FuncOp function = emitRanges(mask, analysis);
    ASSERT_TRUE(succeeded(function.verify()) && succeeded(function.verifyRegions()));
    Block &body = function.getBody().front();
    Interpreter interpreter(body);
    for (auto [number, value] : mask.scalars)
      interpreter.bind(body.getArgument(number), value);
    for (const auto &[number, table] : mask.tables)
      interpreter.bind(body.getArgument(number), &table);
    interpreter.bind(body.getArgument(0), mask.batch);
    interpreter.bind(body.getArgument(1), mask.head);
    interpreter.bind(body.getArgument(11), mask.keys);
    for (auto [n, fact] : llvm::enumerate(analysis.getTableFacts()))
      interpreter.bind(body.getArgument(12 + n), int64_t(facts.holds(fact.tensor, fact.axis)));
    int64_t block = pick(random, 1, 12);
    for (int64_t begin = 0; begin < mask.rows; begin += block) {
      int64_t end = std::min(begin + block, mask.rows);
      interpreter.bind(body.getArgument(2), begin);
      interpreter.bind(body.getArgument(3), end);
      std::vector<int64_t> emitted = interpreter.run();
      HostRanges ranges = host.ranges(mask.batch, mask.head, begin, end);
      std::vector<int64_t> evaluated;
      for (auto [may, full] : llvm::zip(ranges.may, ranges.full))
        evaluated.insert(evaluated.end(), {may.begin, may.end, full.begin, full.end});
      ASSERT_EQ(emitted, evaluated) << "mask " << k << "\n" << describe(mask, begin, end);
      compared += evaluated.size();
    }
  }
  EXPECT_GT(compared, 10000);
}
