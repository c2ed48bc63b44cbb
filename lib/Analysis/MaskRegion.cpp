//===- MaskRegion.cpp - reading a mask region as an expression ------------===//
//
// One reader per group of operations. An operation without one is not an error: its
// result is opaque, and the analysis bounds what is left.
//
//===----------------------------------------------------------------------===//
#include "MaskRegion.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace heddle;
using namespace mlir;

namespace {
class Reader {
public:
  Reader(IndexExprContext &context, Region &mask) : context(context), mask(mask) {}

  ExprRef readResult(ArrayRef<IndexSymbol> positions) {
    Block &body = mask.front();
    // A function that carries a mask has its captures as further arguments.
    for (BlockArgument argument : body.getArguments().drop_front(positions.size()))
      if (argument.getType().isIntOrIndex())
        known[argument] = context.scalar(argument);
    for (auto [argument, symbol] : llvm::zip(body.getArguments(), positions))
      known[argument] = context.symbol(symbol);
    return read(body.getTerminator()->getOperand(0));
  }

private:
  ExprRef read(Value value) {
    if (ExprRef e = known.lookup(value))
      return e;
    ExprRef e = readNew(value);
    if (e->treeSize > largestTree)
      e = context.opaque("an expression of more than " + Twine(largestTree) + " terms");
    return known[value] = e;
  }

  ExprRef unknown(Value value) {
    if (Operation *op = value.getDefiningOp())
      return context.opaque("expected an integer operation of the mask algebra, got " + op->getName().getStringRef());
    return context.opaque("expected a block argument of the mask, got one of an operation inside");
  }

  ExprRef readNew(Value value) {
    APInt constant;
    if (matchPattern(value, m_ConstantInt(&constant)))
      return constant.getBitWidth() <= 64
                 ? context.constant(constant.getBitWidth() == 1 ? constant.getZExtValue() : constant.getSExtValue())
                 : unknown(value);
    bool integer = value.getType().isIntOrIndex();
    if (!mask.isAncestor(value.getParentRegion()))
      return integer ? context.scalar(value) : unknown(value);
    Operation *op = value.getDefiningOp();
    if (!op || !integer)
      return unknown(value);
    ExprRef e = readMemory(op);
    if (!e && value.getType().isInteger(1))
      e = readTruth(op);
    if (!e)
      e = readInteger(op);
    if (!e)
      e = readCast(op);
    return e ? e : unknown(value);
  }

  /// Whether the value does not change with the position: it comes from outside.
  bool isCaptured(Value value) {
    return !mask.isAncestor(value.getParentRegion()) || llvm::is_contained(mask.front().getArguments(), value);
  }

  ExprRef operand(Operation *op, unsigned k) { return read(op->getOperand(k)); }
  bool isNonNegative(ExprRef e) { return e->lower && *e->lower >= 0; }

  ExprRef readMemory(Operation *op) {
    if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
      if (!isCaptured(extract.getTensor()))
        return nullptr;
      SmallVector<ExprRef> indices;
      for (Value index : extract.getIndices())
        indices.push_back(read(index));
      return context.load(extract.getTensor(), indices);
    }
    if (auto dim = dyn_cast<tensor::DimOp>(op))
      if (std::optional<int64_t> dimension = dim.getConstantIndex())
        if (isCaptured(dim.getSource()) && isa<RankedTensorType>(dim.getSource().getType()))
          return context.dim(dim.getSource(), *dimension);
    return nullptr;
  }

  /// Operations on single bits.
  ExprRef readTruth(Operation *op) {
    auto x = [&](unsigned k) { return operand(op, k); };
    return TypeSwitch<Operation *, ExprRef>(op)
        .Case<arith::AndIOp, arith::MulIOp>([&](auto) { return context.logicalAnd(x(0), x(1)); })
        .Case<arith::OrIOp>([&](auto) { return context.logicalOr(x(0), x(1)); })
        .Case<arith::XOrIOp, arith::AddIOp, arith::SubIOp>([&](auto) { return context.logicalXor(x(0), x(1)); })
        .Case<arith::SelectOp>([&](auto) { return context.select(x(0), x(1), x(2)); })
        .Case<arith::CmpIOp>([&](arith::CmpIOp compare) { return readComparison(compare); })
        .Case<arith::TruncIOp>(
            [&](auto) { return context.logicalNot(context.zero(context.remainder(x(0), context.constant(2)))); })
        .Case<scf::IfOp>([&](scf::IfOp ifOp) { return readIf(ifOp); })
        .Default([](Operation *) -> ExprRef { return nullptr; });
  }

  ExprRef readIf(scf::IfOp op) {
    if (op.getNumResults() != 1)
      return nullptr;
    ExprRef condition = read(op.getCondition());
    return context.select(condition, read(op.thenYield().getOperand(0)), read(op.elseYield().getOperand(0)));
  }

  ExprRef readComparison(arith::CmpIOp op) {
    using Predicate = arith::CmpIPredicate;
    ExprRef a = read(op.getLhs()), b = read(op.getRhs());
    Predicate predicate = op.getPredicate();
    bool bits = op.getLhs().getType().isInteger(1);
    if (predicate == Predicate::eq)
      return bits ? context.logicalNot(context.logicalXor(a, b)) : context.equal(a, b);
    if (predicate == Predicate::ne)
      return bits ? context.logicalXor(a, b) : context.logicalNot(context.equal(a, b));
    bool isUnsigned = predicate == Predicate::ult || predicate == Predicate::ule || predicate == Predicate::ugt ||
                      predicate == Predicate::uge;
    if (predicate == Predicate::sgt || predicate == Predicate::sge || predicate == Predicate::ugt ||
        predicate == Predicate::uge)
      std::swap(a, b);
    bool strict = predicate == Predicate::slt || predicate == Predicate::sgt || predicate == Predicate::ult ||
                  predicate == Predicate::ugt;
    if (bits && !isUnsigned) { // a signed bit that is set is -1
      a = context.negate(a);
      b = context.negate(b);
    }
    ExprRef below = strict ? context.less(a, b) : context.lessEqual(a, b);
    if (!isUnsigned)
      return below;
    // As unsigned numbers the negative ones come after the others.
    ExprRef zero = context.constant(0), negativeA = context.less(a, zero), negativeB = context.less(b, zero);
    return context.logicalOr(context.logicalAnd(context.logicalNot(negativeA), context.logicalOr(negativeB, below)),
                             context.logicalAnd(context.logicalAnd(negativeA, negativeB), below));
  }

  ExprRef readInteger(Operation *op) {
    if (op->getNumOperands() == 0 || !op->getOperand(0).getType().isIntOrIndex() ||
        op->getResult(0).getType().isInteger(1))
      return nullptr;
    auto x = [&](unsigned k) { return operand(op, k); };
    auto unsignedPair = [&]() { return isNonNegative(x(0)) && isNonNegative(x(1)); };
    return TypeSwitch<Operation *, ExprRef>(op)
        .Case<arith::AddIOp>([&](auto) { return context.add(x(0), x(1)); })
        .Case<arith::SubIOp>([&](auto) { return context.sub(x(0), x(1)); })
        .Case<arith::MulIOp>([&](auto) { return context.mul(x(0), x(1)); })
        .Case<arith::FloorDivSIOp>([&](auto) { return context.floorDiv(x(0), x(1)); })
        .Case<arith::CeilDivSIOp>([&](auto) { return context.ceilDiv(x(0), x(1)); })
        .Case<arith::DivSIOp>([&](auto) { return context.truncDiv(x(0), x(1)); })
        .Case<arith::RemSIOp>([&](auto) { return context.remainder(x(0), x(1)); })
        .Case<arith::MinSIOp>([&](auto) { return context.min(x(0), x(1)); })
        .Case<arith::MaxSIOp>([&](auto) { return context.max(x(0), x(1)); })
        .Case<arith::SelectOp>([&](auto) { return context.select(x(0), x(1), x(2)); })
        .Case<math::AbsIOp>([&](auto) { return context.max(x(0), context.negate(x(0))); })
        .Case<scf::IfOp>([&](scf::IfOp ifOp) { return readIf(ifOp); })
        .Case<arith::ShLIOp>([&](auto) { return readShift(x(0), x(1), /*left=*/true); })
        .Case<arith::ShRSIOp>([&](auto) { return readShift(x(0), x(1), /*left=*/false); })
        .Case<arith::AndIOp>([&](auto) { return readLowBits(x(0), x(1)); })
        // The unsigned forms agree with the signed ones where nothing is negative.
        .Case<arith::DivUIOp>([&](auto) { return unsignedPair() ? context.floorDiv(x(0), x(1)) : nullptr; })
        .Case<arith::CeilDivUIOp>([&](auto) { return unsignedPair() ? context.ceilDiv(x(0), x(1)) : nullptr; })
        .Case<arith::RemUIOp>([&](auto) { return unsignedPair() ? context.remainder(x(0), x(1)) : nullptr; })
        .Case<arith::MinUIOp>([&](auto) { return unsignedPair() ? context.min(x(0), x(1)) : nullptr; })
        .Case<arith::MaxUIOp>([&](auto) { return unsignedPair() ? context.max(x(0), x(1)) : nullptr; })
        .Case<arith::ShRUIOp>([&](auto) { return unsignedPair() ? readShift(x(0), x(1), false) : nullptr; })
        .Default([](Operation *) -> ExprRef { return nullptr; });
  }

  ExprRef readShift(ExprRef a, ExprRef by, bool left) {
    if (!by->isConstant() || by->value < 0 || by->value > 62)
      return nullptr;
    int64_t factor = int64_t(1) << by->value;
    return left ? context.scale(a, factor) : context.floorDiv(a, context.constant(factor));
  }

  ExprRef readLowBits(ExprRef a, ExprRef b) {
    if (a->isConstant())
      std::swap(a, b);
    if (!b->isConstant() || b->value < 0 || !llvm::isPowerOf2_64(uint64_t(b->value) + 1))
      return nullptr;
    ExprRef period = context.constant(b->value + 1);
    if (isNonNegative(a))
      return context.remainder(a, period);
    return context.sub(a, context.scale(context.floorDiv(a, period), period->value));
  }

  /// Widths do not matter as long as nothing overflows; the sign of a single bit does.
  ExprRef readCast(Operation *op) {
    if (!isa<arith::IndexCastOp, arith::IndexCastUIOp, arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp>(op) ||
        op->getResult(0).getType().isInteger(1))
      return nullptr;
    ExprRef x = operand(op, 0);
    bool isUnsigned = isa<arith::IndexCastUIOp, arith::ExtUIOp>(op);
    if (op->getOperand(0).getType().isInteger(1))
      return isUnsigned ? x : context.negate(x);
    return isUnsigned && !isNonNegative(x) ? nullptr : x;
  }

  IndexExprContext &context;
  Region &mask;
  llvm::DenseMap<Value, ExprRef> known;
};
} // namespace

ExprRef heddle::readMaskRegion(IndexExprContext &context, Region &mask) {
  return Reader(context, mask).readResult({IndexSymbol::Batch, IndexSymbol::Head, IndexSymbol::Row, IndexSymbol::Key});
}

ExprRef heddle::readRowRegion(IndexExprContext &context, Region &region) {
  return Reader(context, region).readResult({IndexSymbol::Row});
}
