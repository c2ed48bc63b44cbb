//===- SentNumbers.cpp ------------------------------------------------------===//
//
// A loop over pieces of work begins each with numbers: which rows, which keys. They are
// chains of divisions and of reads, and a consumer has nothing to multiply until it has
// them. The producer has them early, because it runs ahead.
//
//===----------------------------------------------------------------------===//
#include "lib/Transforms/SentNumbers.h"
#include "dialects/Tile/RowParts.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace heddle;

static bool isNumber(Type type) { return type.isIndex() || type.isInteger(1) || type.isInteger(32) || type.isF32(); }

/// The innermost loop around `op`.
static Operation *loopAround(Operation *op) {
  do
    op = op->getParentOp();
  while (op && !isa<scf::ForOp, scf::WhileOp>(op));
  return op;
}

/// The blocks of operations of loops over pieces of work, around innermost loops that copy to bulk rings: of those with
/// numbers from a counter, because others know their pieces beforehand.
static llvm::SetVector<Block *> findPieces(func::FuncOp kernel) {
  llvm::SetVector<Operation *> loops;
  kernel.walk([&](warp::CopyOp copy) {
    Operation *loop = copy.getDest().getType().isSwizzled() ? loopAround(copy) : nullptr;
    if (loop)
      loops.insert(loop);
  });
  llvm::SetVector<Block *> pieces;
  for (Operation *loop : loops) {
    bool isInnermost = llvm::none_of(loops, [&](Operation *other) { return loop->isProperAncestor(other); });
    Operation *outer = isInnermost ? loopAround(loop) : nullptr;
    if (!isa_and_nonnull<scf::WhileOp>(outer))
      continue;
    for (Region &region : outer->getRegions())
      if (region.isAncestor(loop->getParentRegion()))
        pieces.insert(&region.front());
  }
  return pieces;
}

static DenseSet<Value> findWritten(func::FuncOp kernel) {
  DenseSet<Value> written;
  kernel.walk([&](Operation *op) {
    if (auto effects = dyn_cast<MemoryEffectOpInterface>(op); effects && effects.hasEffect<MemoryEffects::Write>())
      for (Value operand : op->getOperands())
        if (isa<MemRefType>(operand.getType()))
          written.insert(operand);
  });
  return written;
}

namespace {
/// The operations of a block that compute numbers of numbers and of arrays that the kernel does not write.
class NumberFinder {
public:
  NumberFinder(Block &block, const DenseSet<Value> &written) : block(block), written(written) {}

  void find() {
    for (Operation &op : block.without_terminator())
      if (computesNumbers(op) && readsNumbers(op))
        found.insert(&op);
  }
  const llvm::SetVector<Operation *> &getFound() const { return found; }

private:
  bool isPlain(Operation &op) const {
    if (op.hasAttr(tile::kRowPartsAttr)) // readers have use for what it is made of
      return false;
    if (auto load = dyn_cast<memref::LoadOp>(op))
      return !written.contains(load.getMemRef());
    return isa<scf::SCFDialect>(op.getDialect()) || isa<memref::DimOp>(op) ||
           (isa<arith::ArithDialect>(op.getDialect()) && isMemoryEffectFree(&op));
  }
  bool computesNumbers(Operation &op) const {
    WalkResult result = op.walk([&](Operation *nested) {
      return isPlain(*nested) && llvm::all_of(nested->getResultTypes(), isNumber) ? WalkResult::advance()
                                                                                  : WalkResult::interrupt();
    });
    return op.getNumResults() != 0 && !result.wasInterrupted();
  }
  bool readsNumbers(Operation &op) const {
    WalkResult result = op.walk([&](Operation *nested) {
      bool isKnown = llvm::all_of(nested->getOperands(), [&](Value operand) {
        return operand.getParentBlock() != &block || isa<BlockArgument>(operand) ||
               found.contains(operand.getDefiningOp());
      });
      return isKnown ? WalkResult::advance() : WalkResult::interrupt();
    });
    return !result.wasInterrupted();
  }

  Block &block;
  const DenseSet<Value> &written;
  llvm::SetVector<Operation *> found;
};
} // namespace

/// Sends the numbers that the consumer reads, behind all that computes numbers.
static void send(Block &block, ArrayRef<Value> numbers, Operation *before, SmallVector<SentNumbers> &sent) {
  auto kernel = block.getParentOp()->getParentOfType<func::FuncOp>();
  OpBuilder builder = OpBuilder::atBlockBegin(&kernel.front());
  MLIRContext *context = builder.getContext();
  Location loc = before->getLoc();
  int64_t count = numbers.size();
  auto slot = warp::SlotType::get(context, {1, count}, builder.getI32Type(), warp::SharedAttr::get(context, 0, 0));
  Value ring =
      warp::RingOp::create(builder, loc, warp::RingType::get(context, 2, slot, /*bulk=*/true, /*gathered=*/false),
                           IntegerAttr(), IntegerAttr());
  builder.setInsertionPoint(before);
  warp::SendOp::create(builder, loc, numbers, ring, Value());
  auto take = warp::TakeOp::create(builder, loc, ValueRange(numbers).getTypes(), ring, Value());
  sent.push_back({take, SmallVector<Value>(numbers)});
}

SmallVector<SentNumbers> heddle::sendNumbers(func::FuncOp kernel, function_ref<void(ProgramSlice &)> requireConsumer) {
  DenseSet<Value> written = findWritten(kernel);
  SmallVector<SentNumbers> sent;
  for (Block *block : findPieces(kernel)) {
    NumberFinder finder(*block, written);
    finder.find();
    Operation *rest = nullptr;
    for (Operation &op : *block)
      if (!rest && !finder.getFound().contains(&op))
        rest = &op;
    ProgramSlice consumer;
    for (Operation *op : finder.getFound()) {
      op->moveBefore(rest);
      if (!isa<arith::ConstantOp>(op))
        consumer.give(op->getResults());
    }
    requireConsumer(consumer);
    if (!consumer.getReceived().empty())
      send(*block, consumer.getReceived(), rest, sent);
  }
  return sent;
}
