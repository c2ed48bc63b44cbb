//===- TileLayout.cpp - which axis of a tile lies in vector lanes -----------===//
//
// Classes of values that share an orientation are found by union; then the orientation of every class is chosen so that
// the sum of the operations' prices, weighted by loop depth, is least. Kernels have few classes, so all combinations
// are tried; with many classes one at a time is flipped while that helps.
//
//===----------------------------------------------------------------------===//
#include "lib/Conversion/TileToCPU/TileLayout.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::cpu;

bool cpu::isOrientationFree(Value value) {
  Operation *op = value.getDefiningOp();
  return op && (op->hasTrait<OpTrait::ConstantLike>() ||
                isa<tensor::SplatOp, tile::IotaOp, tile::BroadcastOp, tile::LoadOp, tile::PairOp, tile::UnpairOp>(op));
}

/// Whether only dots see this value, so that nobody can tell whether it was rounded.
static bool isSeenByDotsOnly(Value value) {
  return llvm::all_of(value.getUses(), [](OpOperand &use) {
    Operation *user = use.getOwner();
    if (isa<tile::DotOp>(user))
      return use.getOperandNumber() < 2;
    return isa<arith::TruncFOp, arith::ExtFOp, tile::TransposeOp>(user) && isSeenByDotsOnly(user->getResult(0));
  });
}

Value cpu::stripDotOperand(Value value, bool &transposed, bool keepsNarrow) {
  while (Operation *op = value.getDefiningOp()) {
    if (isa<tile::TransposeOp>(op))
      transposed = !transposed;
    else if (keepsNarrow || !isa<arith::TruncFOp, arith::ExtFOp>(op) ||
             (isa<arith::TruncFOp>(op) && !isSeenByDotsOnly(value)))
      break;
    value = op->getOperand(0);
  }
  return value;
}

static bool hasClass(Value value) {
  RankedTensorType type = tileType(value);
  return type && type.getRank() == 2 && !isVectorTile(type) && !isOrientationFree(value);
}

bool cpu::usesMatrixUnit(tile::DotOp op, const CPUOptions &options) {
  RankedTensorType lhs = op.getLhs().getType(), type = op.getType();
  return options.hasAMX && lhs.getElementType().isBF16() && type.getDimSize(0) % 16 == 0 &&
         type.getDimSize(1) % 16 == 0 && lhs.getDimSize(op.getTransA() ? 0 : 1) % 32 == 0;
}

/// One operation's price: `flat` always, plus `price[lanes]` of class `a`, plus `mismatch` when classes `a` and `b`
/// (or the fixed orientation `fixed`) do not relate as wanted.
struct TileLayout::Cost {
  int a = -1;
  double price[2] = {0, 0};
  int b = -1;
  double pair[2][2] = {{0, 0}, {0, 0}}; // [lanes a][lanes b]
};

TileLayout::TileLayout(Operation *kernel, const CPUOptions &options) : options(options) {
  kernel->walk([&](Operation *op) {
    for (Value result : op->getResults())
      if (hasClass(result))
        classes.insert(result.getAsOpaquePointer());
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Value argument : block.getArguments())
          if (hasClass(argument))
            classes.insert(argument.getAsOpaquePointer());
  });
  kernel->walk([&](Operation *op) { connect(op); });
  for (auto it = classes.begin(), end = classes.end(); it != end; ++it)
    if ((*it)->isLeader())
      classNumber.try_emplace((*it)->getData(), classNumber.size());
  chosen.assign(classNumber.size(), 1);
  std::vector<Cost> costs;
  kernel->walk([&](Operation *op) { collectCosts(op, costs); });
  solve(costs);
}

int TileLayout::classOf(Value value) const {
  if (!hasClass(value))
    return -1;
  auto leader = classes.findLeader(value.getAsOpaquePointer());
  return leader == classes.member_end() ? -1 : classNumber.lookup(*leader);
}

int TileLayout::lanesOf(Value value) const {
  RankedTensorType type = tileType(value);
  if (isVectorTile(type))
    return type.getDimSize(0) > 1 ? 0 : 1;
  int number = classOf(value);
  return number < 0 ? 1 : chosen[number];
}

void TileLayout::unify(Value a, Value b) {
  if (hasClass(a) && hasClass(b))
    classes.unionSets(a.getAsOpaquePointer(), b.getAsOpaquePointer());
}

void TileLayout::connect(Operation *op) {
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    for (auto [result, argument, init, yielded] :
         llvm::zip(loop.getResults(), loop.getRegionIterArgs(), loop.getInits(), loop.getYieldedValues())) {
      unify(result, argument);
      unify(result, init);
      unify(result, yielded);
    }
  } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
    for (Region &region : branch->getRegions())
      if (!region.empty())
        for (auto [result, yielded] : llvm::zip(branch.getResults(), region.front().getTerminator()->getOperands()))
          unify(result, yielded);
  } else if (auto loop = dyn_cast<scf::WhileOp>(op)) {
    for (auto [argument, init, yielded] :
         llvm::zip(loop.getBeforeArguments(), loop.getInits(), loop.getYieldOp().getOperands())) {
      unify(argument, init);
      unify(argument, yielded);
    }
    for (auto [result, argument, passed] :
         llvm::zip(loop.getResults(), loop.getAfterArguments(), loop.getConditionOp().getArgs())) {
      unify(result, argument);
      unify(result, passed);
    }
  } else if (auto dot = dyn_cast<tile::DotOp>(op)) {
    unify(dot.getResult(), dot.getAcc());
  } else if (op->getNumResults() == 1 &&
             (op->hasTrait<OpTrait::Elementwise>() || isa<tile::SliceOp, tile::ConcatOp, tile::GatherOp>(op))) {
    for (Value operand : op->getOperands())
      unify(op->getResult(0), operand);
  }
}

/// How often an operation runs, as a weight: every loop around it counts as 32 iterations.
static double weightOf(Operation *op) {
  double weight = 1;
  for (Operation *parent = op->getParentOp(); parent; parent = parent->getParentOp())
    if (isa<scf::ForOp, scf::WhileOp>(parent))
      weight *= 32;
  return weight;
}

void TileLayout::collectCosts(Operation *op, std::vector<Cost> &costs) const {
  double weight = weightOf(op), lanes = options.vectorBits / 32;
  auto elements = [](RankedTensorType type) { return static_cast<double>(type.getNumElements()); };
  if (auto reduce = dyn_cast<tile::ReduceOp>(op)) {
    // Across lanes a reduction needs a shuffle tree per row; along the other axis it is one operation per vector.
    Cost cost;
    cost.a = classOf(reduce.getSource());
    RankedTensorType type = reduce.getSource().getType();
    cost.price[reduce.getDim()] = weight * (elements(type) / lanes * 0.3 + type.getDimSize(1 - reduce.getDim()) * 4);
    costs.push_back(cost);
  } else if (auto store = dyn_cast<tile::StoreOp>(op)) {
    Cost cost;
    cost.a = classOf(store.getValue());
    cost.price[0] = weight * elements(store.getValue().getType()) / 2;
    costs.push_back(cost);
  } else if (auto transpose = dyn_cast<tile::TransposeOp>(op)) {
    Cost cost;
    cost.a = classOf(transpose.getResult());
    cost.b = classOf(transpose.getSource());
    double price = weight * elements(transpose.getResult().getType());
    if (cost.b < 0)
      cost.price[1] = isa_and_nonnull<tile::LoadOp>(transpose.getSource().getDefiningOp()) ? price : 0;
    else
      cost.pair[0][0] = cost.pair[1][1] = price;
    costs.push_back(cost);
  } else if (auto dot = dyn_cast<tile::DotOp>(op); dot && usesMatrixUnit(dot, options)) {
    collectMatrixUnitCosts(dot, costs);
  } else if (auto dot = dyn_cast<tile::DotOp>(op)) {
    RankedTensorType type = dot.getResult().getType();
    Cost cost;
    cost.a = classOf(dot.getResult());
    double depth = dot.getLhs().getType().getDimSize(dot.getTransA() ? 0 : 1);
    for (int side : {0, 1}) {
      // Lanes that a short axis leaves empty are lost in every product.
      double size = type.getDimSize(side), used = size / (std::ceil(size / lanes) * lanes);
      cost.price[side] += weight * elements(type) * depth / lanes / used * (size < 2 * lanes ? 1.1 : 1.0);
      // The operand that shares the result's axis is read as vectors, so that axis must be contiguous in it.
      bool transposed = side == 0 ? dot.getTransA() : dot.getTransB();
      Value vectors = stripDotOperand(side == 0 ? dot.getLhs() : dot.getRhs(), transposed, options.hasAMX);
      int wanted = transposed ? 1 - side : side;
      double turn = elements(tileType(vectors)) / lanes * 3;
      if (isVectorTile(tileType(vectors)))
        continue;
      int operand = classOf(vectors);
      if (operand < 0) {
        Operation *producer = vectors.getDefiningOp();
        if (wanted != 1 && producer && isa<tile::LoadOp>(producer))
          cost.price[side] += weightOf(producer) * turn;
        continue;
      }
      Cost relation;
      relation.a = cost.a;
      relation.b = operand;
      relation.pair[side][1 - wanted] = weight * turn;
      if (relation.a < 0) { // the result is a vector: its orientation is given
        bool used = (type.getDimSize(0) > 1 ? 0 : 1) == side;
        relation.a = operand;
        relation.b = -1;
        relation.price[1 - wanted] = used ? weight * turn : 0;
      }
      costs.push_back(relation);
    }
    costs.push_back(cost);
  } else if (op->hasTrait<OpTrait::Elementwise>() && op->getNumResults() == 1 && classOf(op->getResult(0)) >= 0) {
    for (Value operand : op->getOperands())
      if (operand.getDefiningOp<tile::LoadOp>() && !isVectorTile(tileType(operand))) {
        Cost cost;
        cost.a = classOf(op->getResult(0));
        cost.price[0] = weightOf(operand.getDefiningOp()) * elements(tileType(operand)) / lanes * 3;
        costs.push_back(cost);
      }
  }
}

/// The matrix unit reads one operand as rows that are contiguous along k, and the other as pairs of k interleaved,
/// which is always packed: by interleaving rows, or (dearer) by transposing pairs.
void TileLayout::collectMatrixUnitCosts(tile::DotOp dot, std::vector<Cost> &costs) const {
  Cost flat;
  flat.a = classOf(dot.getResult());
  for (int resultLanes : {0, 1})
    for (int side : {0, 1}) {
      bool transposed = side == 0 ? dot.getTransA() : dot.getTransB();
      Value operand = stripDotOperand(side == 0 ? dot.getLhs() : dot.getRhs(), transposed, /*keepsNarrow=*/true);
      int depthAxis = (side == 0) != transposed ? 1 : 0;
      double size = tileType(operand).getNumElements();
      double price[2]; // by the operand's lanes
      if (operand.getDefiningOp<tile::UnpairOp>()) {
        // Already pairs of its rows; anything else takes it apart element by element.
        price[0] = price[1] = side == resultLanes && depthAxis == 0 ? 0 : size * 2;
      } else if (side == resultLanes) {
        price[depthAxis] = size / 8;
        price[1 - depthAxis] = size / 11;
      } else {
        price[depthAxis] = 0;
        price[1 - depthAxis] = size / 4;
      }
      int number = classOf(operand);
      Operation *producer = operand.getDefiningOp();
      double weight = weightOf(number < 0 && producer ? producer : dot);
      if (number < 0) {
        flat.price[resultLanes] += weight * price[1];
        continue;
      }
      Cost relation;
      relation.a = flat.a;
      relation.b = number;
      for (int lanes : {0, 1})
        relation.pair[resultLanes][lanes] = weight * price[lanes];
      costs.push_back(relation);
    }
  costs.push_back(flat);
}

void TileLayout::solve(const std::vector<Cost> &costs) {
  auto total = [&](const std::vector<int> &lanes) {
    double sum = 0;
    for (const Cost &cost : costs) {
      if (cost.a < 0)
        continue;
      sum += cost.price[lanes[cost.a]];
      if (cost.b >= 0)
        sum += cost.pair[lanes[cost.a]][lanes[cost.b]];
    }
    return sum;
  };
  double best = total(chosen);
  size_t count = chosen.size();
  constexpr size_t kExhaustive = 10;
  if (count <= kExhaustive) {
    for (uint64_t bits = 0; bits < (uint64_t(1) << count); ++bits) {
      std::vector<int> lanes(count);
      for (size_t i = 0; i < count; ++i)
        lanes[i] = (bits >> i) & 1;
      if (double sum = total(lanes); sum < best) {
        best = sum;
        chosen = lanes;
      }
    }
    return;
  }
  for (bool improved = true; improved;) {
    improved = false;
    for (size_t i = 0; i < count; ++i) {
      std::vector<int> lanes = chosen;
      lanes[i] = 1 - lanes[i];
      if (double sum = total(lanes); sum < best) {
        best = sum;
        chosen = lanes;
        improved = true;
      }
    }
  }
}
