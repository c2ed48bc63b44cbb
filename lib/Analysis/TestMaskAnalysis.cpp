//===- TestMaskAnalysis.cpp - print the algebra of masks ------------------===//
//
// A mask stands in a function (b, h, i, j, captures..) -> i1, or in the `mask` region
// of an operation: any region with four index arguments whose terminator has one i1.
//
//   func.func @past(%b: index, %h: index, %i: index, %j: index) -> i1 { j <= i }
//
// gives the remark
//
//   some row sees [0, rowEnd), every row sees [0, rowBegin + 1)
//
//===----------------------------------------------------------------------===//
#include "heddle/Analysis/MaskAnalysis.h"
#include "heddle/Analysis/MaskGrid.h"
#include "heddle/Analysis/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"

namespace heddle {
#define GEN_PASS_DEF_TESTMASKANALYSIS
#include "heddle/Analysis/Passes.h.inc"
} // namespace heddle

using namespace heddle;
using namespace mlir;

static bool isMask(Region &region) {
  if (!region.hasOneBlock() || region.getNumArguments() < 4 || region.front().empty())
    return false;
  Operation *terminator = region.front().getTerminator();
  bool positions = llvm::all_of(region.getArguments().take_front(4), [](Value v) { return v.getType().isIndex(); });
  bool captures = isa<func::FuncOp>(region.getParentOp());
  return positions && (captures || region.getNumArguments() == 4) && terminator->getNumOperands() == 1 &&
         terminator->getOperand(0).getType().isInteger(1);
}

/// Writes @<name>_ranges(b, h, rowBegin, rowEnd, keys, captures.., facts..) -> (may and full ends).
static void emitRanges(func::FuncOp mask, const MaskAnalysis &analysis) {
  OpBuilder builder(mask->getContext());
  builder.setInsertionPointAfter(mask);
  Type index = builder.getIndexType();
  SmallVector<Type> inputs(5, index), outputs(4 * analysis.getRanges().size(), index);
  llvm::append_range(inputs, mask.getArgumentTypes().drop_front(4));
  inputs.append(analysis.getTableFacts().size(), builder.getI1Type());
  Location loc = mask.getLoc();
  auto function =
      func::FuncOp::create(builder, loc, (mask.getName() + "_ranges").str(), builder.getFunctionType(inputs, outputs));
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToStart(body);
  auto captured = [&](Value value) -> Value {
    auto argument = dyn_cast<BlockArgument>(value);
    return argument ? body->getArgument(argument.getArgNumber() + 1) : value;
  };
  MaskAnalysis::Environment environment;
  environment.batch = body->getArgument(0);
  environment.head = body->getArgument(1);
  environment.rowBegin = body->getArgument(2);
  environment.rowEnd = body->getArgument(3);
  environment.keyCount = body->getArgument(4);
  environment.scalar = captured;
  environment.load = [&](OpBuilder &b, Location l, Value tensor, ValueRange indices) -> Value {
    return tensor::ExtractOp::create(b, l, captured(tensor), indices);
  };
  environment.dim = [&](Value tensor, int64_t dimension) {
    return builder.createOrFold<tensor::DimOp>(loc, captured(tensor), dimension);
  };
  for (unsigned k = 0; k < analysis.getTableFacts().size(); ++k)
    environment.facts.push_back(body->getArgument(mask.getNumArguments() + 1 + k));
  KeyRanges ranges = analysis.emit(builder, loc, environment);
  SmallVector<Value> results;
  for (auto [may, full] : llvm::zip(ranges.may, ranges.full))
    results.append({may.begin, may.end, full.begin, full.end});
  func::ReturnOp::create(builder, loc, results);
}

namespace {
struct TestMaskAnalysis : heddle::impl::TestMaskAnalysisBase<TestMaskAnalysis> {
  using TestMaskAnalysisBase::TestMaskAnalysisBase;

  void runOnOperation() override {
    getOperation()->walk<WalkOrder::PreOrder>([&](Operation *op) {
      for (Region &region : op->getRegions()) {
        if (!isMask(region))
          continue;
        MaskAnalysis analysis = MaskAnalysis::compute(region);
        if (emit && isa<func::FuncOp>(op)) {
          emitRanges(cast<func::FuncOp>(op), analysis);
          continue;
        }
        std::string text;
        llvm::raw_string_ostream os(text);
        analysis.print(os);
        for (const MaskAnalysis &part : MaskAnalysis::computeParts(region)) {
          os << "part:\n";
          part.print(os);
        }
        if (std::optional<MaskGrid> grid = MaskGrid::find(region))
          grid->print(os);
        os << (analysis.dependsOnBatch() ? "depends on b\n" : "") << (analysis.dependsOnHead() ? "depends on h\n" : "");
        // One remark per line, so that a test can match each.
        for (llvm::StringRef line : llvm::split(llvm::StringRef(text).rtrim(), '\n'))
          op->emitRemark() << line;
      }
    });
  }
};
} // namespace
