//===- Fragments.cpp - operands of mma.sync in slots ------------------------===//
//
// For 8x8 blocks of 16-bit elements the instruction gives lane l row l/4, elements
// 2(l mod 4) and the next; lane l passes the address of row l mod 8 of block l/8. So:
//   left, 16x16       blocks (0,0) (8,0) (0,8) (8,8)
//   right, 16x16 of K x N, as two 16x8   blocks of k in order (0, 8), twice
// An operand stored the other way round is read with the transposing form.
//
//===----------------------------------------------------------------------===//
#include "lib/Conversion/WarpToNVVM/Fragments.h"
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

Value heddle::elementPointer(ImplicitLocOpBuilder &builder, Value slot, warp::SlotType type, Value row, Value column) {
  Value down = arith::MulIOp::create(builder, row, constantI32(builder, type.getPitch()));
  Value right = arith::MulIOp::create(builder, column, constantI32(builder, type.getElementBytes()));
  return advance(builder, slot, Value(arith::AddIOp::create(builder, down, right)));
}

Value heddle::shifted(ImplicitLocOpBuilder &builder, Value pointer, warp::SlotType type, int64_t row, int64_t column,
                      bool swapped) {
  if (swapped)
    std::swap(row, column);
  return advance(builder, pointer, static_cast<int32_t>(row * type.getPitch() + column * type.getElementBytes()));
}

Value heddle::warpRow(ImplicitLocOpBuilder &builder, warp::FragAttr layout, int64_t rows) {
  Value part = arith::RemUIOp::create(builder, warpIndex(builder), constantI32(builder, layout.getWarps()));
  return arith::MulIOp::create(builder, part, constantI32(builder, rows / layout.getWarps()));
}

/// 8 for lanes with this bit (8 or 16), else 0.
static Value eightIf(ImplicitLocOpBuilder &builder, Value lane, int64_t bit) {
  Value masked = arith::AndIOp::create(builder, lane, constantI32(builder, bit));
  return bit == 8 ? masked : Value(arith::ShRUIOp::create(builder, masked, constantI32(builder, 1)));
}

FragmentSource FragmentSource::left(ImplicitLocOpBuilder &builder, Value slot, warp::SlotType type,
                                    warp::FragAttr layout, int64_t rows, bool transposed) {
  Value lane = laneIndex(builder), first = warpRow(builder, layout, rows);
  Value low = arith::RemUIOp::create(builder, lane, constantI32(builder, 8));
  Value middle = eightIf(builder, lane, 8), high = eightIf(builder, lane, 16);
  // Blocks in order (0,0) (8,0) (0,8) (8,8) of (row, k); stored rows are k when transposed.
  Value row = arith::AddIOp::create(builder, first, middle), k = high;
  (transposed ? k : row) = arith::AddIOp::create(builder, transposed ? k : row, low);
  return {elementPointer(builder, slot, type, transposed ? k : row, transposed ? row : k), type, transposed};
}

FragmentSource FragmentSource::right(ImplicitLocOpBuilder &builder, Value slot, warp::SlotType type, bool transposed) {
  Value lane = laneIndex(builder);
  Value low = arith::RemUIOp::create(builder, lane, constantI32(builder, 8));
  Value k = eightIf(builder, lane, 8), column = eightIf(builder, lane, 16);
  // Stored rows are columns of the operand when transposed.
  (transposed ? column : k) = arith::AddIOp::create(builder, transposed ? column : k, low);
  return {elementPointer(builder, slot, type, transposed ? column : k, transposed ? k : column), type, transposed};
}

Registers FragmentSource::loadLeft(ImplicitLocOpBuilder &builder, int64_t row, int64_t k) const {
  return loadMatrix(builder, shifted(builder, pointer, type, row, k, transposed), 4, transposed);
}

Registers FragmentSource::loadRight(ImplicitLocOpBuilder &builder, int64_t k, int64_t column, int64_t count) const {
  return loadMatrix(builder, shifted(builder, pointer, type, k, column, transposed), count, !transposed);
}

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
