//===- SizeEvaluator.cpp - index arithmetic of a plan as expressions --------===//
//
//   %t = memref.dim %q, %c2        becomes   SIZE q 2
//   %n = arith.ceildivsi %t, %c64            CONST 64  CEILDIV
//
// Integers are 64 bits wide here whatever their type, so arithmetic on i32 that
// wraps around differs: sizes and counts do not.
//
//===----------------------------------------------------------------------===//
#include "heddle/Target/SizeEvaluator.h"
#include "dialects/Tile/TileOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace heddle;

/// Expressions are trees: a value used twice is written twice. Far beyond any real plan, and far below trouble.
static constexpr size_t kLongestExpression = 4096;

using Combine = Expression (*)(const Expression &, const Expression &);

template <heddle_opcode opcode> static Expression combine(const Expression &a, const Expression &b) {
  return Expression::binary(opcode, a, b);
}
template <heddle_opcode opcode> static Expression swapped(const Expression &a, const Expression &b) {
  return Expression::binary(opcode, b, a);
}

static Expression isNegative(const Expression &e) {
  return Expression::binary(HEDDLE_OP_LT, e, Expression::constant(0));
}

/// Division that rounds towards zero, from one that rounds down.
static Expression divideTruncating(const Expression &a, const Expression &b) {
  if (a.isNonNegative())
    return Expression::binary(HEDDLE_OP_FLOORDIV, a, b);
  Expression zero = Expression::constant(0);
  return Expression::select(isNegative(a), zero - Expression::binary(HEDDLE_OP_FLOORDIV, zero - a, b),
                            Expression::binary(HEDDLE_OP_FLOORDIV, a, b));
}
static Expression remainderTruncating(const Expression &a, const Expression &b) {
  if (a.isNonNegative())
    return Expression::binary(HEDDLE_OP_MOD, a, b);
  Expression zero = Expression::constant(0);
  return Expression::select(isNegative(a), zero - Expression::binary(HEDDLE_OP_MOD, zero - a, b),
                            Expression::binary(HEDDLE_OP_MOD, a, b));
}
static Expression notEqual(const Expression &a, const Expression &b) {
  return Expression::logicalNot(Expression::binary(HEDDLE_OP_EQ, a, b));
}

static Combine combineOf(arith::CmpIPredicate predicate) {
  switch (predicate) {
  case arith::CmpIPredicate::eq:
    return combine<HEDDLE_OP_EQ>;
  case arith::CmpIPredicate::ne:
    return notEqual;
  case arith::CmpIPredicate::slt:
  case arith::CmpIPredicate::ult:
    return combine<HEDDLE_OP_LT>;
  case arith::CmpIPredicate::sle:
  case arith::CmpIPredicate::ule:
    return combine<HEDDLE_OP_LE>;
  case arith::CmpIPredicate::sgt:
  case arith::CmpIPredicate::ugt:
    return swapped<HEDDLE_OP_LT>;
  case arith::CmpIPredicate::sge:
  case arith::CmpIPredicate::uge:
    return swapped<HEDDLE_OP_LE>;
  }
  llvm_unreachable("all predicates are listed");
}

/// The host's form of an integer operation with two operands; null when there is none.
static Combine combineOf(Operation *op) {
  bool isLogical = op->getNumResults() == 1 && op->getResult(0).getType().isInteger(1);
  return llvm::TypeSwitch<Operation *, Combine>(op)
      .Case([](arith::AddIOp) { return combine<HEDDLE_OP_ADD>; })
      .Case([](arith::SubIOp) { return combine<HEDDLE_OP_SUB>; })
      .Case([](arith::MulIOp) { return combine<HEDDLE_OP_MUL>; })
      .Case([](arith::DivSIOp) { return divideTruncating; })
      .Case([](arith::RemSIOp) { return remainderTruncating; })
      .Case<arith::DivUIOp, arith::FloorDivSIOp>([](Operation *) { return combine<HEDDLE_OP_FLOORDIV>; })
      .Case<arith::CeilDivSIOp, arith::CeilDivUIOp>([](Operation *) { return combine<HEDDLE_OP_CEILDIV>; })
      .Case([](arith::RemUIOp) { return combine<HEDDLE_OP_MOD>; })
      .Case<arith::MinSIOp, arith::MinUIOp>([](Operation *) { return combine<HEDDLE_OP_MIN>; })
      .Case<arith::MaxSIOp, arith::MaxUIOp>([](Operation *) { return combine<HEDDLE_OP_MAX>; })
      .Case([](arith::CmpIOp compare) { return combineOf(compare.getPredicate()); })
      .Case([&](arith::AndIOp) { return isLogical ? combine<HEDDLE_OP_AND> : nullptr; })
      .Case([&](arith::OrIOp) { return isLogical ? combine<HEDDLE_OP_OR> : nullptr; })
      .Case([&](arith::XOrIOp) { return isLogical ? notEqual : nullptr; })
      .Default(nullptr);
}

FailureOr<Expression> SizeEvaluator::evaluate(Value value) {
  auto found = scalars.find(value);
  if (found != scalars.end())
    return found->second;
  Operation *op = value.getDefiningOp();
  if (!op)
    return emitError(value.getLoc(),
                     "expected a size, an integer argument or arithmetic on them in a plan, got a value of type ")
           << value.getType();
  FailureOr<Expression> result = evaluateOperation(op, cast<OpResult>(value).getResultNumber());
  if (failed(result))
    return failure();
  if (result->length() > kLongestExpression)
    return op->emitError("expected an expression of at most ")
           << kLongestExpression << " words, got " << result->length();
  scalars.insert({value, *result});
  return result;
}

FailureOr<Expression> SizeEvaluator::evaluateOperation(Operation *op, unsigned resultNumber) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (auto integer = dyn_cast<IntegerAttr>(constant.getValue())) {
      // i1 is a truth value, all others are signed.
      return Expression::constant(integer.getType().isInteger(1) ? int64_t(integer.getValue().getZExtValue())
                                                                 : integer.getValue().getSExtValue());
    }
    if (auto real = dyn_cast<FloatAttr>(constant.getValue());
        real && real.getType().isF32()) // a kernel's scalar: its bits
      return Expression::constant(real.getValue().bitcastToAPInt().getZExtValue());
  }
  if (auto dim = dyn_cast<memref::DimOp>(op)) {
    FailureOr<PlanMemory> source = memory(dim.getSource());
    FailureOr<Expression> axis = evaluate(dim.getIndex());
    if (failed(source) || failed(axis))
      return failure();
    if (!axis->known() || *axis->known() < 0 || *axis->known() >= int64_t(source->sizes.size()))
      return op->emitError("expected a constant dimension of a memref of rank ") << source->sizes.size();
    return source->sizes[*axis->known()];
  }
  if (isa<tile::MachineOp>(op))
    return Expression::machine();
  if (isa<scf::IfOp>(op))
    return evaluateIf(op, resultNumber);

  SmallVector<Expression> operands;
  auto evaluateOperands = [&] {
    for (Value operand : op->getOperands()) {
      FailureOr<Expression> expression = evaluate(operand);
      if (failed(expression))
        return failure();
      operands.push_back(*expression);
    }
    return success();
  };
  bool isInteger = llvm::all_of(op->getOperandTypes(), [](Type type) { return type.isIntOrIndex(); });
  if (Combine function = combineOf(op)) {
    if (failed(evaluateOperands()))
      return failure();
    return function(operands[0], operands[1]);
  }
  if (isInteger && isa<arith::SelectOp>(op)) {
    if (failed(evaluateOperands()))
      return failure();
    return Expression::select(operands[0], operands[1], operands[2]);
  }
  bool isSignOfTruth = isa<arith::ExtSIOp, arith::IndexCastOp>(op) && op->getOperand(0).getType().isInteger(1);
  if (isInteger && !isSignOfTruth &&
      isa<arith::IndexCastOp, arith::IndexCastUIOp, arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp>(op))
    return evaluate(op->getOperand(0));
  return op->emitError("expected sizes, integer arithmetic or tile.machine where the host computes a launch, got '")
         << op->getName() << "'";
}

FailureOr<Expression> SizeEvaluator::evaluateIf(Operation *op, unsigned resultNumber) {
  auto branch = cast<scf::IfOp>(op);
  FailureOr<Expression> condition = evaluate(branch.getCondition());
  FailureOr<Expression> ifTrue = evaluate(branch.thenYield().getOperand(resultNumber));
  FailureOr<Expression> ifFalse = evaluate(branch.elseYield().getOperand(resultNumber));
  if (failed(condition) || failed(ifTrue) || failed(ifFalse))
    return failure();
  return Expression::select(*condition, *ifTrue, *ifFalse);
}

FailureOr<PlanMemory> SizeEvaluator::splitByResidue(Operation *op) {
  auto residues = cast<tile::ResiduesOp>(op);
  FailureOr<PlanMemory> view = memory(residues.getSource());
  if (failed(view))
    return failure();
  if (view->strides.empty())
    for (uint32_t axis = 0; axis < view->sizes.size(); ++axis)
      view->strides.push_back(Expression::stride(view->index, axis));
  int64_t dim = residues.getDim();
  Expression modulus = Expression::constant(residues.getModulus()), stride = view->strides[dim];
  view->sizes[dim] = Expression::binary(HEDDLE_OP_CEILDIV, view->sizes[dim], modulus);
  view->sizes.insert(view->sizes.begin() + dim + 1, modulus);
  view->strides[dim] = stride * modulus;
  view->strides.insert(view->strides.begin() + dim + 1, stride);
  return view;
}

FailureOr<PlanMemory> SizeEvaluator::memory(Value value) {
  while (auto cast = value.getDefiningOp<memref::CastOp>())
    value = cast.getSource();
  auto found = memories.find(value);
  if (found != memories.end())
    return found->second;
  if (auto residues = value.getDefiningOp<tile::ResiduesOp>())
    return splitByResidue(residues);
  return emitError(value.getLoc(), "expected an argument or a memref.alloc of the plan, got a value of type ")
         << value.getType();
}
