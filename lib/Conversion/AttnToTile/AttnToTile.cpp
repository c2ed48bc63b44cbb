//===- AttnToTile.cpp - attn functions to plans and tile kernels ------------===//
//
// In:  a function over tensors with attn, linalg, tensor and arith operations.
// Out: its plan and the kernels the plan launches (contract 2, dialects/README.md).
//
//   func.func @f(%q: tensor<..>, ..) -> tensor<..> { %o = attn.attend ..; return %o }
// becomes
//   func.func @f(%q: memref<..>, .., %o: memref<..>) attributes {tile.plan} { tile.launch @f_0(..) }
//   func.func private @f_0(..) attributes {tile.kernel} { scf.forall .. { tile.load .. tile.dot .. tile.store .. } }
//
// Test: test/Conversion/attn-to-tile.mlir
//
//===----------------------------------------------------------------------===//
#include "AlternativeForm.h"
#include "AttendSizes.h"
#include "ElementwiseKernel.h"
#include "InnerAttends.h"
#include "OutputPlaces.h"
#include "OwnRows.h"
#include "PackedGaps.h"
#include "RecurKernels.h"
#include "SizeRequirements.h"
#include "dialects/Tile/TileOps.h"
#include "dialects/Tile/TileTarget.h"
#include "heddle/Conversion/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/StringSwitch.h"

namespace heddle {
#define GEN_PASS_DEF_ATTNTOTILE
#include "heddle/Conversion/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {

/// Emits the kernels of one function in dependence order.
class FunctionEmitter {
public:
  FunctionEmitter(func::FuncOp function, const AttendSchedule &schedule, int64_t chunk, Partition::IsInner isInner,
                  PlanBuilder plan)
      : function(function), schedule(schedule), chunk(chunk),
        partition(function, isInner, [&](attn::RecurOp op) { return pullsMaps(op, isInner); }), plan(std::move(plan)),
        places(function, partition, this->plan) {}

  LogicalResult emit(func::FuncOp alternative);

private:
  LogicalResult emitResults();
  LogicalResult require(Value tensor);
  LogicalResult requireReads(Value tensor);
  LogicalResult emitAnchored(Operation *op);
  LogicalResult emitKernels(attn::AttendOp op, ArrayRef<KernelOutput> outputs);
  LogicalResult emitKernels(attn::RecurOp op, ArrayRef<KernelOutput> outputs);
  void noteSchedule(StringRef note, int64_t warps, bool putsOperands = false);
  RecurSchedule chooseSchedule(attn::RecurOp op, const Partition &partition);
  bool pullsMaps(attn::RecurOp op, Partition::IsInner isInner);

  func::FuncOp function;
  const AttendSchedule &schedule;
  int64_t chunk; ///< tokens of a step of a recurrence; 0: open
  Partition partition;
  PlanBuilder plan;
  OutputPlaces places;
};

} // namespace

/// Makes sure that everything `tensor` is computed from is in memory where it must be.
LogicalResult FunctionEmitter::requireReads(Value tensor) {
  Operation *op = tensor.getDefiningOp();
  if (!op)
    return success();
  for (Value read : getTensorsRead(op))
    if (failed(partition.isStored(read) ? require(read) : requireReads(read)))
      return failure();
  return success();
}

static constexpr llvm::StringLiteral kScheduleAttr = "tile.schedule";

LogicalResult FunctionEmitter::emitAnchored(Operation *op) {
  for (Value read : getTensorsRead(op))
    if (failed(partition.isStored(read) ? require(read) : requireReads(read)))
      return failure();
  SmallVector<KernelOutput> outputs;
  for (Value tensor : partition.getStored())
    if (partition.getAnchor(tensor) == op) {
      outputs.push_back(places.placeOf(tensor));
      // What the output needs besides this anchor.
      SmallVector<Value> pending{tensor};
      while (!pending.empty()) {
        Operation *producer = pending.pop_back_val().getDefiningOp();
        if (!producer || producer == op)
          continue;
        for (Value read : getTensorsRead(producer)) {
          if (partition.isStored(read) && partition.getAnchor(read) != op) {
            if (failed(require(read)))
              return failure();
          } else {
            pending.push_back(read);
          }
        }
      }
    }
  for (const KernelOutput &output : outputs)
    emitZerosBetween(plan, output.tensor, output.memory);
  auto attend = dyn_cast<attn::AttendOp>(op);
  if (failed(attend ? emitKernels(attend, outputs) : emitKernels(cast<attn::RecurOp>(op), outputs)))
    return failure();
  for (const KernelOutput &output : outputs)
    plan.store(output.tensor, output.memory);
  return success();
}

LogicalResult FunctionEmitter::emitKernels(attn::AttendOp op, ArrayRef<KernelOutput> outputs) {
  FailureOr<attn::NormalizerOp> definition = findNormalizer(op);
  if (failed(definition))
    return failure();
  std::string note;
  FailureOr<AttendSchedule> complete = completeSchedule(schedule, plan, op, *definition, note);
  auto kernels = op->getParentOfType<ModuleOp>().getOps<func::FuncOp>();
  SmallPtrSet<Operation *, 8> earlier;
  for (func::FuncOp kernel : kernels)
    earlier.insert(kernel);
  if (failed(complete) || failed(emitAttend(plan, op, *definition, *complete, outputs, note)))
    return failure();
  if (op.getLagAttr())
    for (func::FuncOp kernel : kernels)
      if (!earlier.contains(kernel))
        kernel->setAttr(tile::kLagAttr, op.getLagAttr());
  noteSchedule(note, complete->warps);
  return success();
}

static tile::TargetAttr targetOf(Operation *op) {
  return op->getParentOfType<ModuleOp>()->getAttrOfType<tile::TargetAttr>(tile::kTargetAttr);
}

RecurSchedule FunctionEmitter::chooseSchedule(attn::RecurOp op, const Partition &partition) {
  RecurSchedule given;
  given.chunk = isOneToken(op) ? 1 : chunk;
  given.segments = schedule.splitKeys ? schedule.splits : 1;
  RecurSchedule complete = chooseRecurSchedule(targetOf(op), describeWork(op, partition), given);
  complete.valueColumns = std::min(complete.valueColumns, schedule.valueColumns);
  return complete;
}

/// Whether a schedule has room for what products of queries and keys with weights take. A step has no products.
bool FunctionEmitter::pullsMaps(attn::RecurOp op, Partition::IsInner isInner) {
  Partition all(function, isInner, [](attn::RecurOp) { return true; });
  return !isOneToken(op) && chooseSchedule(op, all).pullsMaps;
}

LogicalResult FunctionEmitter::emitKernels(attn::RecurOp op, ArrayRef<KernelOutput> outputs) {
  tile::TargetAttr target = targetOf(op);
  RecurSchedule complete = chooseSchedule(op, partition);
  FailureOr<std::vector<InnerAttend>> inner = prepareInner(plan, partition.getInner(op), complete, schedule.keys);
  if (failed(inner) || failed(emitRecur(plan, op, complete, outputs, *inner)))
    return failure();
  if (target)
    noteSchedule(complete.note, complete.warps, complete.putsOperands);
  return success();
}

/// What was chosen, and why not something else, goes with the kernels.
void FunctionEmitter::noteSchedule(StringRef note, int64_t warps, bool putsOperands) {
  if (note.empty())
    return;
  Builder builder(function.getContext());
  for (auto kernel : function->getParentOfType<ModuleOp>().getOps<func::FuncOp>())
    if (kernel->hasAttr(tile::kKernelAttr) && !kernel->hasAttr(kScheduleAttr)) {
      kernel->setAttr(kScheduleAttr, builder.getStringAttr(note));
      if (warps)
        kernel->setAttr(tile::kWarpsAttr, builder.getI64IntegerAttr(warps));
      if (putsOperands)
        kernel->setAttr(tile::kPutsOperandsAttr, builder.getUnitAttr());
    }
}

LogicalResult FunctionEmitter::require(Value tensor) {
  if (plan.memory(tensor))
    return success();
  if (Operation *anchor = partition.getAnchor(tensor))
    return emitAnchored(anchor);
  if (failed(requireReads(tensor)))
    return failure();
  if (Value whole = places.findWhole(tensor)) {
    plan.store(tensor, whole);
    return success();
  }
  Value place = places.placeOf(tensor).memory;
  emitZerosBetween(plan, tensor, place);
  if (failed(emitElementwise(plan, tensor, place)))
    return failure();
  plan.store(tensor, place);
  return success();
}

/// `alternative`, if there is one, is another function that is taken for calls of some sizes.
LogicalResult FunctionEmitter::emit(func::FuncOp alternative) {
  emitSizeRequirements(plan);
  {
    OpBuilder::InsertionGuard guard(plan.getBuilder());
    if (alternative) {
      auto branch =
          scf::IfOp::create(plan.getBuilder(), isAlternativeTaken(plan, alternative), /*withElseRegion=*/true);
      plan.getBuilder().setInsertionPointToStart(branch.thenBlock());
      auto apart = [](attn::AttendOp, attn::RecurOp) { return false; };
      if (failed(FunctionEmitter(alternative, schedule, chunk, apart, plan.of(alternative)).emitResults()))
        return failure();
      plan.getBuilder().setInsertionPointToStart(branch.elseBlock());
    }
    if (failed(emitResults()))
      return failure();
  }
  plan.finish();
  return success();
}

LogicalResult FunctionEmitter::emitResults() {
  auto results = function.front().getTerminator()->getOperands();
  for (Value result : results)
    if (failed(require(result)))
      return failure();
  // A result that is an argument, or that is returned twice, is a copy.
  for (auto [index, result] : llvm::enumerate(results))
    if (!places.isPlaced(index) && failed(emitElementwise(plan, result, plan.output(index))))
      return failure();
  return success();
}

namespace {
struct AttnToTile : heddle::impl::AttnToTileBase<AttnToTile> {
  using Base::Base;

  LogicalResult readOrder(std::optional<WorkOrder> &order) {
    if (work.empty())
      return success();
    order = llvm::StringSwitch<std::optional<WorkOrder>>(work)
                .Case("blocks", WorkOrder::Blocks)
                .Case("rounds", WorkOrder::Rounds)
                .Case("back-and-forth", WorkOrder::BackAndForth)
                .Case("counter", WorkOrder::Counter)
                .Default(std::nullopt);
    if (order)
      return success();
    return getOperation().emitError("expected work to be blocks, rounds, back-and-forth or counter, got ") << work;
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    RewritePatternSet patterns(&getContext());
    linalg::populateLinalgNamedOpsGeneralizationPatterns(patterns);
    linalg::populateDecomposeProjectedPermutationPatterns(patterns);
    if (failed(applyPatternsGreedily(module, std::move(patterns))))
      return signalPassFailure();

    AttendSchedule schedule;
    schedule.rows = rows;
    schedule.keys = keys;
    schedule.warps = warps;
    schedule.valueColumns = valueColumns;
    schedule.splitKeys = splitKeys && splits != 1;
    schedule.splits = splits;
    schedule.stagedStrip = stagedStrip;
    schedule.isPartialApart = partialApart;
    if (failed(readOrder(schedule.order)))
      return signalPassFailure();
    if (!together.empty() && together != "always" && together != "never") {
      module.emitError("expected together to be always or never, got ") << together;
      return signalPassFailure();
    }
    auto target = module->getAttrOfType<tile::TargetAttr>(tile::kTargetAttr);
    auto isInner = [&](attn::AttendOp op, attn::RecurOp around) {
      bool isWanted = together.empty() ? paysInside(op, around, target) : together == "always";
      return isWanted && canBeInner(op, around);
    };
    for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
      if (function.isExternal() || function->hasAttr(tile::kPlanAttr) || function->hasAttr(tile::kKernelAttr))
        continue;
      if (isAlternative(function))
        continue; // emitted with the function that it stands for
      FunctionEmitter emitter(function, schedule, chunk, isInner, PlanBuilder::create(function));
      if (failed(emitter.emit(findAlternative(function))))
        return signalPassFailure();
      function.erase();
    }
    for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
      if (isAlternative(function))
        function.erase();
    for (auto normalizer : llvm::make_early_inc_range(module.getOps<attn::NormalizerOp>()))
      normalizer.erase();
  }
};
} // namespace
