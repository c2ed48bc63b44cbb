//===- Mma.cpp - matrix products by mma.sync --------------------------------===//
//
// 16-bit operands: m16n8k16, fed by ldmatrix. For 8x8 blocks of 16-bit elements
// the instruction gives lane l row l/4, elements 2(l mod 4) and the next; lane l
// passes the address of row l mod 8 of block l/8. So:
//   left, 16x16       blocks (0,0) (8,0) (0,8) (8,8)
//   right, 16x16 of K x N, as two 16x8   blocks of k in order (0, 8), twice
// An operand stored the other way round is read with the transposing form.
//
// f32 operands: m16n8k8 on tf32 parts, x = high + low with 11 bits each, in three
// products (low * low is below f32's rounding). The contracted index may be
// permuted as long as both sides agree; it is, so that the accumulator's registers
// serve as a left operand: instruction's k = t is column 2t, k = t + 4 is 2t + 1.
//
//===----------------------------------------------------------------------===//
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace heddle;

using Registers = SmallVector<Value>;

/// `count` (1, 2 or 4) 8x8 blocks of 16-bit elements, as words.
static Registers loadMatrix(ImplicitLocOpBuilder &builder, Value pointer, int64_t count, bool transposed) {
  MLIRContext *context = builder.getContext();
  Type word = builder.getI32Type();
  Type result = count == 1 ? word : LLVM::LLVMStructType::getLiteral(context, SmallVector<Type>(count, word));
  Value loaded = NVVM::LdMatrixOp::create(builder, result, pointer, static_cast<uint32_t>(count),
                                          transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row,
                                          NVVM::LdStMatrixShapeAttr::get(context, 8, 8), NVVM::LdStMatrixEltType::B16);
  if (count == 1)
    return {loaded};
  Registers words;
  for (int64_t index = 0; index < count; ++index)
    words.push_back(LLVM::ExtractValueOp::create(builder, loaded, ArrayRef<int64_t>{index}));
  return words;
}

/// Address of element (row, column) of a slot, both computed (i32).
static Value elementPointer(ImplicitLocOpBuilder &builder, Value slot, warp::SlotType type, Value row, Value column) {
  Value down = arith::MulIOp::create(builder, row, constantI32(builder, type.getPitch()));
  Value right = arith::MulIOp::create(builder, column, constantI32(builder, type.getElementBytes()));
  return advance(builder, slot, Value(arith::AddIOp::create(builder, down, right)));
}

/// `pointer` moved by constants; with `swapped`, rows and columns change places.
static Value shifted(ImplicitLocOpBuilder &builder, Value pointer, warp::SlotType type, int64_t row, int64_t column,
                     bool swapped) {
  if (swapped)
    std::swap(row, column);
  return advance(builder, pointer, static_cast<int32_t>(row * type.getPitch() + column * type.getElementBytes()));
}

/// First row of this warp's part of a tile of `rows` rows.
static Value warpRow(ImplicitLocOpBuilder &builder, warp::FragAttr layout, int64_t rows) {
  Value part = arith::RemUIOp::create(builder, warpIndex(builder), constantI32(builder, layout.getWarps()));
  return arith::MulIOp::create(builder, part, constantI32(builder, rows / layout.getWarps()));
}

namespace {
/// Where this lane's addresses for matrix loads start: left 16x16 operands at the warp's first row, or right ones.
class FragmentSource {
public:
  static FragmentSource left(ImplicitLocOpBuilder &builder, Value slot, warp::SlotType type, warp::FragAttr layout,
                             int64_t rows, bool transposed) {
    Value lane = laneIndex(builder), first = warpRow(builder, layout, rows);
    Value low = arith::RemUIOp::create(builder, lane, constantI32(builder, 8));
    Value middle = eightIf(builder, lane, 8), high = eightIf(builder, lane, 16);
    // Blocks in order (0,0) (8,0) (0,8) (8,8) of (row, k); stored rows are k when transposed.
    Value row = arith::AddIOp::create(builder, first, middle), k = high;
    (transposed ? k : row) = arith::AddIOp::create(builder, transposed ? k : row, low);
    return {elementPointer(builder, slot, type, transposed ? k : row, transposed ? row : k), type, transposed};
  }

  static FragmentSource right(ImplicitLocOpBuilder &builder, Value slot, warp::SlotType type, bool transposed) {
    Value lane = laneIndex(builder);
    Value low = arith::RemUIOp::create(builder, lane, constantI32(builder, 8));
    Value k = eightIf(builder, lane, 8), column = eightIf(builder, lane, 16);
    // Stored rows are columns of the operand when transposed.
    (transposed ? column : k) = arith::AddIOp::create(builder, transposed ? column : k, low);
    return {elementPointer(builder, slot, type, transposed ? column : k, transposed ? k : column), type, transposed};
  }

  /// Words of the 16x16 left operand at (row, k).
  Registers loadLeft(ImplicitLocOpBuilder &builder, int64_t row, int64_t k) const {
    return loadMatrix(builder, shifted(builder, pointer, type, row, k, transposed), 4, transposed);
  }

  /// Words of `count` / 2 right operands of 8 columns at (k, column). A right operand wants k within a word, so the
  /// stored rows of one that is not transposed must be exchanged on the way.
  Registers loadRight(ImplicitLocOpBuilder &builder, int64_t k, int64_t column, int64_t count) const {
    return loadMatrix(builder, shifted(builder, pointer, type, k, column, transposed), count, !transposed);
  }

private:
  FragmentSource(Value pointer, warp::SlotType type, bool transposed)
      : pointer(pointer), type(type), transposed(transposed) {}

  static Value eightIf(ImplicitLocOpBuilder &builder, Value lane, int64_t bit) {
    Value masked = arith::AndIOp::create(builder, lane, constantI32(builder, bit));
    return bit == 8 ? masked : Value(arith::ShRUIOp::create(builder, masked, constantI32(builder, 1)));
  }

  Value pointer;
  warp::SlotType type;
  bool transposed;
};
} // namespace

namespace {
/// Where a lane's addresses of a swizzled slot are for 16x16 blocks. As in FragmentSource::left: lane l stands for row
/// l mod 16 and, from lane 16 on, for the second piece; transposed, for stored row l mod 8 of the first eight or, from
/// lane 16 on, the second, and for piece l / 8 mod 2.
class SwizzledFragments {
public:
  SwizzledFragments(ImplicitLocOpBuilder &builder, Value slot, warp::SlotType type, warp::FragAttr layout, int64_t rows,
                    bool transposed)
      : builder(builder), slot(slot), type(type), transposed(transposed) {
    Value lane = laneIndex(builder), start = warpRow(builder, layout, rows);
    if (isAroundLoops(builder))
      lane = inlineAsm(builder, builder.getI32Type(), lane, "mov.b32 $0, $1;", "=r,r");
    if (!transposed) {
      row = arith::AddIOp::create(builder, start, arith::RemUIOp::create(builder, lane, constantI32(builder, 16)));
      piece = arith::DivUIOp::create(builder, lane, constantI32(builder, 16));
      return;
    }
    auto part = [&](int64_t of) { return arith::DivUIOp::create(builder, lane, constantI32(builder, of)).getResult(); };
    row = arith::AddIOp::create(builder, arith::MulIOp::create(builder, part(16), constantI32(builder, 8)),
                                arith::RemUIOp::create(builder, lane, constantI32(builder, 8)));
    piece = arith::AddIOp::create(builder, arith::DivUIOp::create(builder, start, constantI32(builder, 8)),
                                  arith::RemUIOp::create(builder, part(8), constantI32(builder, 2)));
  }

  /// For the block at (`down`, `k`) of this warp's rows.
  Value pointer(int64_t down, int64_t k) const {
    int64_t rowsOn = transposed ? k : down, piecesOn = (transposed ? down : k) / 8;
    return advance(builder, slot,
                   swizzledOffset(builder, type, addI32(builder, row, rowsOn), addI32(builder, piece, piecesOn)));
  }

private:
  ImplicitLocOpBuilder &builder;
  Value slot, row, piece;
  warp::SlotType type;
  bool transposed;
};
} // namespace

void heddle::storeFragments(ImplicitLocOpBuilder &builder, Value slot, warp::SlotType type, warp::FragAttr layout,
                            ArrayRef<int64_t> shape, ValueRange words) {
  // A lane's address differs from block to block in constants only, one of them added and one exclusive: both panels
  // and pairs of pieces are aligned. Made again at every put, one register does for all.
  int64_t swizzle = type.getLayout().getSwizzle(), pieces = swizzle / 16;
  Value lane = laneIndex(builder), piece = arith::DivUIOp::create(builder, lane, constantI32(builder, 16));
  Value first = arith::AddIOp::create(builder, warpRow(builder, layout, shape[0]),
                                      arith::RemUIOp::create(builder, lane, constantI32(builder, 16)));
  Value turn = builder.createOrFold<arith::DivUIOp>(first, constantI32(builder, 128 / swizzle));
  turn = arith::RemUIOp::create(builder, turn, constantI32(builder, pieces));
  Value within = arith::MulIOp::create(builder, arith::XOrIOp::create(builder, piece, turn), constantI32(builder, 16));
  within = inlineAsm(builder, builder.getI32Type(), within, "mov.b32 $0, $1;", "=r,r");
  Value base = advance(builder, slot, Value(arith::MulIOp::create(builder, first, constantI32(builder, swizzle))));
  for (int64_t row = 0; row < shape[0] / layout.getWarps(); row += 16)
    for (int64_t k = 0; k < shape[1]; k += 16) {
      int64_t panel = k / 8 / pieces, change = k / 8 % pieces * 16;
      Value right = builder.createOrFold<arith::XOrIOp>(within, constantI32(builder, change));
      Value pointer = advance(builder, advance(builder, base, right),
                              static_cast<int32_t>(row * swizzle + panel * type.getPanelBytes()));
      SmallVector<Value> operands{pointer};
      llvm::append_range(operands, words.take_front(4));
      words = words.drop_front(4);
      inlineAsm(builder, {}, operands, "stmatrix.sync.aligned.m8n8.x4.shared.b16 [$0], {$1, $2, $3, $4};",
                "r,r,r,r,r,~{memory}");
    }
}

Registers heddle::loadFragments(ImplicitLocOpBuilder &builder, Value slot, warp::SlotType type, warp::FragAttr layout,
                                int64_t rows, int64_t columns, bool transposed) {
  Registers words;
  if (type.isSwizzled()) {
    SwizzledFragments fragments(builder, slot, type, layout, rows, transposed);
    for (int64_t row = 0; row < rows / layout.getWarps(); row += 16)
      for (int64_t k = 0; k < columns; k += 16)
        llvm::append_range(words, loadMatrix(builder, fragments.pointer(row, k), 4, transposed));
    return words;
  }
  FragmentSource source = FragmentSource::left(builder, slot, type, layout, rows, transposed);
  for (int64_t row = 0; row < rows / layout.getWarps(); row += 16)
    for (int64_t k = 0; k < columns; k += 16)
      llvm::append_range(words, source.loadLeft(builder, row, k));
  return words;
}

//===----------------------------------------------------------------------===//
// instructions
//===----------------------------------------------------------------------===//

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

//===----------------------------------------------------------------------===//
// mma
//===----------------------------------------------------------------------===//

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
