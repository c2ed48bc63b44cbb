//===- MatrixUnitOperands.cpp - what a matrix unit reads (AMX) --------------===//
//
// One operand of a product lies in rows that are contiguous along k. Of the other, two elements along k lie side by
// side for each of 16 lanes: `tile.pair` with strips of 16 columns. It is interleaved, or transposed pair by pair,
// where it is loaded; or it was stored that way by another kernel, and then a `tile.unpair` of the load costs nothing.
//
//===----------------------------------------------------------------------===//
#include "lib/Conversion/TileToCPU/KernelEmitter.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::cpu;

static constexpr int64_t kRows = kMatrixTileRows, kDepth = kMatrixTileDepth;

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

/// The first row of matrix tile (`block` along the lanes, `step` along k) among `steps` along k.
Value KernelEmitter::pairsRow(Value block, Value step, int64_t steps) {
  Value tile = arith::AddIOp::create(b, arith::MulIOp::create(b, block, constant(steps)), step);
  return arith::MulIOp::create(b, tile, constant(kRows));
}

/// Pairs of k as `tile.pair` orders them, in strips of 16 lanes: matrix tiles, each contiguous.
Stored KernelEmitter::packPairs(const Stored &from, RankedTensorType type, int lanesAxis) {
  Type bf16 = b.getBF16Type();
  int64_t lanes = type.getDimSize(lanesAxis), depth = type.getDimSize(1 - lanesAxis);
  int64_t steps = depth / kDepth;
  Value to = allocate({lanes / kRows * steps * kRows, kDepth}, bf16);
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
      repeat(steps, 1, [&](Value step) {
        Value first = pairsRow(block, step, steps);
        repeat(kRows, 1, [&](Value row) {
          Value k = arith::AddIOp::create(b, arith::MulIOp::create(b, step, constant(kDepth)),
                                          arith::MulIOp::create(b, row, constant(2)));
          Value even = readForm(from, at(lanesAxis, lane, k, kRows));
          Value odd = readForm(from, at(lanesAxis, lane, plus(k, 1), kRows));
          vector::StoreOp::create(b, vector::ShuffleOp::create(b, even, odd, zip), to,
                                  ValueRange{arith::AddIOp::create(b, first, row), zero});
        });
      });
    });
    return {to, 1};
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
      Value start = pairsRow(block, step, steps);
      for (int64_t i = 0; i < kRows; ++i)
        vector::StoreOp::create(b, vector::BitCastOp::create(b, rowType, rows[i]), to,
                                ValueRange{plus(start, i), zero});
    });
  });
  return {to, 1};
}

Stored KernelEmitter::pairsOperand(Value value, int lanesAxis) {
  if (auto known = pairs.find({value, lanesAxis}); known != pairs.end())
    return known->second;
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
      std::pair<Value, int> key{load, 1 - depthAxis};
      if (!pairs.count(key))
        pairs[key] = packPairs(forms[load].front(), tileType(load), 1 - depthAxis);
    } else if (depthAxis == 0 && forms[load].size() == 1) {
      remember(load, packed(forms[load].front(), tileType(load), b.getBF16Type(), 0));
    }
  }
}

/// Whether strips of pairs of this width and type are the unit's matrix tiles.
static bool areMatrixTiles(RankedTensorType tile, RankedTensorType pairs) {
  return tile.getElementType().isBF16() && pairs.getDimSize(1) == kDepth && tile.getDimSize(0) % kDepth == 0;
}

void KernelEmitter::emitPair(tile::PairOp op) {
  RankedTensorType type = op.getSource().getType(), to = op.getType();
  if (options.vectorBits == 512 && areMatrixTiles(type, to)) {
    bool transposed = false;
    Value source = stripDotOperand(op.getSource(), transposed, /*keepsNarrow=*/true);
    remember(op.getResult(), pairsOperand(source, transposed ? 0 : 1));
    return;
  }
  Stored from = ensureStored(op.getSource()), target = allocateFor(to, storedElement(to.getElementType()), 1);
  forPairs(type, to, [&](Value row, Value column, Value pairRow, Value pairColumn) {
    Value one = readElement(from, row, column);
    memref::StoreOp::create(b, one, target.memory, coordinatesIn(target, pairRow, pairColumn));
  });
  remember(op.getResult(), target);
}

/// Pairs that only matrix products read, as such, stay as they are.
void KernelEmitter::emitUnpair(tile::UnpairOp op) {
  RankedTensorType type = op.getType(), pairsType = op.getSource().getType();
  Stored from = ensureStored(op.getSource());
  if (areMatrixTiles(type, pairsType) && from.type().getRank() == 2 && from.lanes == 1 &&
      llvm::all_of(op->getUses(), [&](OpOperand &use) { return readsPairs(use); })) {
    pairs[{op.getResult(), 1}] = from;
    return;
  }
  Stored target = allocateFor(type, storedElement(type.getElementType()), layout.lanesOf(op.getResult()));
  forPairs(type, pairsType, [&](Value row, Value column, Value pairRow, Value pairColumn) {
    Value one = readElement(from, pairRow, pairColumn);
    memref::StoreOp::create(b, one, target.memory, coordinatesIn(target, row, column));
  });
  remember(op.getResult(), target);
}

/// Whether a matrix product reads this operand as pairs of its rows.
bool KernelEmitter::readsPairs(OpOperand &use) {
  auto dot = dyn_cast<tile::DotOp>(use.getOwner());
  int side = use.getOperandNumber();
  if (!dot || side > 1 || !usesMatrixUnit(dot, options) || layout.lanesOf(dot.getResult()) != side)
    return false;
  return side == 0 ? dot.getTransA() : !dot.getTransB();
}

/// Call `body` with every place of a tile and that of its pairs.
void KernelEmitter::forPairs(RankedTensorType tile, RankedTensorType pairs,
                             llvm::function_ref<void(Value, Value, Value, Value)> body) {
  int64_t width = pairs.getDimSize(1) / 2, half = tile.getDimSize(0) / 2;
  repeat(tile.getDimSize(1) / width, 1, [&](Value strip) {
    repeat(half, 1, [&](Value pair) {
      repeat(width, 1, [&](Value lane) {
        Value column = arith::AddIOp::create(b, arith::MulIOp::create(b, strip, constant(width)), lane);
        Value pairRow = arith::AddIOp::create(b, arith::MulIOp::create(b, strip, constant(half)), pair);
        for (int64_t odd : {0, 1}) {
          Value row = plus(arith::MulIOp::create(b, pair, constant(2)), odd);
          body(row, column, pairRow, plus(arith::MulIOp::create(b, lane, constant(2)), odd));
        }
      });
    });
  });
}
