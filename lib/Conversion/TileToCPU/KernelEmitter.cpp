//===- KernelEmitter.cpp - the walk over a kernel ---------------------------===//
#include "lib/Conversion/TileToCPU/KernelEmitter.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::cpu;

KernelEmitter::KernelEmitter(func::FuncOp kernel, const CPUOptions &options)
    : kernel(kernel), options(options), layout(kernel, options), b(kernel.getLoc(), kernel) {
  kernel.walk([&](Operation *op) {
    if (auto store = dyn_cast<tile::StoreOp>(op))
      writtenArrays.insert(store.getDest());
    else if (auto store = dyn_cast<memref::StoreOp>(op))
      writtenArrays.insert(store.getMemref());
    else if (auto raise = dyn_cast<tile::AtomicMaxOp>(op))
      writtenArrays.insert(raise.getDest());
  });
}

LogicalResult KernelEmitter::emit() {
  func::FuncOp function = createKernelFunction(kernel, b, mapping);
  entry = &function.getBody().front();
  for (Operation &op : kernel.getBody().front()) {
    if (auto blocks = dyn_cast<scf::ForallOp>(op)) {
      auto steps = getAsIndexValues(blocks.getMixedStep()), starts = getAsIndexValues(blocks.getMixedLowerBound());
      for (auto [i, variable] : llvm::enumerate(blocks.getInductionVars())) {
        Value block = arith::IndexCastOp::create(b, b.getIndexType(), entry->getArgument(1 + i));
        block = arith::MulIOp::create(b, block, steps[i]);
        mapping.map(variable, arith::AddIOp::create(b, block, starts[i]).getResult());
      }
      if (failed(emitBlock(*blocks.getBody())))
        return failure();
    } else if (isa<func::ReturnOp>(op)) {
      func::ReturnOp::create(b);
    } else if (failed(emitOp(&op))) {
      return failure();
    }
  }
  return success();
}

SmallVector<Value> KernelEmitter::getAsIndexValues(ArrayRef<OpFoldResult> values) {
  return llvm::map_to_vector(values, [&](OpFoldResult value) {
    if (auto known = dyn_cast<Value>(value))
      return scalar(known);
    return constant(cast<IntegerAttr>(cast<Attribute>(value)).getInt());
  });
}

LogicalResult KernelEmitter::emitBlock(Block &block) {
  for (Operation &op : block.without_terminator())
    if (failed(emitOp(&op)))
      return failure();
  flushAll();
  return success();
}

LogicalResult KernelEmitter::emitOp(Operation *op) {
  if (written.contains(op)) // in the epilogue of a dot
    return success();
  b.setLoc(op->getLoc());
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    if (failed(emitFor(loop)))
      return failure();
  } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
    if (failed(emitIf(branch)))
      return failure();
  } else if (auto loop = dyn_cast<scf::WhileOp>(op)) {
    if (failed(emitWhile(loop)))
      return failure();
  } else if (auto load = dyn_cast<tile::LoadOp>(op)) {
    emitLoad(load);
  } else if (auto store = dyn_cast<tile::StoreOp>(op)) {
    emitStore(store);
  } else if (auto dot = dyn_cast<tile::DotOp>(op)) {
    emitDot(dot);
  } else if (isa<tile::ReduceOp>(op)) {
    addRoot(op);
    return success();
  } else if (auto concat = dyn_cast<tile::ConcatOp>(op)) {
    emitConcat(concat);
  } else if (auto pair = dyn_cast<tile::PairOp>(op)) {
    emitPair(pair);
  } else if (auto unpair = dyn_cast<tile::UnpairOp>(op)) {
    emitUnpair(unpair);
  } else if (auto one = dyn_cast<tile::ScalarOp>(op)) {
    emitScalar(one);
  } else if (auto raise = dyn_cast<tile::AtomicMaxOp>(op)) {
    emitAtomicMax(raise);
  } else if (auto item = dyn_cast<tile::NextItemOp>(op)) {
    emitNextItem(item);
  } else if (isVirtual(op)) {
    if (auto gather = dyn_cast<tile::GatherOp>(op); gather && writtenArrays.contains(gather.getSource())) {
      addRoot(op);
      flushAll(); // later stores may change what it reads
    } else if (auto dense = dyn_cast<arith::ConstantOp>(op);
               dense && !cast<DenseElementsAttr>(dense.getValue()).isSplat()) {
      emitTable(dense);
    } else if (mustStore(op)) {
      addRoot(op);
    }
    return success();
  } else if (llvm::any_of(op->getOperandTypes(), llvm::IsaPred<RankedTensorType>) ||
             llvm::any_of(op->getResultTypes(), llvm::IsaPred<RankedTensorType>)) {
    return op->emitOpError("expected an operation on tiles that a CPU kernel can compute");
  } else {
    cloneScalarOp(op);
  }
  written.insert(op);
  return success();
}

void KernelEmitter::cloneScalarOp(Operation *op) {
  if (!isMemoryEffectFree(op))
    flushAll();
  b.clone(*op, mapping);
}

/// Whether dots read through this conversion, so that nobody needs its result.
bool KernelEmitter::isBypassed(Operation *op) {
  return isa<arith::TruncFOp, arith::ExtFOp, tile::TransposeOp>(op) &&
         llvm::all_of(op->getResult(0).getUses(), [&](OpOperand &use) {
           if (auto dot = dyn_cast<tile::DotOp>(use.getOwner()))
             return use.getOperandNumber() < 2 && (isa<tile::TransposeOp>(op) || !usesMatrixUnit(dot, options));
           return isBypassed(use.getOwner());
         });
}

bool KernelEmitter::feedsDot(Value value) {
  return llvm::any_of(value.getUses(), [&](OpOperand &use) {
    Operation *user = use.getOwner();
    if (isa<tile::DotOp>(user))
      return use.getOperandNumber() < 2;
    return isa<arith::TruncFOp, arith::ExtFOp, tile::TransposeOp>(user) && isBypassed(user) &&
           feedsDot(user->getResult(0));
  });
}

/// Values as cheap to compute again as to read.
bool KernelEmitter::isCheap(Value value) {
  if (isStored(value))
    return true;
  Operation *op = value.getDefiningOp();
  if (!op || pendingLoopOf(op))
    return false;
  if (isa<arith::ConstantOp, tensor::SplatOp, tile::IotaOp>(op))
    return true;
  return isa<tile::BroadcastOp, tile::TransposeOp, tile::SliceOp>(op) && isCheap(op->getOperand(0));
}

/// Roughly how many instructions an element costs, down to what is stored.
int KernelEmitter::costOf(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || isStored(value) || !isVirtual(op) || pendingLoopOf(op))
    return 0;
  int cost = isa<tile::GatherOp>(op) ? 20 : isa<math::MathDialect>(op->getDialect()) ? 8 : 1;
  if (isa<arith::ConstantOp, tensor::SplatOp, tile::BroadcastOp, arith::TruncFOp, arith::ExtFOp>(op))
    cost = 0;
  for (Value operand : op->getOperands())
    if (tileType(operand))
      cost += costOf(operand);
  return cost;
}

/// Whether the result of a virtual operation has to be written to memory.
bool KernelEmitter::mustStore(Operation *op) {
  Value value = op->getResult(0);
  if (isBypassed(op) && !value.use_empty())
    return false;
  if (isCheap(value))
    return false;
  int uses = 0;
  // Reductions and conversions that are stored themselves read the value in the loop that computes it.
  auto sharesLoop = [&](Operation *user) {
    return isa<tile::ReduceOp>(user) || (isa<arith::TruncFOp>(user) && user->hasOneUse() && mustStore(user));
  };
  if (llvm::all_of(value.getUsers(),
                   [&](Operation *user) { return user->getBlock() == op->getBlock() && sharesLoop(user); }))
    return false;
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    bool yields = user->hasTrait<OpTrait::IsTerminator>();
    if (user->getBlock() != op->getBlock())
      return true; // computed once here rather than in every iteration
    if (isa<tile::DotOp>(user) && use.getOperandNumber() < 2)
      return true;
    if (isa<arith::TruncFOp, arith::ExtFOp, tile::TransposeOp>(user) && feedsDot(user->getResult(0)))
      return true;
    if (isa<tile::TransposeOp>(user) && !isVectorTile(tileType(value)))
      return true;
    if (auto broadcast = dyn_cast<tile::BroadcastOp>(user); broadcast && broadcast.getType() != value.getType())
      return true;
    if (auto gather = dyn_cast<tile::GatherOp>(user);
        gather && gather.getType().getShape() != tileType(value).getShape())
      return true;
    if (yields && !value.hasOneUse())
      return true;
    ++uses;
  }
  return uses > 1 && costOf(value) > 2;
}

void KernelEmitter::emitConcat(tile::ConcatOp op) {
  Stored target =
      allocateFor(op.getType(), storedElement(op.getType().getElementType()), layout.lanesOf(op.getResult()));
  int64_t column = 0;
  for (Value source : op.getSources()) {
    require(source);
    storeInto(source, target, 0, column);
    column += tileType(source).getDimSize(1);
  }
  remember(op.getResult(), target);
}

void KernelEmitter::emitScalar(tile::ScalarOp op) {
  require(op.getSource());
  Cache cache;
  Value vector = evaluate(op.getSource(), At{constant(0), constant(0), 1, 1}, cache);
  mapping.map(op.getResult(), vector::ExtractOp::create(b, vector, ArrayRef<int64_t>{0}).getResult());
}

void KernelEmitter::emitAtomicMax(tile::AtomicMaxOp op) {
  flushAll();
  memref::AtomicRMWOp::create(b, arith::AtomicRMWKind::maxs, scalar(op.getValue()), scalar(op.getDest()),
                              mapScalars(op.getIndices()));
}

void KernelEmitter::emitNextItem(tile::NextItemOp op) {
  flushAll();
  Value one = arith::ConstantIntOp::create(b, 1, 32);
  Value number = memref::AtomicRMWOp::create(b, arith::AtomicRMWKind::addi, one, scalar(op.getCounter()),
                                             mapScalars(op.getIndices()));
  mapping.map(op.getResult(), arith::IndexCastOp::create(b, b.getIndexType(), number).getResult());
}

/// A constant of unequal elements is read from the image.
void KernelEmitter::emitTable(arith::ConstantOp op) {
  auto dense = cast<DenseElementsAttr>(op.getValue());
  RankedTensorType tile = cast<RankedTensorType>(op.getType());
  auto module = kernel->getParentOfType<ModuleOp>();
  bool flat = isVectorTile(tile);
  SmallVector<int64_t> shape =
      flat ? SmallVector<int64_t>{tile.getNumElements()} : SmallVector<int64_t>(tile.getShape());
  Type element = tile.getElementType();
  if (element.isInteger(1)) {
    element = b.getI8Type();
    SmallVector<int8_t> bytes(dense.getValues<bool>());
    dense = DenseElementsAttr::get(RankedTensorType::get(shape, element), ArrayRef<int8_t>(bytes));
  } else {
    dense = dense.reshape(RankedTensorType::get(shape, element));
  }
  auto type = MemRefType::get(shape, element);
  std::string name;
  for (unsigned i = 0; name.empty() || module.lookupSymbol(name); ++i)
    name = (kernel.getSymName() + "_table_" + llvm::Twine(i)).str();
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    memref::GlobalOp::create(b, name, b.getStringAttr("private"), type, dense, /*constant=*/true,
                             b.getI64IntegerAttr(64));
  }
  Value table = memref::GetGlobalOp::create(b, type, name);
  remember(op.getResult(), {table, layout.lanesOf(op.getResult()), false});
}
