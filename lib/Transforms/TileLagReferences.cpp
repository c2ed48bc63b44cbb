//===- TileLagReferences.cpp - raise a running maximum seldom ---------------===//
//
//   for .. iter_args(%m, %acc) {                      for .. iter_args(%m, %acc) {
//     %m1 = maxnumf %m, %x                              %rises = cmpf ogt, %x, (addf %m, n / c)
//     %f = exp2 (c * (%m - %m1))                        %m1 = select %rises, (maxnumf %m, %x), %m
//     .. mulf %acc, %f                        becomes   %f = select %rises, (exp2 (c * (%m - %m1))), 1
//     .. exp2 (c * (%s - %m1))                          .. mulf %acc, %f
//     yield %m1, .. }                                   .. exp2 (c * (%s - %m1))
//                                                       yield %m1, .. }
//
// The last exponential is then up to 2^n. A row that has seen nothing has %m = -infinity, which every number exceeds.
// Test: test/Transforms/tile-lag-references.mlir
//
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "dialects/Tile/TileTarget.h"
#include "dialects/Tile/UniformTile.h"
#include "heddle/Transforms/Passes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace heddle {
#define GEN_PASS_DEF_TILELAGREFERENCES
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
/// A maximum that a loop carries, and what the values beside it are multiplied with when it grows.
struct Reference {
  BlockArgument carried;
  arith::MaxNumFOp raised;
  Value candidate; ///< of one step
  Value factor;
  double exponent = 0; ///< the factor is 2 to the power of this times a difference of references
};
} // namespace

/// Whether a row vector is made of the maximum of a tile's rows, element by element.
static bool isMadeOfMaximum(Value value, scf::ForOp loop) {
  Operation *definition = value.getDefiningOp();
  if (!definition || definition->getBlock() != loop.getBody())
    return false;
  if (auto reduce = dyn_cast<tile::ReduceOp>(definition))
    return reduce.getKind() == tile::ReduceKind::Max;
  return isa<arith::MulFOp, arith::AddFOp, arith::SubFOp>(definition) &&
         llvm::any_of(definition->getOperands(), [&](Value operand) { return isMadeOfMaximum(operand, loop); });
}

/// `value`, or what is chosen between it and a constant for want of anything to choose. Other uses need no choice: of
/// the same two references the factor is 1.
static Value behindGuard(Value value) {
  for (Operation *user : value.getUsers())
    if (auto select = dyn_cast<arith::SelectOp>(user);
        select && select.getTrueValue() == value && UniformTile::match(select.getFalseValue()))
      return select.getResult();
  return value;
}

/// Whether all that is done with `factor` is multiplying values that the loop carries.
static bool rescalesCarried(Value factor, scf::ForOp loop) {
  auto isCarried = [&](Value value) {
    auto argument = dyn_cast<BlockArgument>(value);
    return argument && argument.getOwner() == loop.getBody() && argument != loop.getInductionVar();
  };
  return !factor.use_empty() && llvm::all_of(factor.getUsers(), [&](Operation *user) {
    if (auto repeat = dyn_cast<tile::BroadcastOp>(user))
      return rescalesCarried(repeat.getResult(), loop);
    return isa<arith::MulFOp>(user) && llvm::any_of(user->getOperands(), isCarried);
  });
}

/// The factor made of a difference of references times `exponent`, if there is one. What else is made of the difference
/// sees the reference that is used.
static bool findFactor(Value difference, double exponent, Reference &reference, scf::ForOp loop) {
  return llvm::any_of(difference.getUsers(), [&](Operation *user) {
    if (auto product = dyn_cast<arith::MulFOp>(user)) {
      std::optional<UniformTile> number = UniformTile::match(product.getRhs());
      return number && number->number &&
             findFactor(product.getResult(), exponent * number->number->convertToDouble(), reference, loop);
    }
    if (!isa<math::Exp2Op>(user))
      return false;
    reference.factor = behindGuard(user->getResult(0));
    reference.exponent = exponent;
    return exponent > 0 && rescalesCarried(reference.factor, loop);
  });
}

static std::optional<Reference> matchReference(scf::ForOp loop, BlockArgument carried) {
  Reference reference;
  reference.carried = carried;
  reference.raised = loop.getTiedLoopYieldedValue(carried)->get().getDefiningOp<arith::MaxNumFOp>();
  auto type = dyn_cast<RankedTensorType>(carried.getType());
  if (!type || !type.getElementType().isF32() || !reference.raised || reference.raised->getBlock() != loop.getBody() ||
      !llvm::is_contained(reference.raised->getOperands(), carried))
    return std::nullopt;
  bool isFirst = reference.raised.getLhs() == carried;
  reference.candidate = isFirst ? reference.raised.getRhs() : reference.raised.getLhs();
  if (!isMadeOfMaximum(reference.candidate, loop))
    return std::nullopt;
  for (Operation *user : carried.getUsers()) {
    auto difference = dyn_cast<arith::SubFOp>(user);
    if (!difference || difference.getLhs() != carried)
      continue;
    Value to = difference.getRhs();
    if (auto guard = to.getDefiningOp<arith::SelectOp>(); guard && UniformTile::match(guard.getFalseValue()))
      to = guard.getTrueValue();
    if (to == reference.raised.getResult() && findFactor(difference, 1, reference, loop))
      return reference;
  }
  return std::nullopt;
}

static void lag(Reference reference, double bound) {
  IRRewriter rewriter(reference.carried.getContext());
  rewriter.setInsertionPointAfter(reference.raised);
  Location loc = reference.raised.getLoc();
  auto type = cast<RankedTensorType>(reference.carried.getType());
  auto constant = [&](double number) {
    return arith::ConstantOp::create(
        rewriter, loc, DenseElementsAttr::get(type, rewriter.getFloatAttr(type.getElementType(), number)));
  };
  Value limit = arith::AddFOp::create(rewriter, loc, reference.carried, constant(bound / reference.exponent));
  Value rises = arith::CmpFOp::create(rewriter, loc, arith::CmpFPredicate::OGT, reference.candidate, limit);
  Value raised = reference.raised.getResult();
  Value used = arith::SelectOp::create(rewriter, loc, rises, raised, reference.carried);
  rewriter.replaceAllUsesExcept(raised, used, used.getDefiningOp());
  rewriter.setInsertionPointAfterValue(reference.factor);
  Value factor = arith::SelectOp::create(rewriter, loc, rises, reference.factor, constant(1));
  rewriter.replaceAllUsesExcept(reference.factor, factor, factor.getDefiningOp());
}

namespace {
struct TileLagReferences : heddle::impl::TileLagReferencesBase<TileLagReferences> {
  void runOnOperation() override {
    auto bound = getOperation()->getAttrOfType<FloatAttr>(tile::kLagAttr);
    if (!bound)
      return;
    getOperation().walk([&](scf::ForOp loop) {
      for (BlockArgument carried : loop.getRegionIterArgs())
        if (std::optional<Reference> reference = matchReference(loop, carried))
          lag(*reference, bound.getValueAsDouble());
    });
  }
};
} // namespace
