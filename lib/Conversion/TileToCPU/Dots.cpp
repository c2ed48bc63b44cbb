//===- Dots.cpp - matrix products on vector registers -----------------------===//
//
// The result's axis in lanes is that of one operand, whose vectors are multiplied by broadcast elements of the other:
//
//   result[other][lane .. ] += element(other, k) * vector(k, lane ..)
//
// A micro-tile of `rows` x `vectors` accumulators stays in registers while k runs; its size is what the register file
// holds. The elements are read where they lie, so only the vector operand may need packing.
//
//===----------------------------------------------------------------------===//
#include "lib/Conversion/TileToCPU/KernelEmitter.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::cpu;

static constexpr int kScalars = -1; // an operand read element by element, in any order

struct KernelEmitter::DotPlan {
  tile::DotOp op;
  int lanes;                // axis of the result in lanes
  int64_t depth, others;    // size of the contracted axis and of the result's other axis
  Stored elements, vectors; // by role
  bool elementsTransposed, vectorsTransposed;
  Stored target;

  /// Row and column of (along the result's axis `axis`, k) in the operand of that side.
  static std::pair<Value, Value> place(int axis, bool transposed, Value along, Value k) {
    // lhs is [m][k], rhs is [k][n]; `transposed` exchanges them.
    bool alongIsRow = (axis == 0) != transposed;
    return alongIsRow ? std::make_pair(along, k) : std::make_pair(k, along);
  }
};

/// The orientations in which dots read `value`: 0, 1 or `kScalars`.
void KernelEmitter::noteDotUses(Value value, bool transposed, llvm::DenseSet<int> &lanes) {
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    if (isa<tile::TransposeOp>(user)) {
      noteDotUses(user->getResult(0), !transposed, lanes);
    } else if (isa<arith::ExtFOp, arith::TruncFOp>(user)) {
      noteDotUses(user->getResult(0), transposed, lanes);
    } else if (auto dot = dyn_cast<tile::DotOp>(user)) {
      if (use.get() == dot.getAcc() && use.getOperandNumber() == 2)
        continue;
      int side = use.getOperandNumber();
      bool turned = transposed != (side == 0 ? dot.getTransA() : dot.getTransB());
      int resultLanes = layout.lanesOf(dot.getResult());
      lanes.insert(resultLanes == side ? (turned ? 1 - side : side) : kScalars);
    }
  }
}

/// A form of `value` in f32, contiguous along `lanes` unless that is `kScalars`.
Stored KernelEmitter::dotOperand(Value value, int lanes) {
  ensureStored(value);
  Type f32 = b.getF32Type();
  RankedTensorType type = tileType(value);
  const Stored *anyF32 = nullptr;
  for (const Stored &form : forms[value])
    if (form.elementType() == f32) {
      if (form.lanes == lanes || form.type().getRank() == 1)
        return form;
      if (!anyF32)
        anyF32 = &form;
    }
  if (lanes == kScalars && anyF32)
    return *anyF32;
  Stored from = anyF32 ? *anyF32 : forms[value].front();
  return packed(from, type, f32, isVectorTile(type) || lanes == kScalars ? from.lanes : lanes);
}

void KernelEmitter::emitDot(tile::DotOp op) {
  bool transposed[2] = {op.getTransA(), op.getTransB()};
  Value operands[2] = {stripDotOperand(op.getLhs(), transposed[0], /*keepsNarrow=*/false),
                       stripDotOperand(op.getRhs(), transposed[1], /*keepsNarrow=*/false)};
  DotPlan plan;
  plan.op = op;
  plan.lanes = layout.lanesOf(op.getResult());
  int side = plan.lanes, other = 1 - side;
  plan.vectorsTransposed = transposed[side];
  plan.elementsTransposed = transposed[other];
  plan.vectors = dotOperand(operands[side], transposed[side] ? 1 - side : side);
  plan.elements = dotOperand(operands[other], kScalars);
  require(op.getAcc());
  RankedTensorType type = op.getResult().getType();
  plan.others = type.getDimSize(other);
  plan.depth = op.getLhs().getType().getDimSize(op.getTransA() ? 0 : 1);
  PendingLoop self{type.getDimSize(0), type.getDimSize(1), plan.lanes, -1, {op}};
  plan.target = chooseTarget(op.getResult(), self, {plan.vectors.memory, plan.elements.memory});

  int64_t width = lanesPerVector(), size = type.getDimSize(plan.lanes), most = options.vectorRegisters >= 32 ? 4 : 2;
  int64_t whole = size / width, blocks = whole / most, done = blocks * most * width;
  repeat(blocks, 1,
         [&](Value i) { emitMicroTiles(plan, arith::MulIOp::create(b, i, constant(most * width)), width, most); });
  if (int64_t vectors = whole % most) {
    emitMicroTiles(plan, constant(done), width, vectors);
    done += vectors * width;
  }
  for (Chunk chunk : chunksOf(size - done, width))
    emitMicroTiles(plan, constant(done + chunk.start), chunk.width, 1);
  remember(op.getResult(), plan.target);
  written.insert(op);
}

/// All micro-tiles over one strip of lanes: as few as the registers allow, of nearly equal height.
void KernelEmitter::emitMicroTiles(const DotPlan &plan, Value lane, int64_t width, int64_t vectors) {
  int64_t fits = std::min<int64_t>((options.vectorRegisters - vectors - 1) / vectors, 12);
  int64_t count = (plan.others + fits - 1) / fits, height = plan.others / count, taller = plan.others % count;
  repeat(taller, 1, [&](Value i) {
    emitMicroTile(plan, arith::MulIOp::create(b, i, constant(height + 1)), height + 1, lane, width, vectors);
  });
  repeat(count - taller, 1, [&](Value i) {
    Value other = plus(arith::MulIOp::create(b, i, constant(height)), taller * (height + 1));
    emitMicroTile(plan, other, height, lane, width, vectors);
  });
}

void KernelEmitter::emitMicroTile(const DotPlan &plan, Value other, int64_t rows, Value lane, int64_t width,
                                  int64_t vectors) {
  Cache cache;
  auto type = VectorType::get({width}, b.getF32Type());
  auto at = [&](int64_t row, int64_t vector) {
    Value o = plus(other, row), l = plus(lane, vector * width);
    return At{plan.lanes == 0 ? l : o, plan.lanes == 0 ? o : l, plan.lanes, width};
  };
  SmallVector<Value> accumulators;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t vector = 0; vector < vectors; ++vector)
      accumulators.push_back(evaluate(tile::DotOp(plan.op).getAcc(), at(row, vector), cache));
  auto step = [&](Value k, SmallVector<Value> sums) {
    SmallVector<Value> loaded;
    for (int64_t vector = 0; vector < vectors; ++vector) {
      auto [row, column] = DotPlan::place(plan.lanes, plan.vectorsTransposed, plus(lane, vector * width), k);
      loaded.push_back(vector::LoadOp::create(b, type, plan.vectors.memory, coordinatesIn(plan.vectors, row, column)));
    }
    for (int64_t i = 0; i < rows; ++i) {
      auto [row, column] = DotPlan::place(1 - plan.lanes, plan.elementsTransposed, plus(other, i), k);
      Value element = vector::BroadcastOp::create(b, type, readElement(plan.elements, row, column));
      for (int64_t vector = 0; vector < vectors; ++vector) {
        Value &sum = sums[i * vectors + vector];
        sum = vector::FMAOp::create(b, element, loaded[vector], sum);
      }
    }
    return sums;
  };
  constexpr int64_t kUnroll = 4;
  int64_t whole = plan.depth / kUnroll * kUnroll;
  accumulators = repeat(whole, kUnroll, accumulators, [&](Value k, ValueRange sums) {
    SmallVector<Value> current(sums);
    for (int64_t u = 0; u < kUnroll; ++u)
      current = step(plus(k, u), current);
    return current;
  });
  for (int64_t k = whole; k < plan.depth; ++k)
    accumulators = step(constant(k), accumulators);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t vector = 0; vector < vectors; ++vector)
      writeForm(plan.target, at(row, vector), accumulators[row * vectors + vector]);
}
