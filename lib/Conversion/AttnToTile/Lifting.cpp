//===- Lifting.cpp - scalar regions applied to tiles ------------------------===//
//
// An operation on numbers becomes the same operation on tiles. `index` and `i64` become `i32` tiles (positions and
// table entries are below 2^31, contract 2); a branch becomes a select, a loop with constant bounds is unrolled.
//
//===----------------------------------------------------------------------===//
#include "TileEmitter.h"
#include "dialects/Attn/AttnOps.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace heddle;

static Type narrowed(Type type, MLIRContext *context) {
  if (type.isIndex() || type.isInteger(64))
    return IntegerType::get(context, 32);
  return type;
}

TileShape TileEmitter::getShape(const Lifted &lifted) {
  if (lifted.isPositions())
    return lifted.dim == 0 ? TileShape{lifted.extent, 1} : TileShape{1, lifted.extent};
  auto tile = dyn_cast<RankedTensorType>(lifted.value.getType());
  return tile ? TileShape(tile.getShape()) : TileShape{1, 1};
}

/// The smallest shape that all operands broadcast to.
static TileShape join(ArrayRef<Lifted> operands) {
  TileShape shape{1, 1};
  for (const Lifted &operand : operands)
    for (auto [joined, size] : llvm::zip(shape, TileEmitter::getShape(operand)))
      joined = std::max(joined, size);
  return shape;
}

Value TileEmitter::constantTile(ArrayRef<int64_t> shape, Type element, double value) {
  auto type = RankedTensorType::get(shape, element);
  Attribute scalar = isa<FloatType>(element)
                         ? Attribute(builder().getFloatAttr(element, value))
                         : Attribute(builder().getIntegerAttr(element, static_cast<int64_t>(value)));
  return arith::ConstantOp::create(builder(), DenseElementsAttr::get(type, scalar));
}

Value TileEmitter::materialize(Lifted lifted, ArrayRef<int64_t> shape) {
  ImplicitLocOpBuilder &b = builder();
  if (lifted.box) {
    lifted.value = materializeBox(lifted);
  } else if (lifted.isPositions()) {
    auto type = RankedTensorType::get(getShape(lifted), b.getI32Type());
    lifted.value = tile::IotaOp::create(b, type, lifted.dim, lifted.base);
    if (lifted.isSpaced()) {
      Value step = constantTile(type.getShape(), b.getI32Type(), lifted.step);
      lifted.value = arith::MulIOp::create(b, lifted.value, step);
      lifted.value = arith::AddIOp::create(b, lifted.value, materialize({lifted.origin}, type.getShape()));
    }
  }
  Value value = lifted.value;
  if (shape.empty())
    return value;
  auto tile = dyn_cast<RankedTensorType>(value.getType());
  if (!tile) {
    if (value.getType().isIndex())
      value = arith::IndexCastOp::create(b, b.getI32Type(), value);
    else if (value.getType().isInteger(64))
      value = arith::TruncIOp::create(b, b.getI32Type(), value);
    return tensor::SplatOp::create(b, RankedTensorType::get(shape, value.getType()), value);
  }
  if (tile.getShape() == shape)
    return value;
  return tile::BroadcastOp::create(b, RankedTensorType::get(shape, tile.getElementType()), value);
}

Lifted TileEmitter::shift(Lifted positions, Value by, bool negative) {
  ImplicitLocOpBuilder &b = builder();
  if (positions.box) {
    Value tile = materialize(positions, {}),
          distance = materialize({by}, cast<RankedTensorType>(tile.getType()).getShape());
    return {negative ? arith::SubIOp::create(b, tile, distance).getResult()
                     : arith::AddIOp::create(b, tile, distance).getResult()};
  }
  if (!by.getType().isIndex())
    by = arith::IndexCastOp::create(b, b.getIndexType(), by);
  auto move = [&](Value value) -> Value {
    if (!value)
      return value;
    return negative ? arith::SubIOp::create(b, value, by).getResult() : arith::AddIOp::create(b, value, by).getResult();
  };
  if (positions.isSpaced()) {
    positions.origin = move(positions.origin);
    return positions;
  }
  positions.base = move(positions.base);
  positions.limit = move(positions.limit);
  return positions;
}

Lifted TileEmitter::applyElementwise(Operation *op, ArrayRef<Lifted> operands) {
  ImplicitLocOpBuilder &b = builder();
  bool allScalar = llvm::all_of(operands, [](const Lifted &operand) { return operand.isScalar(); });
  Type element = getElementTypeOrSelf(op->getResult(0).getType());

  // Tiles have one integer width for positions, so casts between the wide ones vanish.
  if (!allScalar && isa<arith::IndexCastOp, arith::IndexCastUIOp, arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp>(op))
    if (narrowed(getElementTypeOrSelf(op->getOperand(0).getType()), b.getContext()) ==
        narrowed(element, b.getContext()))
      return operands[0];

  SmallVector<Value> values;
  OperationState state(op->getLoc(), op->getName());
  if (allScalar) {
    for (const Lifted &operand : operands)
      values.push_back(operand.value);
    state.addTypes(element);
  } else {
    TileShape shape = join(operands);
    for (const Lifted &operand : operands)
      values.push_back(materialize(operand, shape));
    state.addTypes(RankedTensorType::get(shape, narrowed(element, b.getContext())));
  }
  state.addOperands(values);
  state.addAttributes(op->getAttrDictionary().getValue());
  return {b.create(state)->getResult(0)};
}

/// Whether a number of the attn function is read from an array, so that only a block can know it.
static bool dependsOnContents(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || isa<tensor::DimOp>(op))
    return false;
  return isa<tensor::ExtractOp>(op) || llvm::any_of(op->getOperands(), dependsOnContents);
}

Lifted TileEmitter::resolve(Value value, const Scope &scope) {
  if (auto known = scope.find(value); known != scope.end())
    return known->second;
  if (Value other = aliases.lookup(value))
    value = other;
  if (!dependsOnContents(value))
    return {kernel.scalar(value)};
  Scope outer;
  FailureOr<Lifted> result = applyOperation(value.getDefiningOp(), outer);
  return succeeded(result) ? *result : Lifted();
}

/// Whether an index is a multiple of `by`, whatever it is: what block numbers become.
static bool isMultipleOf(Value index, int64_t by) {
  if (std::optional<int64_t> constant = getConstantIntValue(index))
    return *constant % by == 0;
  auto product = index.getDefiningOp<arith::MulIOp>();
  return product && (isMultipleOf(product.getLhs(), by) || isMultipleOf(product.getRhs(), by));
}

/// Positions that lie in one part of `size` as a whole: which part (division), or where in it (remainder). Pages that
/// hold whole blocks of keys are read by loads this way. Null value and no positions otherwise.
Lifted TileEmitter::splitPositions(const Lifted &positions, std::optional<int64_t> size, bool isRemainder) {
  if (!size || positions.isSpaced() || positions.box || *size < positions.extent || *size % positions.extent ||
      !isMultipleOf(positions.base, positions.extent))
    return {};
  ImplicitLocOpBuilder &b = builder();
  Value part = arith::DivUIOp::create(b, positions.base, kernel.constant(*size));
  if (!isRemainder)
    return {part};
  return shift(positions, arith::MulIOp::create(b, part, kernel.constant(*size)), /*negative=*/true);
}

/// Whether positions are some of those given, all moved by one number that does not depend on the block.
bool TileEmitter::isMoved(const Lifted &positions, ArrayRef<Lifted> given) {
  if (positions.box)
    return false;
  auto forall = builder().getInsertionBlock()->getParentOp();
  while (!isa<scf::ForallOp>(forall))
    forall = forall->getParentOp();
  Value first = positions.isSpaced() ? positions.origin : positions.base;
  Operation *sum = first.getDefiningOp();
  if (!isa_and_nonnull<arith::AddIOp, arith::SubIOp>(sum))
    return false;
  return llvm::any_of(given, [&](const Lifted &index) {
    Value origin = positions.isSpaced() ? index.origin : index.base;
    if (!index.isPositions() || sum->getOperand(0) != origin)
      return false;
    Operation *by = sum->getOperand(1).getDefiningOp();
    return !by || matchPattern(by, m_Constant()) || !forall->isAncestor(by);
  });
}

/// Positions as a tile of numbers, of which those outside of a dimension of `source` are its nearest.
Lifted TileEmitter::clampToSource(const Lifted &positions, Value source, int64_t dim) {
  ImplicitLocOpBuilder &b = builder();
  Value tile = materialize(positions, {});
  ArrayRef<int64_t> shape = cast<RankedTensorType>(tile.getType()).getShape();
  Value last = arith::SubIOp::create(b, kernel.dim(source, dim), kernel.constant(1));
  tile = arith::MinSIOp::create(b, tile, materialize({last}, shape));
  return {arith::MaxSIOp::create(b, tile, constantTile(shape, b.getI32Type(), 0))};
}

void TileEmitter::keepInside(MutableArrayRef<Lifted> coordinates, Value source, ArrayRef<Lifted> given) {
  ImplicitLocOpBuilder &b = builder();
  for (size_t dim = 0; dim < coordinates.size(); ++dim) {
    Lifted &coordinate = coordinates[dim];
    if (coordinate.box)
      continue;
    if (coordinate.isPositions()) {
      Value &first = coordinate.isSpaced() ? coordinate.origin : coordinate.base;
      bool isGiven = llvm::any_of(given, [&](const Lifted &index) {
        return coordinate.isSpaced() ? index.origin == first : !index.isSpaced() && index.base == first;
      });
      if (!isGiven && !matchPattern(first, m_Constant()))
        first = arith::MaxSIOp::create(b, first, kernel.constant(0));
      continue;
    }
    auto isSameNumber = [&](const Lifted &index) { return index.value == coordinate.value; };
    if (!source || !coordinate.isScalar() || llvm::any_of(given, isSameNumber) ||
        matchPattern(coordinate.value, m_Constant()))
      continue;
    Value index = coordinate.value, last = arith::SubIOp::create(b, kernel.dim(source, dim), kernel.constant(1));
    if (!index.getType().isIndex())
      index = arith::IndexCastOp::create(b, b.getIndexType(), index);
    coordinate.value = arith::MaxSIOp::create(b, arith::MinSIOp::create(b, index, last), kernel.constant(0));
  }
}

FailureOr<Lifted> TileEmitter::applyOperation(Operation *op, Scope &scope) {
  if (op->hasTrait<OpTrait::ConstantLike>())
    return Lifted{builder().clone(*op)->getResult(0)};
  if (auto dimension = dyn_cast<tensor::DimOp>(op))
    return Lifted{kernel.scalar(dimension)};

  SmallVector<Lifted> operands;
  for (Value operand : op->getOperands()) {
    if (isa<RankedTensorType>(operand.getType()))
      continue;
    operands.push_back(resolve(operand, scope));
    if (!operands.back().isPositions() && !operands.back().value)
      return failure();
  }
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    Lifted result = element(extract.getTensor(), operands);
    if (!result.value)
      return failure();
    return result;
  }
  if (isa<arith::AddIOp, arith::SubIOp>(op)) {
    bool isSub = isa<arith::SubIOp>(op);
    if (operands[0].isPositions() && operands[1].isScalar())
      return shift(operands[0], operands[1].value, isSub);
    if (!isSub && operands[1].isPositions() && operands[0].isScalar())
      return shift(operands[1], operands[0].value, false);
  }
  if (isa<arith::DivUIOp, arith::RemUIOp>(op) && operands[0].isPositions() && operands[1].isScalar()) {
    Lifted split =
        splitPositions(operands[0], getConstantIntValue(operands[1].value), /*isRemainder=*/isa<arith::RemUIOp>(op));
    if (split.isPositions() || split.value)
      return split;
  }
  if (!OpTrait::hasElementwiseMappableTraits(op)) {
    op->emitOpError("expected an operation on numbers in a region that is applied to tiles");
    return failure();
  }
  return applyElementwise(op, operands);
}

Lifted TileEmitter::select(const Lifted &condition, const Lifted &whenTrue, const Lifted &whenFalse) {
  Lifted operands[] = {condition, whenTrue, whenFalse};
  bool allScalar = llvm::all_of(operands, [](const Lifted &operand) { return operand.isScalar(); });
  TileShape shape = allScalar ? TileShape() : join(operands);
  return {arith::SelectOp::create(builder(), materialize(condition, shape), materialize(whenTrue, shape),
                                  materialize(whenFalse, shape))};
}

Lifted TileEmitter::add(const Lifted &a, const Lifted &b) {
  Lifted operands[] = {a, b};
  TileShape shape = a.isScalar() && b.isScalar() ? TileShape() : join(operands);
  return {arith::AddIOp::create(builder(), materialize(a, shape), materialize(b, shape))};
}

LogicalResult TileEmitter::applyBranches(Operation *op, Scope &scope) {
  auto branch = cast<scf::IfOp>(op);
  if (branch.getNumResults() == 0)
    return op->emitOpError("expected a branch that yields values");
  Lifted condition = resolve(branch.getCondition(), scope);
  if (failed(applyBlock(*branch.thenBlock(), scope)) || failed(applyBlock(*branch.elseBlock(), scope)))
    return failure();
  for (auto [result, left, right] :
       llvm::zip(branch.getResults(), branch.thenYield().getOperands(), branch.elseYield().getOperands())) {
    scope[result] = select(condition, resolve(left, scope), resolve(right, scope));
  }
  return success();
}

LogicalResult TileEmitter::applyLoop(Operation *op, Scope &scope) {
  auto loop = cast<scf::ForOp>(op);
  std::optional<int64_t> lower = getConstantIntValue(loop.getLowerBound());
  std::optional<int64_t> upper = getConstantIntValue(loop.getUpperBound());
  std::optional<int64_t> step = getConstantIntValue(loop.getStep());
  if (!lower || !upper || !step)
    return op->emitOpError("expected constant bounds of a loop in a region that is applied to tiles");
  SmallVector<Lifted> carried;
  for (Value init : loop.getInitArgs())
    carried.push_back(resolve(init, scope));
  for (int64_t i = *lower; i < *upper; i += *step) {
    scope[loop.getInductionVar()] = {arith::ConstantIndexOp::create(builder(), i)};
    for (auto [argument, value] : llvm::zip(loop.getRegionIterArgs(), carried))
      scope[argument] = value;
    if (failed(applyBlock(*loop.getBody(), scope)))
      return failure();
    carried.clear();
    for (Value yielded : loop.getBody()->getTerminator()->getOperands())
      carried.push_back(resolve(yielded, scope));
  }
  for (auto [result, value] : llvm::zip(loop.getResults(), carried))
    scope[result] = value;
  return success();
}

LogicalResult TileEmitter::applyBlock(Block &block, Scope &scope) {
  for (Operation &op : block.without_terminator()) {
    if (isa<scf::IfOp>(op)) {
      if (failed(applyBranches(&op, scope)))
        return failure();
    } else if (isa<scf::ForOp>(op)) {
      if (failed(applyLoop(&op, scope)))
        return failure();
    } else if (isa<linalg::IndexOp>(op)) {
      // The caller has bound it.
    } else {
      FailureOr<Lifted> result = applyOperation(&op, scope);
      if (failed(result))
        return failure();
      scope[op.getResult(0)] = *result;
    }
  }
  return success();
}

FailureOr<SmallVector<Lifted>> TileEmitter::apply(Block &block, ArrayRef<Lifted> arguments, ArrayRef<Lifted> loops,
                                                  ValueRange wanted) {
  Scope scope;
  for (auto [argument, value] : llvm::zip(block.getArguments(), arguments))
    scope[argument] = value;
  for (auto index : block.getOps<linalg::IndexOp>())
    scope[index] = loops[index.getDim()];
  if (failed(applyBlock(block, scope)))
    return failure();
  SmallVector<Lifted> results;
  for (Value value : wanted.empty() ? ValueRange(block.getTerminator()->getOperands()) : wanted) {
    results.push_back(resolve(value, scope));
    if (!results.back().isPositions() && !results.back().value)
      return failure();
  }
  return results;
}
