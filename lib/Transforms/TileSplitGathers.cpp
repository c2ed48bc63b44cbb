//===- TileSplitGathers.cpp - gathers that read one element -----------------===//
//
// Positions that are clamped (a table of the nearest distances) or divided are the same
// number all over a tile that is far enough away. Whether they are follows from the
// least and the greatest of them, which are numbers of the block:
//
//   %x = gather %t[.., %c]        %y = scf.if (least == greatest) { f(broadcast(gather %t[.., least])) }
//   %y = f(%x)             ->          else { f(gather %t[.., %c]) }
//
// `f` is one element-wise operation; with it inside, a branch yields what is wanted anyway.
// Test: test/Transforms/tile-split-gathers.mlir
//
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "heddle/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"

namespace heddle {
#define GEN_PASS_DEF_TILESPLITGATHERS
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
/// The least and the greatest element of a tile of whole numbers, as i32.
struct Extent {
  Value least, greatest;
  bool canMeet = false; ///< different elements of a tile's operands may give the same number
};

class ExtentEmitter {
public:
  explicit ExtentEmitter(ImplicitLocOpBuilder &builder) : b(builder) {}
  std::optional<Extent> extentOf(Value tile);

private:
  std::optional<Extent> ofBinary(Operation *op);
  Value constant(int64_t value) { return arith::ConstantOp::create(b, b.getI32IntegerAttr(value)); }

  ImplicitLocOpBuilder &b;
};
} // namespace

/// A constant of a tile of whole numbers.
static std::optional<int64_t> splatConstant(Value tile) {
  DenseElementsAttr elements;
  if (!matchPattern(tile, m_Constant(&elements)) || !elements.isSplat() || !elements.getElementType().isInteger(32))
    return std::nullopt;
  return elements.getSplatValue<APInt>().getSExtValue();
}

std::optional<Extent> ExtentEmitter::ofBinary(Operation *op) {
  if (!isa<arith::AddIOp, arith::SubIOp, arith::MaxSIOp, arith::MinSIOp, arith::DivSIOp>(op))
    return std::nullopt;
  std::optional<Extent> x = extentOf(op->getOperand(0)), y = x ? extentOf(op->getOperand(1)) : std::nullopt;
  if (!y)
    return std::nullopt;
  bool canMeet = x->canMeet || y->canMeet;
  if (isa<arith::AddIOp>(op))
    return Extent{arith::AddIOp::create(b, x->least, y->least), arith::AddIOp::create(b, x->greatest, y->greatest),
                  canMeet};
  if (isa<arith::SubIOp>(op))
    return Extent{arith::SubIOp::create(b, x->least, y->greatest), arith::SubIOp::create(b, x->greatest, y->least),
                  canMeet};
  if (isa<arith::MaxSIOp>(op))
    return Extent{arith::MaxSIOp::create(b, x->least, y->least), arith::MaxSIOp::create(b, x->greatest, y->greatest),
                  true};
  if (isa<arith::MinSIOp>(op))
    return Extent{arith::MinSIOp::create(b, x->least, y->least), arith::MinSIOp::create(b, x->greatest, y->greatest),
                  true};
  // A quotient by a positive number rises with what is divided.
  std::optional<int64_t> divisor = splatConstant(op->getOperand(1));
  if (!divisor || *divisor < 1)
    return std::nullopt;
  return Extent{arith::DivSIOp::create(b, x->least, y->least), arith::DivSIOp::create(b, x->greatest, y->least), true};
}

std::optional<Extent> ExtentEmitter::extentOf(Value tile) {
  if (std::optional<int64_t> number = splatConstant(tile))
    return Extent{constant(*number), constant(*number)};
  Operation *op = tile.getDefiningOp();
  if (auto broadcast = dyn_cast_or_null<tile::BroadcastOp>(op))
    return extentOf(broadcast.getSource());
  if (auto splat = dyn_cast_or_null<tensor::SplatOp>(op))
    return Extent{splat.getInput(), splat.getInput()};
  if (auto iota = dyn_cast_or_null<tile::IotaOp>(op)) {
    Value first = arith::IndexCastOp::create(b, b.getI32Type(), iota.getOffset());
    int64_t count = iota.getResult().getType().getNumElements();
    return Extent{first, arith::AddIOp::create(b, first, constant(count - 1))};
  }
  return op ? ofBinary(op) : std::nullopt;
}

/// The only coordinate that differs between elements; null if there are several.
static Value variableCoordinate(tile::GatherOp gather) {
  Value found;
  for (Value coordinate : gather.getCoordinates()) {
    if (!isa<RankedTensorType>(coordinate.getType()))
      continue;
    if (found)
      return {};
    found = coordinate;
  }
  return found;
}

static void splitGather(tile::GatherOp gather) {
  RankedTensorType type = gather.getResult().getType();
  Value coordinate = variableCoordinate(gather);
  if (!coordinate || gather.getMask() || !gather->hasOneUse() || type.getDimSize(0) == 1 || type.getDimSize(1) == 1)
    return;
  Operation *user = *gather->user_begin();
  if (user->getBlock() != gather->getBlock() || !OpTrait::hasElementwiseMappableTraits(user) ||
      user->getNumResults() != 1 || !isa<scf::ForOp>(gather->getParentOp()))
    return;
  ImplicitLocOpBuilder builder(gather.getLoc(), user);
  std::optional<Extent> extent = ExtentEmitter(builder).extentOf(coordinate);
  if (!extent || !extent->canMeet)
    return;
  Value isOne = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, extent->least, extent->greatest);
  auto branch = scf::IfOp::create(builder, user->getResultTypes(), isOne, /*withElseRegion=*/true);
  auto fill = [&](Block *block, function_ref<Value()> read) {
    builder.setInsertionPointToStart(block);
    IRMapping mapping;
    mapping.map(gather.getResult(), read());
    scf::YieldOp::create(builder, builder.clone(*user, mapping)->getResults());
  };
  fill(branch.thenBlock(), [&]() -> Value {
    auto one = RankedTensorType::get({1, 1}, builder.getI32Type());
    IRMapping mapping;
    mapping.map(coordinate, tensor::SplatOp::create(builder, one, extent->least));
    auto single = cast<tile::GatherOp>(builder.clone(*gather, mapping));
    single.getResult().setType(RankedTensorType::get({1, 1}, type.getElementType()));
    return tile::BroadcastOp::create(builder, type, single.getResult());
  });
  fill(branch.elseBlock(), [&] { return builder.clone(*gather)->getResult(0); });
  user->getResult(0).replaceAllUsesWith(branch.getResult(0));
  user->erase();
  gather.erase();
}

namespace {
struct TileSplitGathers : heddle::impl::TileSplitGathersBase<TileSplitGathers> {
  void runOnOperation() override {
    SmallVector<tile::GatherOp> gathers;
    getOperation()->walk([&](tile::GatherOp gather) { gathers.push_back(gather); });
    for (tile::GatherOp gather : gathers)
      splitGather(gather);
  }
};
} // namespace
