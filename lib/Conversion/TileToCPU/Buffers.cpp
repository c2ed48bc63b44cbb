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
  return arith::AddIOp::create(b, value, constant(offset));
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
  return {allocate({type.getDimSize(1 - lanes), type.getDimSize(lanes)}, element), lanes, true};
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
