//===- WarpToNVVM.cpp - scheduled kernels to instructions of a thread -------===//
//
// In: a kernel in the warp rung with its resources planned. Out: an `llvm.func`
// over 64-bit parameter slots. The function is rewritten first; then one conversion turns each encoded tensor into its
// registers, through loops and branches; then scalar math becomes instructions.
//
// Shown by test/Conversion/warp-to-nvvm.mlir.
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileDialect.h"
#include "dialects/Tile/TileTarget.h"
#include "dialects/Warp/WarpOps.h"
#include "heddle/Conversion/Passes.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace heddle {
#define GEN_PASS_DEF_WARPTONVVM
#include "heddle/Conversion/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct WarpTypeConverter : TypeConverter {
  WarpTypeConverter() {
    addConversion([](Type type) { return type; });
    addConversion([](RankedTensorType type, SmallVectorImpl<Type> &results) -> std::optional<LogicalResult> {
      warp::LayoutInterface layout = layoutOf(type);
      if (!layout)
        return failure();
      int64_t count = layout.registers(type.getShape());
      if (isPacked(type))
        results.append(count / 2, IntegerType::get(type.getContext(), 32));
      else
        results.append(count, type.getElementType());
      return success();
    });
    addConversion([](MemRefType type, SmallVectorImpl<Type> &results) -> std::optional<LogicalResult> {
      results.push_back(LLVM::LLVMPointerType::get(type.getContext(), globalSpace));
      results.append(type.getRank(), IndexType::get(type.getContext()));
      results.append(type.getRank(), IntegerType::get(type.getContext(), 64));
      return success();
    });
    auto shared = [](Type type) -> Type { return LLVM::LLVMPointerType::get(type.getContext(), sharedSpace); };
    // With a bulk ring go its barriers, with one of its slots the full barrier. (Of others nobody reads it.)
    addConversion([=](warp::SlotType type, SmallVectorImpl<Type> &results) -> std::optional<LogicalResult> {
      results.append(2, shared(type));
      return success();
    });
    addConversion([=](warp::RingType type, SmallVectorImpl<Type> &results) -> std::optional<LogicalResult> {
      results.append(type.getBulk() ? 2 : 1, shared(type));
      return success();
    });
    addTargetMaterialization([](OpBuilder &builder, TypeRange types, ValueRange inputs, Location loc) {
      return SmallVector<Value>(UnrealizedConversionCastOp::create(builder, loc, types, inputs).getResults());
    });
    addSourceMaterialization([](OpBuilder &builder, Type type, ValueRange inputs, Location loc) -> Value {
      return UnrealizedConversionCastOp::create(builder, loc, type, inputs).getResult(0);
    });
  }
};

struct WarpToNVVMPass : heddle::impl::WarpToNVVMBase<WarpToNVVMPass> {
  void runOnOperation() override;
};
} // namespace

/// The value of an original parameter, from its slots.
static Value unpackParameter(ImplicitLocOpBuilder &builder, Type type, ArrayRef<BlockArgument> slots) {
  auto index = [&](Value slot) -> Value { return arith::IndexCastOp::create(builder, builder.getIndexType(), slot); };
  if (auto memory = dyn_cast<MemRefType>(type)) {
    auto pointer = LLVM::LLVMPointerType::get(builder.getContext(), globalSpace);
    SmallVector<Value> parts{LLVM::IntToPtrOp::create(builder, pointer, slots[0])};
    for (BlockArgument slot : slots.slice(1, memory.getRank()))
      parts.push_back(index(slot));
    llvm::append_range(parts, slots.drop_front(1 + memory.getRank()));
    return UnrealizedConversionCastOp::create(builder, TypeRange{memory}, parts).getResult(0);
  }
  if (type.isIndex())
    return index(slots[0]);
  unsigned bits = type.getIntOrFloatBitWidth();
  Value word =
      bits == 64 ? Value(slots[0]) : Value(arith::TruncIOp::create(builder, builder.getIntegerType(bits), slots[0]));
  return isa<FloatType>(type) ? Value(LLVM::BitcastOp::create(builder, type, word)) : word;
}

/// A CUtensorMap.
static constexpr int64_t tensorMapBytes = 128, tensorMapAlignment = 64;

/// Turns the kernel into an llvm.func over slots, followed by its tensor maps; its body is moved and reads its old
/// arguments through casts.
static LLVM::LLVMFuncOp outlineSlots(func::FuncOp kernel) {
  OpBuilder outer(kernel);
  MLIRContext *context = kernel.getContext();
  ArrayAttr maps = numberTensorMaps(kernel);
  int64_t slots = 0;
  for (Type type : kernel.getArgumentTypes())
    slots += isa<MemRefType>(type) ? MemRefParts::count(cast<MemRefType>(type)) : 1;
  Type word = outer.getI64Type();
  SmallVector<Type> parameterTypes(slots, word);
  parameterTypes.append(maps.size(), LLVM::LLVMPointerType::get(context));
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), parameterTypes);
  auto function = LLVM::LLVMFuncOp::create(outer, kernel.getLoc(), kernel.getName(), type);
  function.getBody().takeBody(kernel.getBody());
  Block &body = function.getBody().front();
  int64_t parameters = body.getNumArguments();
  for (Type parameter : parameterTypes)
    body.addArgument(parameter, kernel.getLoc());
  ImplicitLocOpBuilder builder(kernel.getLoc(), OpBuilder::atBlockBegin(&body));
  ArrayRef<BlockArgument> rest = body.getArguments().drop_front(parameters);
  for (BlockArgument argument : body.getArguments().take_front(parameters)) {
    auto memory = dyn_cast<MemRefType>(argument.getType());
    int64_t count = memory ? MemRefParts::count(memory) : 1;
    argument.replaceAllUsesWith(unpackParameter(builder, argument.getType(), rest.take_front(count)));
    rest = rest.drop_front(count);
  }
  body.eraseArguments(0, parameters);
  if (!maps.empty())
    function->setAttr(warp::WarpDialect::tensorMapsAttr, maps);
  if (tile::TargetAttr target = tile::getTarget(function); target && target.getHasLaunchOverlap())
    function->setAttr(warp::WarpDialect::waitsAttr, outer.getUnitAttr());
  for (int64_t map = slots, end = parameterTypes.size(); map < end; ++map) {
    function.setArgAttr(map, LLVM::LLVMDialect::getByValAttrName(),
                        TypeAttr::get(LLVM::LLVMArrayType::get(outer.getI8Type(), tensorMapBytes)));
    function.setArgAttr(map, LLVM::LLVMDialect::getAlignAttrName(), outer.getI64IntegerAttr(tensorMapAlignment));
    function.setArgAttr(map, NVVM::NVVMDialect::getGridConstantAttrName(), outer.getUnitAttr());
  }

  int64_t threads = cast<IntegerAttr>(kernel->getAttr(warp::WarpDialect::threadsAttr)).getInt();
  function->setAttr("nvvm.kernel", outer.getUnitAttr());
  function->setAttr("nvvm.maxntid", outer.getDenseI32ArrayAttr({static_cast<int32_t>(threads)}));
  for (StringRef name :
       {warp::WarpDialect::threadsAttr, warp::WarpDialect::sharedBytesAttr, warp::WarpDialect::registersAttr})
    if (Attribute attribute = kernel->getAttr(name))
      function->setAttr(name, attribute);
  kernel.erase();
  return function;
}

/// Before anything is read or written: kernels with roles set up their barriers first.
static void waitAtStart(LLVM::LLVMFuncOp function) {
  bool hasRoles = function.walk([](warp::RolesOp) { return WalkResult::interrupt(); }).wasInterrupted();
  if (!function->hasAttr(warp::WarpDialect::waitsAttr) || hasRoles)
    return;
  ImplicitLocOpBuilder builder(function.getLoc(), OpBuilder::atBlockBegin(&function.getBody().front()));
  waitForLaunches(builder);
}

static void replaceReturns(LLVM::LLVMFuncOp function) {
  function.walk([](func::ReturnOp op) {
    OpBuilder at(op);
    LLVM::ReturnOp::create(at, op.getLoc(), ValueRange{});
    op.erase();
  });
}

static void declareSharedMemory(ModuleOp module) {
  if (module.lookupSymbol(sharedSymbol))
    return;
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  LLVM::GlobalOp::create(builder, module.getLoc(), LLVM::LLVMArrayType::get(builder.getI8Type(), 0),
                         /*isConstant=*/false, LLVM::Linkage::External, sharedSymbol, Attribute(), /*alignment=*/1024,
                         sharedSpace);
}

static LogicalResult lowerTiles(LLVM::LLVMFuncOp function) {
  MLIRContext *context = function.getContext();
  WarpTypeConverter converter;
  RewritePatternSet patterns(context);
  ConversionTarget target(*context);
  populateElementwiseLowering(converter, patterns);
  populatePositionMaskLowering(converter, patterns);
  populateTileLowering(converter, patterns);
  populateReduceLowering(converter, patterns);
  populateMemoryLowering(converter, patterns);
  populateSlotLowering(converter, patterns);
  populateSlotTileLowering(converter, patterns);
  populateMmaLowering(converter, patterns);
  populateWarpgroupMmaLowering(converter, patterns);
  populateBulkRingLowering(converter, patterns);
  populateNumberLowering(converter, patterns);
  populateRowCopyLowering(converter, patterns);
  populateRowStoreLowering(converter, patterns);
  populateTurnLowering(converter, patterns);
  populateVectorCopyLowering(converter, patterns);
  scf::populateSCFStructuralTypeConversionsAndLegality(converter, patterns, target);
  target.addIllegalDialect<warp::WarpDialect, tile::TileDialect, memref::MemRefDialect, tensor::TensorDialect>();
  target.addLegalDialect<LLVM::LLVMDialect, NVVM::NVVMDialect>();
  target.addLegalOp<UnrealizedConversionCastOp>();
  target.markUnknownOpDynamicallyLegal([](Operation *op) {
    auto scalar = [](Type type) { return !isa<RankedTensorType, MemRefType>(type); };
    return llvm::all_of(op->getOperandTypes(), scalar) && llvm::all_of(op->getResultTypes(), scalar);
  });
  return applyPartialConversion(function, target, std::move(patterns));
}

static LogicalResult lowerMath(LLVM::LLVMFuncOp function) {
  RewritePatternSet patterns(function.getContext());
  populateMathLowering(patterns);
  return applyPatternsGreedily(function, std::move(patterns));
}

void WarpToNVVMPass::runOnOperation() {
  SmallVector<func::FuncOp> kernels;
  for (auto kernel : getOperation().getOps<func::FuncOp>())
    if (kernel->hasAttr(warp::WarpDialect::kernelAttr))
      kernels.push_back(kernel);
  // A plan is host data by now; its launches have no meaning among a device's functions.
  for (auto plan : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
    if (plan->hasAttr("tile.plan"))
      plan.erase();
  if (kernels.empty())
    return;
  declareSharedMemory(getOperation());
  for (func::FuncOp kernel : kernels) {
    LLVM::LLVMFuncOp function = outlineSlots(kernel);
    replaceReturns(function);
    waitAtStart(function);
    lowerRoles(function);
    countPendingProducts(function);
    markThreadAccesses(function);
    if (failed(lowerTiles(function)) || failed(lowerMath(function)))
      return signalPassFailure();
  }
}
