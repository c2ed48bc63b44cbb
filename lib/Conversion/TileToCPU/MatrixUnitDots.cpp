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

static constexpr int64_t kRows = 16, kDepth = 32; // of one matrix tile

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

/// A form of `value` in bf16 that is contiguous along k, in rows of at least a matrix tile's depth.
Stored KernelEmitter::rowsOperand(Value value, int depthAxis) {
  ensureStored(value);
  auto fits = [&](const Stored &form) {
    return form.elementType().isBF16() && form.lanes == depthAxis && form.type().getRank() > 1 &&
           form.panel() % kDepth == 0;
  };
  for (const Stored &form : forms[value])
    if (fits(form))
      return form;
  return packed(formOf(value, depthAxis), tileType(value), b.getBF16Type(), depthAxis);
}

/// `[lanes / 16][k / 32][16][32]`: matrix tiles of pairs, each contiguous.
Value KernelEmitter::packPairs(const Stored &from, RankedTensorType type, int lanesAxis) {
  Type bf16 = b.getBF16Type();
  int64_t lanes = type.getDimSize(lanesAxis), depth = type.getDimSize(1 - lanesAxis);
  Value to = allocate({lanes / kRows, depth / kDepth, kRows, kDepth}, bf16);
  auto at = [&](int axis, Value along, Value other, int64_t width) {
    return At{axis == 0 ? along : other, axis == 0 ? other : along, axis, width};
  };
  Value zero = constant(0);
  if (from.lanes == lanesAxis) {
    // Two rows of k, interleaved.
    SmallVector<int64_t> zip;
    for (int64_t lane = 0; lane < kRows; ++lane)
      zip.append({lane, kRows + lane});
    forLanes(lanes, kRows, [&](Value lane, Value block) {
      repeat(depth / kDepth, 1, [&](Value step) {
        repeat(kRows, 1, [&](Value row) {
          Value k = arith::AddIOp::create(b, arith::MulIOp::create(b, step, constant(kDepth)),
                                          arith::MulIOp::create(b, row, constant(2)));
          Value even = readForm(from, at(lanesAxis, lane, k, kRows));
          Value odd = readForm(from, at(lanesAxis, lane, plus(k, 1), kRows));
          vector::StoreOp::create(b, vector::ShuffleOp::create(b, even, odd, zip), to,
                                  ValueRange{block, step, row, zero});
        });
      });
    });
    return to;
  }
  // Rows of 16 pairs along k, transposed.
  auto pairType = VectorType::get({kRows}, b.getF32Type()); // as 32-bit words
  auto rowType = VectorType::get({kDepth}, bf16);
  forLanes(depth, kDepth, [&](Value k, Value step) {
    repeat(lanes / kRows, 1, [&](Value block) {
      Value first = arith::MulIOp::create(b, block, constant(kRows));
      SmallVector<Value> rows;
      for (int64_t i = 0; i < kRows; ++i) {
        Value row = readForm(from, at(1 - lanesAxis, k, plus(first, i), kDepth));
        rows.push_back(vector::BitCastOp::create(b, pairType, row));
      }
      transposeInRegisters(b, rows);
      for (int64_t i = 0; i < kRows; ++i)
        vector::StoreOp::create(b, vector::BitCastOp::create(b, rowType, rows[i]), to,
                                ValueRange{block, step, constant(i), zero});
    });
  });
  return to;
}

Value KernelEmitter::pairsOperand(Value value, int lanesAxis) {
  if (Value known = pairs.lookup({value, lanesAxis}))
    return known;
  ensureStored(value);
  Type bf16 = b.getBF16Type();
  RankedTensorType type = tileType(value);
  Stored from = formOf(value, lanesAxis);
  if (from.elementType() != bf16 || (from.lanes != lanesAxis && from.panel() % kDepth))
    from = packed(from, type, bf16, lanesAxis);
  return packPairs(from, type, lanesAxis);
}

bool KernelEmitter::feedsMatrixUnit(Value value) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    if (isa<tile::TransposeOp>(user))
      return feedsMatrixUnit(user->getResult(0));
    auto dot = dyn_cast<tile::DotOp>(user);
    return dot && usesMatrixUnit(dot, options);
  });
}

/// Pack a loaded value where it is loaded for the matrix products that read it.
void KernelEmitter::packForMatrixUnit(Value value, bool transposed, Value load) {
  for (OpOperand &use : value.getUses()) {
    if (isa<tile::TransposeOp>(use.getOwner()))
      packForMatrixUnit(use.getOwner()->getResult(0), !transposed, load);
    auto dot = dyn_cast<tile::DotOp>(use.getOwner());
    int side = use.getOperandNumber();
    if (!dot || side > 1 || !usesMatrixUnit(dot, options))
      continue;
    bool turned = transposed != (side == 0 ? dot.getTransA() : dot.getTransB());
    int depthAxis = (side == 0) != turned ? 1 : 0;
    if (layout.lanesOf(dot.getResult()) == side) {
      Value &known = pairs[{load, 1 - depthAxis}];
      if (!known)
        known = packPairs(forms[load].front(), tileType(load), 1 - depthAxis);
    } else if (depthAxis == 0 && forms[load].size() == 1) {
      remember(load, packed(forms[load].front(), tileType(load), b.getBF16Type(), 0));
    }
  }
}

void KernelEmitter::emitMatrixUnitDot(tile::DotOp op) {
  int lanes = layout.lanesOf(op.getResult()), side = lanes;
  bool transposed[2] = {op.getTransA(), op.getTransB()};
  Value operands[2] = {stripDotOperand(op.getLhs(), transposed[0], /*keepsNarrow=*/true),
                       stripDotOperand(op.getRhs(), transposed[1], /*keepsNarrow=*/true)};
  auto depthAxis = [&](int operand) { return (operand == 0) != transposed[operand] ? 1 : 0; };
  Value pairsMemory = pairsOperand(operands[side], 1 - depthAxis(side));
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
      SmallVector<Value> left, right;
      for (int64_t i = 0; i < rowTiles; ++i) {
        auto place = at(rows, depthAxis(1 - side), kLane, plus(other, i * kRows));
        left.push_back(amx::TileLoadOp::create(b, operandType, rows.memory, place));
      }
      for (Value laneBlock : laneBlocks)
        right.push_back(
            amx::TileLoadOp::create(b, operandType, pairsMemory, ValueRange{laneBlock, k, constant(0), constant(0)}));
      for (size_t i = 0; i < left.size(); ++i)
        for (size_t j = 0; j < right.size(); ++j) {
          Value &sum = current[i * right.size() + j];
          sum = amx::TileMulFOp::create(b, sumType, left[i], right[j], sum);
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
  int64_t laneStep = panelWidth(size) % (2 * kRows) == 0 ? 2 * kRows : kRows;
  forLanes(size, laneStep, [&](Value lane, Value index) {
    SmallVector<Value> starts, blocks;
    Value first = arith::MulIOp::create(b, index, constant(laneStep / kRows));
    for (int64_t j = 0; j < laneStep / kRows; ++j) {
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
