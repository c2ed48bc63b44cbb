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
  Value result; // the dot's result, or what its epilogue makes of it
  Stored target;

  /// Row and column of (along the result's axis `axis`, k) in the operand of that side.
  static std::pair<Value, Value> place(int axis, bool transposed, Value along, Value k) {
    // lhs is [m][k], rhs is [k][n]; `transposed` exchanges them.
    bool alongIsRow = (axis == 0) != transposed;
    return alongIsRow ? std::make_pair(along, k) : std::make_pair(k, along);
  }
};

/// The orientations in which dots read `value` (0, 1 or `kScalars`), each with the number of rows it meets there.
void KernelEmitter::noteDotUses(Value value, bool transposed, llvm::SmallDenseMap<int, int64_t> &lanes) {
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    if (isa<tile::TransposeOp>(user)) {
      noteDotUses(user->getResult(0), !transposed, lanes);
    } else if (isa<arith::ExtFOp, arith::TruncFOp>(user)) {
      noteDotUses(user->getResult(0), transposed, lanes);
    } else if (auto dot = dyn_cast<tile::DotOp>(user); dot && !usesMatrixUnit(dot, options)) {
      if (use.get() == dot.getAcc() && use.getOperandNumber() == 2)
        continue;
      int side = use.getOperandNumber();
      bool turned = transposed != (side == 0 ? dot.getTransA() : dot.getTransB());
      int resultLanes = layout.lanesOf(dot.getResult());
      int64_t &others = lanes[resultLanes == side ? (turned ? 1 - side : side) : kScalars];
      others = std::max(others, dot.getType().getDimSize(1 - resultLanes));
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
  if (usesMatrixUnit(op, options)) {
    emitMatrixUnitDot(op);
    return;
  }
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
  SmallVector<Operation *> epilogue = epilogueOf(op);
  plan.result = epilogue.empty() ? Value(op.getResult()) : epilogue.back()->getResult(0);
  PendingLoop self{type.getDimSize(0), type.getDimSize(1), plan.lanes, -1, {op}};
  self.roots.append(epilogue);
  plan.target = chooseTarget(plan.result, self, {plan.vectors.memory, plan.elements.memory});

  // The elements of a few rows stay in the first-level cache while all strips of lanes pass over them.
  constexpr int64_t kElementBytes = 16 * 1024;
  int64_t fits = std::max<int64_t>(kElementBytes / (plan.depth * 4), 1), count = (plan.others + fits - 1) / fits;
  while (plan.others % count)
    ++count;
  int64_t width = lanesPerVector(), size = type.getDimSize(plan.lanes), rows = plan.others / count;
  repeat(count, 1, [&](Value i) {
    Value first = laneOf(i, Chunk{0, rows, count});
    for (Chunk chunk : laneChunks(size))
      repeat(chunk.count, 1, [&](Value j) {
        int64_t vectors = std::max<int64_t>(chunk.width / width, 1);
        emitMicroTiles(plan, first, rows, laneOf(j, chunk), chunk.width / vectors, vectors);
      });
  });
  remember(plan.result, plan.target);
  written.insert(op);
  written.insert(epilogue.begin(), epilogue.end());
  materialised.insert(epilogue.begin(), epilogue.end());
}

/// The cheap element-wise operations that alone read the result, one after another, and can be computed already: they
/// are applied while the sums are in registers.
SmallVector<Operation *> KernelEmitter::epilogueOf(tile::DotOp op) {
  SmallVector<Operation *> chain;
  constexpr size_t kMost = 4;
  Value value = op.getResult();
  while (chain.size() < kMost && value.hasOneUse()) {
    Operation *user = *value.user_begin();
    if (user->getBlock() != op->getBlock() || !isVirtual(user) || !user->hasTrait<OpTrait::Elementwise>() ||
        isa<arith::TruncFOp>(user) || !isa<arith::ArithDialect>(user->getDialect()))
      break;
    bool ready = true;
    for (Value operand : user->getOperands()) {
      if (operand == value)
        continue;
      if (!tileType(operand))
        ready &= mapping.contains(operand);
      else
        ready &= isReady(operand);
    }
    if (!ready)
      break;
    chain.push_back(user);
    value = user->getResult(0);
  }
  return chain;
}

/// Whether elements of `value` can be computed here from what is stored.
bool KernelEmitter::isReady(Value value) {
  if (isStored(value))
    return true;
  Operation *op = value.getDefiningOp();
  if (!op || pendingLoopOf(op) || !isVirtual(op) || isa<tile::GatherOp>(op))
    return false;
  return llvm::all_of(op->getOperands(),
                      [&](Value operand) { return tileType(operand) ? isReady(operand) : mapping.contains(operand); });
}

/// All micro-tiles over one strip of lanes: as few as the registers allow, of nearly equal height.
void KernelEmitter::emitMicroTiles(const DotPlan &plan, Value first, int64_t rows, Value lane, int64_t width,
                                   int64_t vectors) {
  int64_t fits = std::min<int64_t>((options.vectorRegisters - vectors - 1) / vectors, 12);
  int64_t count = (rows + fits - 1) / fits, height = rows / count, taller = rows % count;
  auto run = [&](int64_t start, int64_t times, int64_t height) {
    repeat(times, 1, [&](Value i) {
      Value offset = plus(arith::MulIOp::create(b, i, constant(height)), start);
      emitMicroTile(plan, arith::AddIOp::create(b, first, offset), height, lane, width, vectors);
    });
  };
  run(0, taller, height + 1);
  run(taller * (height + 1), count - taller, height);
}

void KernelEmitter::emitMicroTile(const DotPlan &plan, Value other, int64_t rows, Value lane, int64_t width,
                                  int64_t vectors) {
  Cache cache;
  auto type = VectorType::get({width}, b.getF32Type());
  SmallVector<Value> rowPlaces, lanePositions;
  for (int64_t row = 0; row < rows; ++row)
    rowPlaces.push_back(plus(other, row));
  for (int64_t vector = 0; vector < vectors; ++vector)
    lanePositions.push_back(plus(lane, vector * width));
  auto at = [&](int64_t row, int64_t vector) {
    Value o = rowPlaces[row], l = lanePositions[vector];
    return At{plan.lanes == 0 ? l : o, plan.lanes == 0 ? o : l, plan.lanes, width};
  };
  tile::DotOp dot = plan.op;
  Value acc = dot.getAcc();
  SmallVector<Value> accumulators;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t vector = 0; vector < vectors; ++vector)
      accumulators.push_back(evaluate(acc, at(row, vector), cache));
  auto step = [&](Value k, SmallVector<Value> sums) {
    SmallVector<Value> loaded;
    for (int64_t vector = 0; vector < vectors; ++vector) {
      auto [row, column] = DotPlan::place(plan.lanes, plan.vectorsTransposed, lanePositions[vector], k);
      loaded.push_back(readForm(plan.vectors, At{row, column, plan.vectors.lanes, width}));
    }
    for (int64_t i = 0; i < rows; ++i) {
      auto [row, column] = DotPlan::place(1 - plan.lanes, plan.elementsTransposed, rowPlaces[i], k);
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
      cache[keyOf(dot.getResult(), at(row, vector))] = accumulators[row * vectors + vector];
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t vector = 0; vector < vectors; ++vector)
      writeForm(plan.target, at(row, vector), evaluate(plan.result, at(row, vector), cache));
}
