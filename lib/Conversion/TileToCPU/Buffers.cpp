//===- Buffers.cpp - memory of a block, and small building blocks -----------===//
#include "lib/Conversion/TileToCPU/KernelEmitter.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::cpu;

Value KernelEmitter::constant(int64_t value) {
  Value &known = constants[value];
  if (!known) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(entry);
    known = arith::ConstantIndexOp::create(b, value);
  }
  return known;
}

Value KernelEmitter::plus(Value value, int64_t offset) {
  if (offset == 0)
    return value;
  llvm::APInt known;
  if (matchPattern(value, m_ConstantInt(&known)))
    return constant(known.getSExtValue() + offset);
  Value sum = arith::AddIOp::create(b, value, constant(offset));
  if (auto it = lanePlaces.find(value); it != lanePlaces.end()) {
    LanePlace place = it->second;
    place.offset += offset;
    lanePlaces[sum] = place;
  }
  return sum;
}

/// How many lanes a panel of `lanes` has: what a micro-tile covers, if the lanes divide into such.
int64_t KernelEmitter::panelWidth(int64_t lanes) const {
  int64_t most = options.vectorRegisters >= 32 ? 4 : 2; // vectors beside each other that leave room for accumulators
  for (int64_t width = most * lanesPerVector(); width >= lanesPerVector(); width /= 2)
    if (lanes % width == 0)
      return width;
  return 0;
}

SmallVector<Chunk> KernelEmitter::laneChunks(int64_t lanes) const {
  int64_t width = panelWidth(lanes);
  return chunksOf(lanes, width ? width : lanesPerVector());
}

/// The first lane of vector `i` of a chunk.
Value KernelEmitter::laneOf(Value i, Chunk chunk) {
  llvm::APInt known;
  if (matchPattern(i, m_ConstantInt(&known)))
    return constant(known.getSExtValue() * chunk.width + chunk.start);
  Value lane = arith::MulIOp::create(b, i, constant(chunk.width));
  if (chunk.start % chunk.width)
    return plus(lane, chunk.start);
  if (chunk.start)
    lane = arith::AddIOp::create(b, lane, constant(chunk.start));
  lanePlaces[lane] = {plus(i, chunk.start / chunk.width), Value(), 0, chunk.width};
  return lane;
}

/// Where `width` lanes from `lane` are, if they are known to be in one panel.
std::optional<LanePlace> KernelEmitter::placeOf(Value lane, int64_t panel, int64_t width) {
  llvm::APInt known;
  if (matchPattern(lane, m_ConstantInt(&known))) {
    int64_t start = known.getSExtValue();
    if (start % panel + width > panel)
      return std::nullopt;
    return LanePlace{constant(start / panel), Value(), start % panel, panel};
  }
  auto it = lanePlaces.find(lane);
  if (it == lanePlaces.end() || it->second.panel != panel || it->second.offset + width > panel)
    return std::nullopt;
  return it->second;
}

/// Stack memory in the entry block, so that loops do not grow the stack. It starts on a cache line.
Value KernelEmitter::allocate(ArrayRef<int64_t> shape, Type element) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(entry);
  return memref::AllocaOp::create(b, MemRefType::get(shape, element), b.getI64IntegerAttr(64));
}

Stored KernelEmitter::allocateFor(RankedTensorType type, Type element, int lanes) {
  if (isVectorTile(type))
    return {allocate({type.getNumElements()}, element), type.getDimSize(0) > 1 ? 0 : 1, true};
  int64_t others = type.getDimSize(1 - lanes), size = type.getDimSize(lanes), width = panelWidth(size);
  if (width && width < size)
    return {allocate({size / width, others, width}, element), lanes, true};
  return {allocate({others, size}, element), lanes, true};
}

Stored KernelEmitter::formOf(Value value, int lanes) {
  Type element = storedElement(tileType(value).getElementType());
  const Stored *best = nullptr;
  for (const Stored &form : forms[value])
    if (form.elementType() == element && (!best || form.lanes == lanes))
      best = &form;
  return best ? *best : forms[value].front();
}

SmallVector<Value> KernelEmitter::repeat(int64_t count, int64_t step, ValueRange inits,
                                         llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  if (count <= 0)
    return SmallVector<Value>(inits);
  if (count <= step)
    return body(constant(0), inits);
  auto loop = scf::ForOp::create(b, constant(0), constant(count), constant(step), inits);
  OpBuilder::InsertionGuard guard(b);
  if (!loop.getBody()->empty())
    loop.getBody()->back().erase();
  b.setInsertionPointToEnd(loop.getBody());
  SmallVector<Value> results = body(loop.getInductionVar(), loop.getRegionIterArgs());
  scf::YieldOp::create(b, results);
  return SmallVector<Value>(loop.getResults());
}

void KernelEmitter::repeat(int64_t count, int64_t step, llvm::function_ref<void(Value)> body) {
  repeat(count, step, ValueRange(), [&](Value i, ValueRange) {
    body(i);
    return SmallVector<Value>();
  });
}
