//===- ApartKeys.cpp --------------------------------------------------------===//
#include "ApartKeys.h"
#include "dialects/Tile/TileDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle;

FailureOr<RowState> heddle::visitApart(ImplicitLocOpBuilder &b, const KeyBlocks &blocks, Value begin, Value end,
                                       bool hasMask, RowState state, KeyStep step) {
  auto visit = [&](Value position, Value isPartial, RowState before) {
    return step(blocks.firstKeyOf(b, position, isPartial), isPartial, std::move(before));
  };
  Value partialEnd = blocks.getPartialCount(), split = begin, one = arith::ConstantIndexOp::create(b, 1);
  FailureOr<RowState> before = std::move(state);
  if (hasMask) {
    split = arith::MinSIOp::create(b, arith::SubIOp::create(b, partialEnd, one), end);
    split = arith::MaxSIOp::create(b, split, begin);
    Value yes = arith::ConstantIntOp::create(b, 1, 1);
    before = loopOver(b, begin, split, one, *before, [&](Value position, RowState carried) {
      position.getParentBlock()->getParentOp()->setAttr(tile::kSeldomAttr, b.getUnitAttr());
      return visit(position, yes, std::move(carried));
    });
    if (failed(before))
      return failure();
  }
  Value isFirstPartial = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, split, partialEnd);
  return loopOver(b, split, end, one, *before, [&](Value position, RowState carried) {
    Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, position, split);
    Value isPartial = arith::AndIOp::create(b, isFirst, isFirstPartial);
    return visit(position, isPartial, std::move(carried));
  });
}
