//===- Roles.cpp - warps that run different programs ------------------------===//
//
// The barriers of bulk rings are set up, then a branch on the warp leads to its role,
// which begins with the registers that it needs.
//
//===----------------------------------------------------------------------===//
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/BulkRings.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

/// Whether all copying threads fill slots of some ring: with rows from anywhere, or with what a limit leaves of a box.
static bool fillByThreads(warp::RolesOp roles, ArrayRef<warp::RingOp> rings) {
  WalkResult result = roles.getProducer().walk(
      [](warp::CopyOp copy) { return copy.getLimit() ? WalkResult::interrupt() : WalkResult::advance(); });
  return result.wasInterrupted() ||
         llvm::any_of(rings, [](warp::RingOp ring) { return ring.getResult().getType().getGathered(); });
}

static constexpr llvm::StringLiteral agreedWarpAttr = "warp.agreed_index";

Value heddle::agreedWarpIndex(ImplicitLocOpBuilder &builder) {
  auto function = builder.getInsertionBlock()->getParent()->getParentOfType<LLVM::LLVMFuncOp>();
  for (NVVM::ShflOp made : function.getBody().front().getOps<NVVM::ShflOp>())
    if (made->hasAttr(agreedWarpAttr))
      return made.getResult();
  return warpIndex(builder);
}

static bool hasTakes(Region &role) {
  return role.walk([](warp::TakeOp) { return WalkResult::interrupt(); }).wasInterrupted();
}

/// The warps that say of each slot that they have read it: the consumers, and of numbers those of each role that takes.
static int64_t countReaders(warp::RingOp ring, warp::RolesOp roles, int64_t copyingWarps) {
  int64_t consumers = roles.getConsumers(), readers = 0;
  bool isTaken = false;
  for (auto [role, warps] : {std::pair(&roles.getConsumer(), consumers), {&roles.getProducer(), copyingWarps}}) {
    bool takes = llvm::any_of(ring->getUsers(), [role = role](Operation *user) {
      return isa<warp::TakeOp>(user) && role->isAncestor(user->getParentRegion());
    });
    readers += takes ? warps : 0;
    isTaken |= takes;
  }
  return isTaken ? readers : consumers;
}

static void initializeBarriers(ImplicitLocOpBuilder &builder, ArrayRef<warp::RingOp> rings, warp::RolesOp roles,
                               int64_t copyingWarps) {
  auto first = scf::IfOp::create(builder, isThread(builder, 0), /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(first.thenBlock());
    for (warp::RingOp ring : rings) {
      warp::RingType type = ring.getResult().getType();
      int64_t stages = type.getStages(), fillers = type.getGathered() ? copyingThreads : 1;
      int64_t readers = countReaders(ring, roles, copyingWarps);
      for (int64_t barrier = 0; barrier < 2 * stages; ++barrier)
        NVVM::MBarrierInitOp::create(builder, ringPointer(builder, *ring.getBarriers() + barrierBytes * barrier),
                                     constantI32(builder, barrier < stages ? fillers : readers), Value());
    }
    NVVM::FenceMbarrierInitOp::create(builder);
  }
  NVVM::BarrierOp::create(builder);
}

/// The other copying warps have nothing to do once registers are divided, which takes all four.
static void keepFirstWarp(ImplicitLocOpBuilder &builder, Value warp, Block &block, int64_t first) {
  auto begin = block.begin();
  if (isa<NVVM::SetMaxRegisterOp>(*begin))
    ++begin;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(&block, begin);
  Value isFirst = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, warp, constantI32(builder, first));
  auto only = scf::IfOp::create(builder, isFirst, /*withElseRegion=*/false);
  Block *then = only.thenBlock();
  then->getOperations().splice(then->begin(), block.getOperations(), std::next(only->getIterator()),
                               std::prev(block.end()));
}

void heddle::lowerRoles(LLVM::LLVMFuncOp function) {
  warp::RolesOp roles;
  SmallVector<warp::RingOp> rings;
  function.walk([&](Operation *op) {
    if (auto found = dyn_cast<warp::RolesOp>(op))
      roles = found;
    else if (auto ring = dyn_cast<warp::RingOp>(op); ring && ring.getResult().getType().getBulk())
      rings.push_back(ring);
  });
  if (!roles)
    return;
  ImplicitLocOpBuilder builder(roles.getLoc(), roles);
  bool takes = hasTakes(roles.getProducer());
  int64_t copyingWarps = takes && !fillByThreads(roles, rings) ? 1 : warp::WarpDialect::copyingWarps;
  initializeBarriers(builder, rings, roles, copyingWarps);
  if (function->hasAttr(warp::WarpDialect::waitsAttr))
    waitForLaunches(builder);
  function->setAttr(warp::WarpDialect::consumersAttr, roles.getConsumersAttr());
  if (takes)
    function->setAttr(togetherAttr, builder.getI64IntegerAttr(copyingWarps));
  // With the threads of a block alone the assembler does not always know what a thread is launched with, and then
  // ignores what the roles ask for.
  if (roles.getConsumerRegisters())
    function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), builder.getI32IntegerAttr(1));
  // All lanes of a warp agree, and the assembler should know.
  auto warp = NVVM::ShflOp::create(builder, builder.getI32Type(), constantI32(builder, -1), warpIndex(builder),
                                   constantI32(builder, 0), constantI32(builder, 31), NVVM::ShflKind::idx, UnitAttr());
  warp->setAttr(agreedWarpAttr, builder.getUnitAttr());
  leaveOutSteps(roles, warp);
  Value consumes =
      arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, warp, constantI32(builder, roles.getConsumers()));
  auto branch = scf::IfOp::create(builder, consumes, /*withElseRegion=*/true);
  auto fill = [&](Block &block, Region &role, int64_t registers, NVVM::SetMaxRegisterAction action) {
    block.getOperations().splice(block.begin(), role.front().getOperations());
    builder.setInsertionPointToStart(&block);
    if (registers)
      NVVM::SetMaxRegisterOp::create(builder, static_cast<uint32_t>(registers), action);
  };
  bool hasTurns = roles.getConsumer().walk([](warp::TakeTurnOp) { return WalkResult::interrupt(); }).wasInterrupted();
  fill(*branch.thenBlock(), roles.getConsumer(), roles.getConsumerRegisters(), NVVM::SetMaxRegisterAction::increase);
  fill(*branch.elseBlock(), roles.getProducer(), roles.getProducerRegisters(), NVVM::SetMaxRegisterAction::decrease);
  if (copyingWarps == 1)
    keepFirstWarp(builder, warp, *branch.elseBlock(), roles.getConsumers());
  if (hasTurns) {
    // The first group's turn has been passed by the last one.
    builder.setInsertionPointToStart(branch.thenBlock());
    int64_t lastGroup = roles.getConsumers() - 4;
    Value isLast = arith::CmpIOp::create(builder, arith::CmpIPredicate::uge, warp, constantI32(builder, lastGroup));
    auto pass = scf::IfOp::create(builder, isLast, /*withElseRegion=*/false);
    builder.setInsertionPointToStart(pass.thenBlock());
    warp::PassTurnOp::create(builder);
  }
  if (llvm::any_of(rings, [](warp::RingOp ring) { return ring.getResult().getType().getGathered(); })) {
    // A thread does not end before what it has issued.
    builder.setInsertionPoint(branch.elseBlock()->getTerminator());
    inlineAsm(builder, {}, {}, "cp.async.wait_all;", "~{memory}");
  }
  roles.erase();
}
