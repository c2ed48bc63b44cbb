//===- WarpgroupMma.cpp - asynchronous products by wgmma --------------------===//
//
// Four warps multiply 64 rows; the accumulator's registers are those of mma.sync's
// atoms, and a left operand in registers is fed in the same words. An operand in shared
// memory is a descriptor: its address, and two distances whose meaning depends on
// which index is contiguous.
//
//   contracted index contiguous (left; right with transB):
//     16 of it are 32 bytes of a panel's row; 8 rows are `stride` apart
//   the other index contiguous (right otherwise; left with transA):
//     panels are `leading` apart, 8 contracted rows `stride`, 16 are two of those
//
//===----------------------------------------------------------------------===//
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/BulkRings.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace heddle;

using Registers = SmallVector<Value>;

namespace {
/// Descriptors of an operand in a swizzled slot.
class Descriptor {
public:
  /// `contiguousDepth`: the contracted index is contiguous.
  Descriptor(ImplicitLocOpBuilder &builder, Value slot, warp::SlotType type, bool contiguousDepth)
      : type(type), contiguousDepth(contiguousDepth) {
    constexpr int64_t addressMask = 0x3ffff;
    int64_t swizzle = type.getLayout().getSwizzle();
    int64_t leading = contiguousDepth ? 16 : type.getPanelBytes(), stride = 8 * swizzle;
    int64_t mode = swizzle == 128 ? 1 : swizzle == 64 ? 2 : 3;
    Value address = LLVM::PtrToIntOp::create(builder, builder.getI32Type(), slot);
    address = arith::AndIOp::create(builder, address, constantI32(builder, addressMask));
    low = arith::ShRUIOp::create(builder, address, constantI32(builder, 4));
    low = arith::OrIOp::create(builder, low, constantI32(builder, (leading >> 4) << 16));
    high = constantI32(builder, static_cast<int32_t>((stride >> 4) | (mode << 30)));
  }

  /// Moved down by a computed number of bytes (a multiple of 16). Many descriptors are made anew for each product of a
  /// loop, since all of them would not fit the registers of a warp.
  void addBytes(ImplicitLocOpBuilder &builder, Value bytes, bool areMany) {
    low = arith::AddIOp::create(builder, low, arith::ShRUIOp::create(builder, bytes, constantI32(builder, 4)));
    if (areMany)
      low = inlineAsm(builder, builder.getI32Type(), low, "mov.b32 $0, $1;", "=r,r");
  }

  /// For contracted indices from `depth` on. Only the low word changes, in 32 bits.
  Value at(ImplicitLocOpBuilder &builder, int64_t depth) const {
    int64_t panel = depth / type.getPanelColumns(), within = depth % type.getPanelColumns();
    int64_t bytes =
        contiguousDepth ? panel * type.getPanelBytes() + within * type.getElementBytes() : depth * type.getPitch();
    Value word = addI32(builder, low, bytes >> 4);
    Value pair = LLVM::UndefOp::create(builder, VectorType::get(2, builder.getI32Type()));
    pair = LLVM::InsertElementOp::create(builder, pair, word, constantI32(builder, 0));
    pair = LLVM::InsertElementOp::create(builder, pair, high, constantI32(builder, 1));
    return LLVM::BitcastOp::create(builder, builder.getI64Type(), pair);
  }

private:
  warp::SlotType type;
  bool contiguousDepth;
  Value low, high;
};
} // namespace

/// `=f,=f,..,0,1,..,` for accumulators that an instruction updates.
static std::string tiedAccumulators(int64_t count) {
  std::string constraints;
  for (int64_t index = 0; index < count; ++index)
    constraints += "=f,";
  for (int64_t index = 0; index < count; ++index)
    constraints += std::to_string(index) + ",";
  return constraints;
}

static std::string operandList(int64_t first, int64_t count) {
  std::string text = "{";
  for (int64_t index = 0; index < count; ++index)
    text += (index ? ", $" : "$") + std::to_string(first + index);
  return text + "}";
}

/// Runs a statement that updates `acc`, whose constraints follow the accumulators'.
static void update(ImplicitLocOpBuilder &builder, Registers &acc, ValueRange operands, StringRef text,
                   StringRef constraints) {
  auto type =
      LLVM::LLVMStructType::getLiteral(builder.getContext(), SmallVector<Type>(acc.size(), builder.getF32Type()));
  Registers all(acc);
  llvm::append_range(all, operands);
  Value result = inlineAsm(builder, type, all, text, tiedAccumulators(acc.size()) + constraints.str());
  for (auto [index, value] : llvm::enumerate(acc))
    value = LLVM::ExtractValueOp::create(builder, result, ArrayRef<int64_t>{static_cast<int64_t>(index)});
}

/// Rows of a product of four warps.
static constexpr int64_t groupRows = 64;

/// Which part of the rows the four warps around this one multiply. Groups beyond the last part repeat the first. For a
/// slot that is read again and again it is an index of which the assembler knows that all threads of a warp agree, so
/// that no descriptor stays in their registers.
static Value groupOf(ImplicitLocOpBuilder &builder, RankedTensorType result, bool isReadAgain) {
  Value warp = isReadAgain ? agreedWarpIndex(builder) : warpIndex(builder);
  Value group = arith::ShRUIOp::create(builder, warp, constantI32(builder, 2));
  int64_t parts = result.getDimSize(0) / groupRows;
  if (consumerWarps(builder) <= 4 * parts)
    return group;
  return arith::RemUIOp::create(builder, group, constantI32(builder, parts));
}

namespace {
struct LowerWarpgroupMma : OpConversionPattern<warp::MmaOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(warp::MmaOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    if (!op.getAsync())
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    RankedTensorType result = op.getResult().getType();
    warp::SlotType rightType = op.getRhs().getType();
    int64_t depth = rightType.getShape()[op.getTransB() ? 1 : 0], columns = result.getDimSize(1);
    Descriptor right(builder, adaptor.getRhs()[0], rightType, op.getTransB());
    std::optional<Descriptor> left;
    if (auto leftType = dyn_cast<warp::SlotType>(op.getLhs().getType())) {
      left.emplace(builder, adaptor.getLhs()[0], leftType, /*contiguousDepth=*/!op.getTransA());
      bool isReadAgain = op.getLhs().getParentBlock() != op->getBlock();
      int64_t groupBytes = op.getTransA() ? groupRows / leftType.getPanelColumns() * leftType.getPanelBytes()
                                          : groupRows * leftType.getPitch();
      left->addBytes(
          builder,
          arith::MulIOp::create(builder, groupOf(builder, result, isReadAgain), constantI32(builder, groupBytes)),
          /*areMany=*/depth > 128);
    }
    // An accumulator of zeros is not read at all.
    SplatElementsAttr splat;
    bool fresh = matchPattern(op.getAcc(), m_Constant(&splat)) && splat.getSplatValue<APFloat>().isPosZero();
    Registers acc(adaptor.getAcc());
    if (fresh)
      for (Value &value : acc)
        value = LLVM::UndefOp::create(builder, value.getType());

    NVVM::WgmmaFenceAlignedOp::create(builder);
    for (int64_t k = 0; k < depth; k += 16) {
      Registers operands;
      std::string constraints;
      int64_t count = acc.size();
      std::string leftText;
      if (left) {
        operands.push_back(left->at(builder, k));
        constraints = "l,";
        leftText = "$" + std::to_string(2 * count);
      } else {
        llvm::append_range(operands, adaptor.getLhs().slice(k / 4, 4));
        constraints = "r,r,r,r,";
        leftText = operandList(2 * count, 4);
      }
      operands.push_back(right.at(builder, k));
      constraints += "l";
      std::string text = textFor(op, columns, count, leftText, 2 * count + operands.size() - 1, fresh && k == 0);
      update(builder, acc, operands, text, constraints);
    }
    NVVM::WgmmaGroupSyncAlignedOp::create(builder);
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{acc});
    return success();
  }

private:
  static std::string textFor(warp::MmaOp op, int64_t columns, int64_t count, StringRef left, int64_t right,
                             bool fresh) {
    StringRef type = op.getRhs().getType().getElementType().isF16() ? "f16" : "bf16";
    bool leftInSlot = isa<warp::SlotType>(op.getLhs().getType());
    std::string text = "{\n.reg .pred p;\nsetp.ne.b32 p, " + std::string(fresh ? "0" : "1") + ", 0;\n";
    text += ("wgmma.mma_async.sync.aligned.m64n" + Twine(columns) + "k16.f32." + type + "." + type + " ").str();
    text += operandList(0, count) + ", " + left.str() + ", $" + std::to_string(right) + ", p, 1, 1";
    text += leftInSlot ? op.getTransA() ? ", 1" : ", 0" : "";
    text += op.getTransB() ? ", 0;\n}" : ", 1;\n}";
    return text;
  }
};

/// How many products were issued after the awaited one, or after a later one that has been waited for: so many may go
/// on. (To allow more than there are is no wait, but the assembler then adds one.)
int64_t countLater(warp::WaitOp wait) {
  auto productOf = [&](warp::WaitOp of) {
    auto product = of.getSource().getDefiningOp<warp::MmaOp>();
    return product && product->getBlock() == wait->getBlock() ? product : warp::MmaOp();
  };
  int64_t count = 0;
  warp::MmaOp awaited = productOf(wait);
  if (!awaited)
    return count;
  for (Operation *op = awaited->getNextNode(); op != wait; op = op->getNextNode())
    if (auto before = dyn_cast<warp::WaitOp>(op))
      if (warp::MmaOp done = productOf(before); done && awaited->isBeforeInBlock(done))
        awaited = done;
  for (Operation *op = awaited->getNextNode(); op != wait; op = op->getNextNode())
    if (auto mma = dyn_cast<warp::MmaOp>(op); mma && mma.getAsync())
      ++count;
  return count;
}

struct LowerWait : OpConversionPattern<warp::WaitOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(warp::WaitOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    auto pending = op->getAttrOfType<IntegerAttr>(warp::WarpDialect::pendingAttr);
    if (!pending)
      return failure();
    Registers acc(adaptor.getSource());
    update(builder, acc, {}, "wgmma.wait_group.sync.aligned " + std::to_string(pending.getInt()) + ";", "~{memory}");
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{acc});
    return success();
  }
};
} // namespace

void heddle::countPendingProducts(LLVM::LLVMFuncOp function) {
  Builder builder(function.getContext());
  function.walk([&](warp::WaitOp wait) {
    wait->setAttr(warp::WarpDialect::pendingAttr, builder.getI64IntegerAttr(countLater(wait)));
  });
}

void heddle::populateWarpgroupMmaLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerWarpgroupMma, LowerWait>(converter, patterns.getContext());
}
