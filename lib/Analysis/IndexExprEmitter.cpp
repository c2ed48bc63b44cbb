//===- IndexExprEmitter.cpp - expressions as arith and scf ----------------===//
#include "heddle/Analysis/IndexExprEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace heddle;
using namespace mlir;
using Kind = IndexExpr::Kind;

static constexpr uint32_t largestBranch = 100;

/// Whether the written value is an i1.
static bool isWrittenAsTruth(ExprRef e) {
  return e->isTruth && e->kind != Kind::Constant && e->kind != Kind::RowMinimum && e->kind != Kind::RowMaximum;
}

static Value toIndex(OpBuilder &builder, Location loc, Value value) {
  if (value.getType().isIndex())
    return value;
  if (value.getType().isInteger(1))
    return builder.createOrFold<arith::IndexCastUIOp>(loc, builder.getIndexType(), value);
  return builder.createOrFold<arith::IndexCastOp>(loc, builder.getIndexType(), value);
}

Value IndexExprEmitter::constant(int64_t value) { return arith::ConstantIndexOp::create(builder, loc, value); }

Value IndexExprEmitter::emitIndex(ExprRef e) { return toIndex(builder, loc, emit(e)); }

Value IndexExprEmitter::emitTruth(ExprRef e) {
  if (e->isConstant())
    return arith::ConstantIntOp::create(builder, loc, e->value != 0, 1);
  Value value = emit(e);
  if (value.getType().isInteger(1))
    return value;
  return builder.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::ne, value, constant(0));
}

Value IndexExprEmitter::emit(ExprRef e) {
  if (Value known = values.lookup(e))
    return known;
  Value value = create(e);
  values[e] = value;
  return value;
}

Value IndexExprEmitter::create(ExprRef e) {
  auto index = [&](unsigned k) { return emitIndex(e->operands[k]); };
  auto truth = [&](unsigned k) { return emitTruth(e->operands[k]); };
  switch (e->kind) {
  case Kind::Sum:
    return createSum(e);
  case Kind::Mul:
    return builder.createOrFold<arith::MulIOp>(loc, index(0), index(1));
  case Kind::FloorDiv:
  case Kind::CeilDiv:
  case Kind::TruncDiv:
  case Kind::Remainder:
    return createDivision(e);
  case Kind::Min:
    return builder.createOrFold<arith::MinSIOp>(loc, index(0), index(1));
  case Kind::Max:
    return builder.createOrFold<arith::MaxSIOp>(loc, index(0), index(1));
  case Kind::Select:
    return createSelect(e);
  case Kind::NonPositive:
    return createComparison(e->operands[0], arith::CmpIPredicate::sle);
  case Kind::Zero:
    return createComparison(e->operands[0], arith::CmpIPredicate::eq);
  case Kind::Not:
    return builder.createOrFold<arith::XOrIOp>(loc, truth(0), arith::ConstantIntOp::create(builder, loc, 1, 1));
  case Kind::And:
    return builder.createOrFold<arith::AndIOp>(loc, truth(0), truth(1));
  case Kind::Or:
    return builder.createOrFold<arith::OrIOp>(loc, truth(0), truth(1));
  case Kind::Load:
    return createLoad(e);
  case Kind::FirstKey:
    return createFirstKey(e);
  case Kind::RowMinimum:
  case Kind::RowMaximum:
    return createRowReduction(e);
  default:
    return createLeaf(e);
  }
}

Value IndexExprEmitter::createLeaf(ExprRef e) {
  switch (e->kind) {
  case Kind::Constant:
    return constant(e->value);
  case Kind::Scalar: {
    Value scalar = bindings.scalar(e->captured);
    return e->isTruth ? scalar : toIndex(builder, loc, scalar);
  }
  case Kind::Dim:
    return bindings.dim(e->captured, e->value);
  case Kind::Fact:
    return fact(e);
  case Kind::Symbol:
    switch (static_cast<IndexSymbol>(e->value)) {
    case IndexSymbol::Batch:
      return bindings.batch;
    case IndexSymbol::Head:
      return bindings.head;
    case IndexSymbol::RowBegin:
      return bindings.rowBegin;
    case IndexSymbol::RowEnd:
      return bindings.rowEnd;
    case IndexSymbol::KeyCount:
      return bindings.keyCount;
    case IndexSymbol::Residue:
      return bindings.residue;
    case IndexSymbol::Row:
      assert(row && "a row outside of a loop over rows");
      return row;
    case IndexSymbol::Key:
      assert(key && "a key outside of a search");
      return key;
    }
    [[fallthrough]];
  default:
    llvm_unreachable("an unknown has no value");
  }
}

Value IndexExprEmitter::sumOf(ArrayRef<std::pair<ExprRef, int64_t>> terms, int64_t value) {
  Value sum;
  // Added terms first, so that a difference is one subtraction.
  for (bool positive : {true, false})
    for (auto [operand, coefficient] : terms) {
      if ((coefficient > 0) != positive)
        continue;
      Value term = emitIndex(operand);
      int64_t magnitude = positive ? coefficient : -coefficient;
      if (magnitude != 1)
        term = builder.createOrFold<arith::MulIOp>(loc, term, constant(magnitude));
      if (positive)
        sum = sum ? builder.createOrFold<arith::AddIOp>(loc, sum, term) : term;
      else
        sum = builder.createOrFold<arith::SubIOp>(loc, sum ? sum : constant(0), term);
    }
  if (!sum)
    return constant(value);
  return value ? builder.createOrFold<arith::AddIOp>(loc, sum, constant(value)) : sum;
}

Value IndexExprEmitter::createSum(ExprRef e) {
  SmallVector<std::pair<ExprRef, int64_t>> terms;
  for (auto [operand, coefficient] : llvm::zip_equal(e->operands, e->coefficients))
    terms.push_back({operand, coefficient});
  return sumOf(terms, e->value);
}

/// e <= 0 or e = 0. What depends on the key is compared with what does not: done for every pair of a row and a key,
/// that is one operation.
Value IndexExprEmitter::createComparison(ExprRef e, arith::CmpIPredicate predicate) {
  if (e->kind != Kind::Sum || !e->dependsOnKey || !e->dependsOnRow)
    return builder.createOrFold<arith::CmpIOp>(loc, predicate, emitIndex(e), constant(0));
  SmallVector<std::pair<ExprRef, int64_t>> ofKey, others;
  for (auto [operand, coefficient] : llvm::zip(e->operands, e->coefficients))
    (operand->dependsOnKey ? ofKey : others).push_back({operand, coefficient});
  // The side whose terms are positive stays where it is.
  bool isKeyLeft = ofKey.front().second > 0;
  for (auto &[operand, coefficient] : isKeyLeft ? others : ofKey)
    coefficient = -coefficient;
  Value keySide = sumOf(ofKey, 0), otherSide = sumOf(others, isKeyLeft ? -e->value : e->value);
  Value left = isKeyLeft ? keySide : otherSide, right = isKeyLeft ? otherSide : keySide;
  return builder.createOrFold<arith::CmpIOp>(loc, predicate, left, right);
}

Value IndexExprEmitter::createDivision(ExprRef e) {
  ExprRef dividend = e->operands[0], divisor = e->operands[1];
  Value a = emitIndex(dividend), b = emitIndex(divisor);
  bool positive = divisor->lower && *divisor->lower >= 1;
  if (!positive && !divisor->isConstant()) {
    // A guard elsewhere discards the quotient; the division itself must not trap.
    Value isZero = builder.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, b, constant(0));
    b = builder.createOrFold<arith::SelectOp>(loc, isZero, constant(1), b);
  }
  if (e->kind == Kind::Remainder)
    return builder.createOrFold<arith::RemSIOp>(loc, a, b);
  bool roundsDown = positive && dividend->lower && *dividend->lower >= 0;
  if (e->kind == Kind::TruncDiv || (e->kind == Kind::FloorDiv && roundsDown))
    return builder.createOrFold<arith::DivSIOp>(loc, a, b);
  if (e->kind == Kind::FloorDiv)
    return builder.createOrFold<arith::FloorDivSIOp>(loc, a, b);
  return builder.createOrFold<arith::CeilDivSIOp>(loc, a, b);
}

Value IndexExprEmitter::createSelect(ExprRef e) {
  Value condition = emitTruth(e->operands[0]);
  bool truth = isWrittenAsTruth(e);
  auto branch = [&](unsigned k) { return truth ? emitTruth(e->operands[k]) : emitIndex(e->operands[k]); };
  // A branch around a loop is worth it, but what is written inside is written again elsewhere: only around small ones.
  bool loops = e->treeSize <= largestBranch && ((e->operands[1]->hasLoop && !values.contains(e->operands[1])) ||
                                                (e->operands[2]->hasLoop && !values.contains(e->operands[2])));
  if (!loops)
    return builder.createOrFold<arith::SelectOp>(loc, condition, branch(1), branch(2));
  Type type = truth ? Type(builder.getI1Type()) : Type(builder.getIndexType());
  auto ifOp = scf::IfOp::create(builder, loc, type, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  auto outside = values;
  builder.setInsertionPointToStart(ifOp.thenBlock());
  scf::YieldOp::create(builder, loc, branch(1));
  values = outside;
  builder.setInsertionPointToStart(ifOp.elseBlock());
  scf::YieldOp::create(builder, loc, branch(2));
  values = std::move(outside);
  return ifOp.getResult(0);
}

Value IndexExprEmitter::createLoad(ExprRef e) {
  SmallVector<Value> indices;
  auto type = cast<ShapedType>(e->captured.getType());
  for (auto [k, operand] : llvm::enumerate(e->operands)) {
    if (!bindings.clampsCoordinates) {
      indices.push_back(emitIndex(operand));
      continue;
    }
    Value size = type.isDynamicDim(k) ? bindings.dim(e->captured, k) : constant(type.getDimSize(k));
    Value last = builder.createOrFold<arith::SubIOp>(loc, size, constant(1));
    Value index = builder.createOrFold<arith::MinSIOp>(loc, emitIndex(operand), last);
    indices.push_back(builder.createOrFold<arith::MaxSIOp>(loc, index, constant(0)));
  }
  Value element = bindings.load(builder, loc, e->captured, indices);
  return e->isTruth ? element : toIndex(builder, loc, element);
}

/// Writes the parts of a loop's body that do not change in it.
void IndexExprEmitter::hoist(ExprRef body, IndexSymbol variable, llvm::SmallPtrSetImpl<ExprRef> &seen) {
  if (body->isConstant() || !seen.insert(body).second)
    return;
  // A body may hold a loop of its own, whose variable has no value here either.
  bool changes = body->dependsOn(variable) || (body->dependsOnRow && !row) || (body->dependsOnKey && !key);
  if (!changes) {
    emit(body);
    return;
  }
  for (ExprRef operand : body->operands)
    hoist(operand, variable, seen);
}

Value IndexExprEmitter::createFirstKey(ExprRef e) {
  // A round reads at seven points that cut the range into eight. The reads do not wait for each other, and a third of
  // the rounds of a bisection do: what a search costs is the time of the reads that follow one another.
  constexpr int64_t kParts = 8;
  Value target = emitIndex(e->operands[1]);
  llvm::SmallPtrSet<ExprRef, 16> seen;
  hoist(e->operands[0], IndexSymbol::Key, seen);
  Value low = constant(0), one = constant(1), parts = constant(kParts);
  SmallVector<Value> numbers;
  for (int64_t part = 1; part < kParts; ++part)
    numbers.push_back(constant(part));
  Type type = builder.getIndexType();
  OpBuilder::InsertionGuard guard(builder);
  auto outside = values;
  Value outerKey = key;
  auto loop = scf::WhileOp::create(builder, loc, TypeRange{type, type}, ValueRange{low, bindings.keyCount});
  Block *before = builder.createBlock(&loop.getBefore(), {}, {type, type}, {loc, loc});
  Value more =
      arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, before->getArgument(0), before->getArgument(1));
  scf::ConditionOp::create(builder, loc, more, before->getArguments());
  Block *after = builder.createBlock(&loop.getAfter(), {}, {type, type}, {loc, loc});
  Value begin = after->getArgument(0), end = after->getArgument(1);
  Value size = arith::SubIOp::create(builder, loc, end, begin);
  SmallVector<std::pair<Value, Value>> points; // the key, and whether it is too small
  for (Value number : numbers) {
    values = outside;
    Value share = arith::DivSIOp::create(builder, loc, arith::MulIOp::create(builder, loc, size, number), parts);
    key = arith::AddIOp::create(builder, loc, begin, share);
    Value found = emitIndex(e->operands[0]);
    points.push_back({key, arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, found, target)});
  }
  // Begin behind the last that is too small, end at the first that is not. The last point is never below `begin` nor at
  // `end`, so the range shrinks.
  Value newBegin = begin, newEnd = end;
  for (auto [point, tooSmall] : points)
    newBegin =
        arith::SelectOp::create(builder, loc, tooSmall, arith::AddIOp::create(builder, loc, point, one), newBegin);
  for (auto [point, tooSmall] : llvm::reverse(points))
    newEnd = arith::SelectOp::create(builder, loc, tooSmall, newEnd, point);
  scf::YieldOp::create(builder, loc, ValueRange{newBegin, newEnd});
  key = outerKey;
  values = std::move(outside);
  return loop.getResult(0);
}

Value IndexExprEmitter::createRowReduction(ExprRef e) {
  llvm::SmallPtrSet<ExprRef, 16> seen;
  hoist(e->operands[0], IndexSymbol::Row, seen);
  bool least = e->kind == Kind::RowMinimum;
  Value start = constant(least ? INT64_MAX : INT64_MIN), one = constant(1);
  OpBuilder::InsertionGuard guard(builder);
  auto outside = values;
  Value outerRow = row;
  auto loop = scf::ForOp::create(builder, loc, bindings.rowBegin, bindings.rowEnd, one, ValueRange{start});
  builder.setInsertionPointToStart(loop.getBody());
  row = loop.getInductionVar();
  Value value = emitIndex(e->operands[0]), sofar = loop.getRegionIterArg(0);
  Value next = least ? Value(arith::MinSIOp::create(builder, loc, sofar, value))
                     : Value(arith::MaxSIOp::create(builder, loc, sofar, value));
  scf::YieldOp::create(builder, loc, next);
  row = outerRow;
  values = std::move(outside);
  return loop.getResult(0);
}
