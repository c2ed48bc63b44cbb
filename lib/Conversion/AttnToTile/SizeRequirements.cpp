//===- SizeRequirements.cpp - what the sizes of a call must be --------------===//
//
//   attn.attend dot(%q, %k) value(%v)      tile.require (dim %k, 1) divides (max of (dim %q, 1), ..)
//                                          tile.require (dim %k, 2) equals (dim %v, 2)
//
// Whatever of it follows from the types is gone after canonicalization. Test: test/Conversion/attn-to-tile-sizes.mlir
//
//===----------------------------------------------------------------------===//
#include "SizeRequirements.h"
#include "dialects/Attn/AttnOps.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace heddle;
using tile::SizeRelation;

/// A dimension of a tensor.
using Extent = std::pair<Value, int64_t>;

namespace {
class Requirements {
public:
  explicit Requirements(PlanBuilder &plan) : plan(plan) {}
  void emit(Operation &op);
  void emitOutputs();

private:
  void require(Value lhs, SizeRelation relation, Value rhs);
  void equal(ArrayRef<Extent> extents);
  void equal(ArrayRef<Value> tensors, int64_t dimension);
  void repeat(ArrayRef<Extent> extents, SizeRelation relation);
  void repeat(ArrayRef<Value> tensors);
  void ofElementwise(Operation *op);
  void ofLoops(linalg::LinalgOp op);
  void ofAttend(attn::AttendOp op);
  void ofRecur(attn::RecurOp op);

  Value size(Extent extent) { return plan.dim(extent.first, extent.second); }

  PlanBuilder &plan;
  llvm::DenseSet<std::tuple<Value, Value, unsigned>> known;
};
} // namespace

void Requirements::require(Value lhs, SizeRelation relation, Value rhs) {
  if (lhs && rhs && lhs != rhs && known.insert({lhs, rhs, static_cast<unsigned>(relation)}).second)
    tile::RequireOp::create(plan.getBuilder(), lhs, relation, rhs);
}

void Requirements::equal(ArrayRef<Extent> extents) {
  for (Extent other : extents.drop_front(extents.empty() ? 0 : 1))
    require(size(other), SizeRelation::Equals, size(extents.front()));
}

void Requirements::equal(ArrayRef<Value> tensors, int64_t dimension) {
  equal(llvm::map_to_vector(tensors, [&](Value tensor) { return Extent(tensor, dimension); }));
}

/// Batches and heads are paired by extents: operands are repeated along the largest.
void Requirements::repeat(ArrayRef<Extent> extents, SizeRelation relation) {
  Value largest;
  SmallVector<Value> sizes;
  for (Extent extent : extents) {
    Value here = size(extent);
    if (!here)
      return;
    if (llvm::is_contained(sizes, here))
      continue;
    sizes.push_back(here);
    largest = largest ? arith::MaxSIOp::create(plan.getBuilder(), largest, here).getResult() : here;
  }
  for (Value here : sizes)
    require(here, relation, largest);
}

void Requirements::repeat(ArrayRef<Value> tensors) {
  repeat(llvm::map_to_vector(tensors, [](Value tensor) { return Extent(tensor, 0); }), SizeRelation::IsOneOr);
  repeat(llvm::map_to_vector(tensors, [](Value tensor) { return Extent(tensor, 1); }), SizeRelation::Divides);
}

/// Arrays of one shape.
void Requirements::ofElementwise(Operation *op) {
  SmallVector<Value> tensors;
  for (Value value : llvm::concat<Value>(llvm::to_vector(op->getOperands()), llvm::to_vector(op->getResults())))
    if (isa<RankedTensorType>(value.getType()))
      tensors.push_back(value);
  for (int64_t dim = 0, rank = cast<RankedTensorType>(tensors.front().getType()).getRank(); dim < rank; ++dim)
    equal(tensors, dim);
}

/// Dimensions that one loop goes over.
void Requirements::ofLoops(linalg::LinalgOp op) {
  SmallVector<SmallVector<Extent>> extents(op.getNumLoops());
  for (OpOperand *input : op.getDpsInputOperands())
    if (isa<RankedTensorType>(input->get().getType()))
      for (auto [dim, expr] : llvm::enumerate(op.getMatchingIndexingMap(input).getResults()))
        if (auto loop = dyn_cast<AffineDimExpr>(expr))
          extents[loop.getPosition()].push_back({input->get(), dim});
  for (ArrayRef<Extent> together : extents)
    equal(together);
}

void Requirements::ofAttend(attn::AttendOp op) {
  SmallVector<Value> rows = op.getRowOperands(), keys = op.getKeyOperands(), others = op.getSecondKeyOperands();
  equal(rows, 2);
  equal(keys, 2);
  equal(others, 2);
  repeat(llvm::to_vector(llvm::concat<Value>(rows, keys, others)));
}

void Requirements::ofRecur(attn::RecurOp op) {
  repeat(op.getBatchExtents(), SizeRelation::IsOneOr);
  repeat(op.getHeadExtents(), SizeRelation::Divides);
  SmallVector<Value> tokens = op.getTokenOperands();
  if (!op.hasAt())
    tokens.push_back(op.getQuery());
  equal(tokens, 2);
}

void Requirements::emit(Operation &op) {
  llvm::TypeSwitch<Operation *>(&op)
      .Case([&](attn::AttendOp attend) { ofAttend(attend); })
      .Case([&](attn::RecurOp recur) { ofRecur(recur); })
      .Case([&](attn::MergeOp merge) {
        for (int64_t dim : {0, 1, 2})
          equal(llvm::to_vector(merge.getParts()), dim);
      })
      .Case([&](attn::ViewOp view) {
        if (Value lengths = view.getLengths())
          equal({{lengths, 0}, {view.getResult(), 0}});
      })
      .Case([&](attn::AccumulateOp accumulate) {
        if (Value lengths = accumulate.getLengths())
          equal({{lengths, 0}, {accumulate.getSource(), 0}});
      })
      .Case([&](linalg::LinalgOp loops) { ofLoops(loops); })
      .Case([&](tensor::CastOp cast) { ofElementwise(cast); })
      .Default([&](Operation *other) {
        if (OpTrait::hasElementwiseMappableTraits(other) && isa<RankedTensorType>(other->getResultTypes().front()))
          ofElementwise(other);
      });
}

void Requirements::emitOutputs() {
  for (auto [index, result] : llvm::enumerate(plan.getSource().front().getTerminator()->getOperands())) {
    Value output = plan.output(index);
    for (int64_t dim = 0, rank = cast<RankedTensorType>(result.getType()).getRank(); dim < rank; ++dim)
      if (Value wanted = plan.dim(result, dim))
        require(memref::DimOp::create(plan.getBuilder(), output, dim), SizeRelation::Equals, wanted);
  }
}

void heddle::emitSizeRequirements(PlanBuilder &plan) {
  Requirements requirements(plan);
  for (Operation &op : plan.getSource().front().without_terminator())
    requirements.emit(op);
  requirements.emitOutputs();
}
