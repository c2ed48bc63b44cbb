//===- Mma.cpp - matrix products by mma.sync --------------------------------===//
//
// 16-bit operands: m16n8k16, fed by ldmatrix (Fragments.h).
//
// f32 operands: m16n8k8 on tf32 parts, x = high + low with 11 bits each, in three
// products (low * low is below f32's rounding). The contracted index may be
// permuted as long as both sides agree; it is, so that the accumulator's registers
// serve as a left operand: instruction's k = t is column 2t, k = t + 4 is 2t + 1.
//
//===----------------------------------------------------------------------===//
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/Fragments.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace heddle;

using Registers = SmallVector<Value>;

/// One instruction; `acc` (4 registers) is replaced by the result.
static void multiply(ImplicitLocOpBuilder &builder, ValueRange lhs, ValueRange rhs, MutableArrayRef<Value> acc,
                     NVVM::MMATypes kind, int64_t depth) {
  Type f32 = builder.getF32Type();
  auto resultType = LLVM::LLVMStructType::getLiteral(builder.getContext(), SmallVector<Type>(4, f32));
  std::array<NVVM::MMATypes, 2> kinds = {kind, kind};
  std::array<NVVM::MMALayout, 2> layouts = {NVVM::MMALayout::row, NVVM::MMALayout::col};
  Value result = NVVM::MmaOp::create(builder, resultType, lhs, rhs, ValueRange(acc), ArrayRef<int64_t>{16, 8, depth},
                                     std::nullopt, std::nullopt, kinds, layouts);
  for (auto [index, value] : llvm::enumerate(acc))
    value = LLVM::ExtractValueOp::create(builder, result, ArrayRef<int64_t>{static_cast<int64_t>(index)});
}

/// f16 operands are pairs, bf16 ones words.
static Registers asOperands(ImplicitLocOpBuilder &builder, ValueRange words, Type element) {
  if (!element.isF16())
    return Registers(words);
  Registers pairs;
  for (Value word : words)
    pairs.push_back(LLVM::BitcastOp::create(builder, VectorType::get(2, element), word));
  return pairs;
}

namespace {
/// A list of f32 values as two lists of tf32 words.
struct Split {
  Split(ImplicitLocOpBuilder &builder, ValueRange values) {
    for (Value value : values) {
      Value word = round(builder, value);
      Value rest = arith::SubFOp::create(builder, value, LLVM::BitcastOp::create(builder, builder.getF32Type(), word));
      high.push_back(word);
      low.push_back(round(builder, rest));
    }
  }

  static Value round(ImplicitLocOpBuilder &builder, Value value) {
    return LLVM::CallIntrinsicOp::create(builder, builder.getI32Type(), builder.getStringAttr("llvm.nvvm.f2tf32.rna"),
                                         ValueRange(value))
        .getResult(0);
  }

  Registers high, low;
};
} // namespace

namespace {
struct LowerMma : OpConversionPattern<warp::MmaOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(warp::MmaOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    if (op.getAsync())
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    Registers acc(adaptor.getAcc());
    if (op.getRhs().getType().getElementType().isF32())
      multiplyWide(builder, op, adaptor, acc);
    else
      multiplyNarrow(builder, op, adaptor, acc);
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{acc});
    return success();
  }

private:
  static int64_t contracted(warp::MmaOp op) { return op.getRhs().getType().getShape()[op.getTransB() ? 1 : 0]; }

  static void multiplyNarrow(ImplicitLocOpBuilder &builder, warp::MmaOp op, OneToNOpAdaptor adaptor, Registers &acc) {
    RankedTensorType result = op.getResult().getType();
    auto layout = cast<warp::FragAttr>(result.getEncoding());
    Type element = op.getRhs().getType().getElementType();
    NVVM::MMATypes kind = element.isF16() ? NVVM::MMATypes::f16 : NVVM::MMATypes::bf16;
    int64_t depth = contracted(op), columns = result.getDimSize(1), across = columns / 8;
    int64_t rowAtoms = result.getDimSize(0) / layout.getWarps() / 16;
    FragmentSource right = FragmentSource::right(builder, adaptor.getRhs()[0], op.getRhs().getType(), op.getTransB());
    auto leftSlot = dyn_cast<warp::SlotType>(op.getLhs().getType());
    std::optional<FragmentSource> left;
    if (leftSlot)
      left = FragmentSource::left(builder, adaptor.getLhs()[0], leftSlot, layout, result.getDimSize(0), op.getTransA());
    for (int64_t k = 0; k < depth; k += 16) {
      SmallVector<Registers> rows;
      for (int64_t atom = 0; atom < rowAtoms; ++atom) {
        Registers words = leftSlot ? left->loadLeft(builder, atom * 16, k)
                                   : Registers(adaptor.getLhs().slice((atom * depth + k) / 4, 4));
        rows.push_back(asOperands(builder, words, element));
      }
      for (int64_t column = 0; column < columns; column += 16) {
        int64_t pair = std::min<int64_t>(2, (columns - column) / 8);
        Registers words = asOperands(builder, right.loadRight(builder, k, column, pair * 2), element);
        for (int64_t part = 0; part < pair; ++part)
          for (int64_t atom = 0; atom < rowAtoms; ++atom)
            multiply(builder, rows[atom], ArrayRef<Value>(words).slice(part * 2, 2),
                     MutableArrayRef<Value>(acc).slice((atom * across + column / 8 + part) * 4, 4), kind, 16);
      }
    }
  }

  static void multiplyWide(ImplicitLocOpBuilder &builder, warp::MmaOp op, OneToNOpAdaptor adaptor, Registers &acc) {
    RankedTensorType result = op.getResult().getType();
    auto layout = cast<warp::FragAttr>(result.getEncoding());
    int64_t depth = contracted(op), columns = result.getDimSize(1), across = columns / 8;
    int64_t rowAtoms = result.getDimSize(0) / layout.getWarps() / 16;
    Value lane = laneIndex(builder);
    Value group = arith::DivUIOp::create(builder, lane, constantI32(builder, 4));
    Value member = arith::MulIOp::create(builder, arith::RemUIOp::create(builder, lane, constantI32(builder, 4)),
                                         constantI32(builder, 2));
    warp::SlotType rightSlot = op.getRhs().getType();
    bool transB = op.getTransB(), transA = op.getTransA();
    Value right =
        elementPointer(builder, adaptor.getRhs()[0], rightSlot, transB ? group : member, transB ? member : group);
    auto leftSlot = dyn_cast<warp::SlotType>(op.getLhs().getType());
    Value left;
    if (leftSlot) {
      Value row = arith::AddIOp::create(builder, warpRow(builder, layout, result.getDimSize(0)), group);
      left = elementPointer(builder, adaptor.getLhs()[0], leftSlot, transA ? member : row, transA ? row : member);
    }
    auto element = [&](Value pointer, warp::SlotType type, int64_t row, int64_t column, bool swapped) {
      return LLVM::LoadOp::create(builder, builder.getF32Type(), shifted(builder, pointer, type, row, column, swapped));
    };
    for (int64_t k = 0; k < depth; k += 8) {
      SmallVector<Split> rows;
      for (int64_t atom = 0; atom < rowAtoms; ++atom) {
        Registers values;
        if (leftSlot) {
          for (auto [row, column] : {std::pair(0, 0), {8, 0}, {0, 1}, {8, 1}})
            values.push_back(element(left, leftSlot, atom * 16 + row, k + column, transA));
        } else {
          // Accumulator order is (0,0) (0,1) (8,0) (8,1).
          ValueRange registers = adaptor.getLhs().slice((atom * depth + k) / 2, 4);
          values = {registers[0], registers[2], registers[1], registers[3]};
        }
        rows.emplace_back(builder, values);
      }
      for (int64_t column = 0; column < columns; column += 8) {
        Split words(builder, Registers{element(right, rightSlot, k, column, transB),
                                       element(right, rightSlot, k + 1, column, transB)});
        for (int64_t atom = 0; atom < rowAtoms; ++atom) {
          auto target = MutableArrayRef<Value>(acc).slice((atom * across + column / 8) * 4, 4);
          multiply(builder, rows[atom].low, words.high, target, NVVM::MMATypes::tf32, 8);
          multiply(builder, rows[atom].high, words.low, target, NVVM::MMATypes::tf32, 8);
          multiply(builder, rows[atom].high, words.high, target, NVVM::MMATypes::tf32, 8);
        }
      }
    }
  }
};
} // namespace

void heddle::populateMmaLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerMma>(converter, patterns.getContext());
}
