//===- MatrixUnitDots.cpp - matrix products on matrix tiles (AMX) -----------===//
//
// A matrix tile holds 16 rows of 64 bytes. The product adds, to 16 x 16 sums, 16 rows of 32 elements along k times 32
// elements along k for 16 lanes, where the second operand holds pairs of k side by side: `pairs[k / 2][lane][k % 2]`.
// Which operand is which follows from the axis of the result in lanes, as for vectors.
//
//===----------------------------------------------------------------------===//
#include "lib/Conversion/TileToCPU/KernelEmitter.h"
#include "mlir/Dialect/AMX/AMXDialect.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::cpu;

static constexpr int64_t kRows = kMatrixTileRows, kDepth = kMatrixTileDepth;

/// Call `body` for every `step` lanes of `size`, with the lane as a place in its panel and the number of the step.
void KernelEmitter::forLanes(int64_t size, int64_t step, llvm::function_ref<void(Value, Value)> body) {
  int64_t panel = panelWidth(size);
  if (!panel || panel < step)
    panel = step;
  repeat(size / panel, 1, [&](Value i) {
    Value lane = laneOf(i, Chunk{0, panel, size / panel});
    for (int64_t within = 0; within < panel; within += step)
      body(plus(lane, within), plus(arith::MulIOp::create(b, i, constant(panel / step)), within / step));
  });
}

void KernelEmitter::emitMatrixUnitDot(tile::DotOp op) {
  int lanes = layout.lanesOf(op.getResult()), side = lanes;
  bool transposed[2] = {op.getTransA(), op.getTransB()};
  Value operands[2] = {stripDotOperand(op.getLhs(), transposed[0], /*keepsNarrow=*/true),
                       stripDotOperand(op.getRhs(), transposed[1], /*keepsNarrow=*/true)};
  auto depthAxis = [&](int operand) { return (operand == 0) != transposed[operand] ? 1 : 0; };
  Value pairsMemory = pairsOperand(operands[side], 1 - depthAxis(side)).memory;
  Stored rows = rowsOperand(operands[1 - side], depthAxis(1 - side));
  require(op.getAcc());
  RankedTensorType type = op.getType();
  int64_t others = type.getDimSize(1 - lanes), size = type.getDimSize(lanes);
  int64_t depth = op.getLhs().getType().getDimSize(op.getTransA() ? 0 : 1), steps = depth / kDepth;
  PendingLoop self{type.getDimSize(0), type.getDimSize(1), lanes, -1, {op}};
  Stored target = chooseTarget(op.getResult(), self, {rows.memory});

  auto tileOf = [&](Type element) { return amx::TileType::get({kRows, element.isF32() ? kRows : kDepth}, element); };
  Type sumType = tileOf(b.getF32Type()), operandType = tileOf(b.getBF16Type());
  bool fromZero = matchPattern(op.getAcc(), m_AnyZeroFloat());
  if (!fromZero && !(isStored(op.getAcc()) && forms[op.getAcc()].front().memory == target.memory))
    storeInto(op.getAcc(), target); // the unit adds to sums in memory only
  auto at = [&](const Stored &form, int axis, Value along, Value other) {
    return coordinatesIn(form, axis == 0 ? along : other, axis == 0 ? other : along);
  };
  int64_t laneStep = panelWidth(size) % (2 * kRows) == 0 ? 2 * kRows : kRows, laneTiles = laneStep / kRows;
  // Pairs that another kernel stored come from far: while a strip of lanes is multiplied, the next one's are fetched, a
  // share of them with every block of rows.
  bool isFar = operands[side].getDefiningOp<tile::UnpairOp>() != nullptr;
  int64_t rowBlocks = std::max<int64_t>(others / (2 * kRows), 1);
  int64_t share = std::max<int64_t>(kRows / static_cast<int64_t>(llvm::PowerOf2Ceil(rowBlocks)), 1);
  auto fetchNext = [&](ValueRange laneBlocks, Value k, Value other) {
    Value start = arith::DivUIOp::create(b, other, constant(2 * kRows / share));
    for (Value laneBlock : laneBlocks) {
      Value row = arith::AddIOp::create(b, pairsRow(plus(laneBlock, laneTiles), k, steps), start);
      for (int64_t line = 0; line < share; ++line)
        memref::PrefetchOp::create(b, pairsMemory, ValueRange{plus(row, line), constant(0)}, /*isWrite=*/false,
                                   /*localityHint=*/3, /*isDataCache=*/true);
    }
  };
  // Blocks of two by two tiles: each operand tile is used twice.
  auto block = [&](Value other, int64_t rowTiles, ArrayRef<Value> laneStarts, ArrayRef<Value> laneBlocks) {
    SmallVector<Value> sums;
    for (int64_t i = 0; i < rowTiles; ++i)
      for (Value lane : laneStarts) {
        auto place = at(target, lanes, lane, plus(other, i * kRows));
        sums.push_back(fromZero ? amx::TileZeroOp::create(b, sumType).getResult()
                                : amx::TileLoadOp::create(b, sumType, target.memory, place).getResult());
      }
    auto step = [&](Value k, Value kLane, SmallVector<Value> current) {
      // A tile is loaded right before the first product that needs it: loads run in the shadow of products.
      SmallVector<Value> right;
      for (int64_t i = 0; i < rowTiles; ++i) {
        auto place = at(rows, depthAxis(1 - side), kLane, plus(other, i * kRows));
        Value left = amx::TileLoadOp::create(b, operandType, rows.memory, place);
        for (size_t j = 0; j < laneBlocks.size(); ++j) {
          if (i == 0)
            right.push_back(amx::TileLoadOp::create(b, operandType, pairsMemory,
                                                    ValueRange{pairsRow(laneBlocks[j], k, steps), constant(0)}));
          Value &sum = current[i * laneBlocks.size() + j];
          sum = amx::TileMulFOp::create(b, sumType, left, right[j], sum);
        }
        if (i == 0 && isFar)
          fetchNext(laneBlocks, k, other);
      }
      return current;
    };
    constexpr int64_t kUnrolled = 8;
    if (steps <= kUnrolled)
      for (int64_t k = 0; k < steps; ++k)
        sums = step(constant(k), constant(k * kDepth), sums);
    else
      sums = repeat(steps, 1, sums, [&](Value k, ValueRange current) {
        return step(k, laneOf(k, Chunk{0, kDepth, steps}), SmallVector<Value>(current));
      });
    for (int64_t i = 0; i < rowTiles; ++i)
      for (auto [j, lane] : llvm::enumerate(laneStarts))
        amx::TileStoreOp::create(b, target.memory, at(target, lanes, lane, plus(other, i * kRows)),
                                 sums[i * laneStarts.size() + j]);
  };
  forLanes(size, laneStep, [&](Value lane, Value index) {
    SmallVector<Value> starts, blocks;
    Value first = arith::MulIOp::create(b, index, constant(laneTiles));
    for (int64_t j = 0; j < laneTiles; ++j) {
      starts.push_back(plus(lane, j * kRows));
      blocks.push_back(plus(first, j));
    }
    repeat(others / (2 * kRows), 1,
           [&](Value i) { block(arith::MulIOp::create(b, i, constant(2 * kRows)), 2, starts, blocks); });
    if (others % (2 * kRows))
      block(constant(others / (2 * kRows) * 2 * kRows), 1, starts, blocks);
  });
  remember(op.getResult(), target);
  written.insert(op);
}
