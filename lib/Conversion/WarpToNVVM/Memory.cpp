//===- Memory.cpp - arrays to registers and back ----------------------------===//
#include "dialects/Tile/BoxRows.h"
#include "dialects/Tile/TileOps.h"
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace heddle;

using Registers = SmallVector<Value>;

namespace {
/// Where in an array the registers of a tile lie, and which of them lie inside.
class TileAccess {
public:
  TileAccess(ImplicitLocOpBuilder &builder, const MemRefParts &memory, ValueRange indices, Value limit,
             std::optional<int64_t> rowDim, bool column, std::optional<tile::BoxRows> box, RankedTensorType tile);

  Value pointer(int64_t index);
  Value inside(int64_t index);
  bool hasAllColumns() const { return !columnBound; }

private:
  Value rowInside(int64_t row), columnInside(int64_t column);

  ImplicitLocOpBuilder &builder;
  const MemRefParts &memory;
  RankedTensorType tile;
  warp::LayoutInterface layout;
  bool column;
  std::optional<tile::BoxRows> box;
  Value base, rowOrigin, columnOrigin, rowStride, rowBound, columnBound; // bounds are null where all is inside
  Value secondStride, secondBound;                                       // of a box
  DenseMap<int64_t, Value> rowPointers, rowGuards, columnGuards;
};
} // namespace

/// min(size - start, bound) as i32.
static Value remaining(ImplicitLocOpBuilder &builder, Value size, Value start, int64_t bound) {
  Value left = builder.createOrFold<arith::SubIOp>(size, start);
  Value capped = arith::MinSIOp::create(builder, left, arith::ConstantIndexOp::create(builder, bound));
  return arith::IndexCastOp::create(builder, builder.getI32Type(), capped);
}

static std::optional<int64_t> constantOf(Value value) {
  APInt constant;
  return matchPattern(value, m_ConstantInt(&constant)) ? std::optional<int64_t>(constant.getSExtValue()) : std::nullopt;
}

TileAccess::TileAccess(ImplicitLocOpBuilder &builder, const MemRefParts &memory, ValueRange indices, Value limit,
                       std::optional<int64_t> rowDim, bool column, std::optional<tile::BoxRows> box,
                       RankedTensorType tile)
    : builder(builder), memory(memory), tile(tile), layout(layoutOf(tile)), column(column), box(box) {
  int64_t rank = memory.getType().getRank(), last = rank - 1;
  // Where some warps multiply, registers are short: what follows from the thread alone does not stay in them.
  std::array<Value, 2> origin =
      consumerWarps(builder) && isAroundLoops(builder) ? originHere(builder, tile) : originOf(builder, tile);
  rowOrigin = origin[0];
  columnOrigin = origin[1];
  base = memory.address(builder, indices);
  int64_t rows = column && !box ? last : rowDim.value_or(rank - 2);
  if (rows >= 0) {
    rowStride = memory.stride(builder, rows);
    rowBound = remaining(builder, limit ? limit : memory.size(builder, rows), indices[rows], tile.getDimSize(0));
  }
  if (box) {
    Value left = builder.createOrFold<arith::SubIOp>(limit ? limit : memory.size(builder, rows), indices[rows]);
    rowBound = arith::IndexCastOp::create(builder, builder.getI32Type(), left);
    secondStride = memory.stride(builder, rows + 1);
    secondBound = remaining(builder, memory.size(builder, rows + 1), indices[rows + 1], tile.getDimSize(0));
  }
  // A column of an array has its only column inside.
  if (column)
    return;
  std::optional<int64_t> start = constantOf(indices[last]);
  bool whole = start && !memory.getType().isDynamicDim(last) && tile.getDimSize(1) % 8 == 0 &&
               *start + tile.getDimSize(1) <= memory.getType().getDimSize(last);
  if (!whole)
    columnBound = remaining(builder, memory.size(builder, last), indices[last], tile.getDimSize(1));
}

Value TileAccess::rowInside(int64_t row) {
  Value &guard = rowGuards[row];
  if (!guard && box) {
    auto [first, second] = box->distances(builder, builder.getLoc(), addI32(builder, rowOrigin, row));
    guard = arith::AndIOp::create(builder, arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, first, rowBound),
                                  arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, second, secondBound));
  }
  if (!guard)
    guard = arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, addI32(builder, rowOrigin, row), rowBound);
  return guard;
}

Value TileAccess::columnInside(int64_t position) {
  Value &guard = columnGuards[position];
  if (!guard)
    guard =
        arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, addI32(builder, columnOrigin, position), columnBound);
  return guard;
}

Value TileAccess::inside(int64_t index) {
  std::array<int64_t, 2> offset = layout.offset(index, tile.getShape());
  Value row = rowBound ? rowInside(offset[0]) : Value();
  Value other = columnBound ? columnInside(offset[1]) : Value();
  if (row && other)
    return arith::AndIOp::create(builder, row, other);
  if (row || other)
    return row ? row : other;
  return arith::ConstantIntOp::create(builder, 1, 1);
}

Value TileAccess::pointer(int64_t index) {
  std::array<int64_t, 2> offset = layout.offset(index, tile.getShape());
  Location loc = builder.getLoc();
  Type element = memory.getType().getElementType(), pointerType = base.getType();
  Value &row = rowPointers[offset[0]];
  if (!row) {
    row = base;
    auto move = [&](Value count, Value stride) {
      Value distance = arith::ExtSIOp::create(builder, loc, builder.getI64Type(), count);
      distance = arith::MulIOp::create(builder, loc, distance, stride);
      row =
          LLVM::GEPOp::create(builder, loc, pointerType, element, row, ArrayRef<LLVM::GEPArg>(LLVM::GEPArg(distance)));
    };
    if (box) {
      auto [first, second] = box->distances(builder, loc, addI32(builder, rowOrigin, offset[0]));
      move(first, rowStride);
      move(second, secondStride);
    } else if (rowStride)
      move(addI32(builder, rowOrigin, offset[0]), rowStride);
    if (!column)
      row = LLVM::GEPOp::create(builder, loc, pointerType, element, row,
                                ArrayRef<LLVM::GEPArg>(LLVM::GEPArg(columnOrigin)));
  }
  if (offset[1] == 0)
    return row;
  return LLVM::GEPOp::create(builder, loc, pointerType, element, row,
                             ArrayRef<LLVM::GEPArg>(LLVM::GEPArg(static_cast<int32_t>(offset[1]))));
}

/// Registers that one access moves: 2 when pairs of columns are aligned and inside or outside together.
static int64_t accessWidth(Operation *op, RankedTensorType tile) {
  bool pairs = op->hasAttr(warp::WarpDialect::pairsAttr) && tile.getElementTypeBitWidth() >= 16;
  return pairs ? layoutOf(tile).vectorWidth() : 1;
}

namespace {
struct LowerLoad : OpConversionPattern<tile::LoadOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tile::LoadOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SmallVector<Value> indices = singles(adaptor.getIndices());
    MemRefParts memory(cast<MemRefType>(op.getSource().getType()), adaptor.getSource());
    RankedTensorType tile = op.getResult().getType();
    Value limit = op.getLimit() ? adaptor.getLimit()[0] : Value();
    TileAccess access(builder, memory, indices, limit, op.getRowDim(), op.getColumn(), tile::BoxRows::of(op), tile);
    int64_t width = accessWidth(op, tile);
    Type element = tile.getElementType();
    Registers registers;
    for (int64_t index = 0, count = layoutOf(tile).registers(tile.getShape()); index < count; index += width) {
      Type type = width == 1 ? element : VectorType::get(width, element);
      Value loaded = loadIf(builder, type, access.pointer(index), access.inside(index));
      for (int64_t part = 0; part < width; ++part)
        registers.push_back(
            width == 1 ? loaded : Value(LLVM::ExtractElementOp::create(builder, loaded, constantI32(builder, part))));
    }
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{registers});
    return success();
  }
};

/// Exchanges 4x4 words among the four lanes of a row: lane t then holds word t of each.
void transposeQuad(ImplicitLocOpBuilder &builder, MutableArrayRef<Value> words) {
  Value lane = laneIndex(builder);
  for (int64_t bit : {1, 2}) {
    Value masked = arith::AndIOp::create(builder, lane, constantI32(builder, bit));
    Value isUpper = arith::CmpIOp::create(builder, arith::CmpIPredicate::ne, masked, constantI32(builder, 0));
    for (int64_t low : {0, 1, 2, 3}) {
      if (low & bit)
        continue;
      Value &a = words[low], &b = words[low + bit];
      Value received = shuffleXor(builder, arith::SelectOp::create(builder, isUpper, a, b), bit);
      Value newA = arith::SelectOp::create(builder, isUpper, received, a);
      b = arith::SelectOp::create(builder, isUpper, b, received);
      a = newA;
    }
  }
}

struct LowerStore : OpConversionPattern<tile::StoreOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tile::StoreOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SmallVector<Value> indices = singles(adaptor.getIndices());
    MemRefParts memory(cast<MemRefType>(op.getDest().getType()), adaptor.getDest());
    RankedTensorType tile = op.getValue().getType();
    Value limit = op.getLimit() ? adaptor.getLimit()[0] : Value();
    TileAccess access(builder, memory, indices, limit, op.getRowDim(), op.getColumn(), tile::BoxRows::of(op), tile);
    int64_t width = accessWidth(op, tile);
    ValueRange registers = adaptor.getValue();
    if (movesPieces(op, access)) {
      // Groups of warps that hold the same share the work.
      constexpr int64_t groupWarps = 4;
      int64_t warps = cast<warp::FragAttr>(tile.getEncoding()).getWarps(), all = consumerWarps(builder);
      int64_t pieces = registers.size() / pieceRegisters;
      int64_t copies = std::max<int64_t>(warps % groupWarps == 0 && all % warps == 0 ? all / warps : 1, 1);
      copies = pieces % copies == 0 ? copies : 1;
      if (copies == 1)
        storePieces(builder, access, tile, registers, 0, pieces);
      Value copy = arith::DivUIOp::create(builder, warpIndex(builder), constantI32(builder, warps));
      for (int64_t number = 0; copies > 1 && number < copies; ++number) {
        Value isThis = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, copy, constantI32(builder, number));
        auto branch = scf::IfOp::create(builder, isThis, /*withElseRegion=*/false);
        ImplicitLocOpBuilder inner(op.getLoc(), branch.getThenBodyBuilder());
        TileAccess own(inner, memory, indices, limit, op.getRowDim(), op.getColumn(), tile::BoxRows::of(op), tile);
        storePieces(inner, own, tile, registers, pieces / copies * number, pieces / copies * (number + 1));
      }
      rewriter.eraseOp(op);
      return success();
    }
    for (int64_t index = 0, count = registers.size(); index < count; index += width) {
      Value value = registers[index];
      if (width > 1) {
        value = LLVM::UndefOp::create(builder, VectorType::get(width, tile.getElementType()));
        for (int64_t part = 0; part < width; ++part)
          value = LLVM::InsertElementOp::create(builder, value, registers[index + part], constantI32(builder, part));
      }
      storeIf(builder, value, access.pointer(index), access.inside(index));
    }
    rewriter.eraseOp(op);
    return success();
  }

private:
  /// Four atoms side by side make a row of 16 bytes for each of the four lanes that share it.
  static constexpr int64_t pieceAtoms = 4, atomRegisters = 4, atomColumns = 8;
  static constexpr int64_t pieceRegisters = pieceAtoms * atomRegisters;

  static bool movesPieces(tile::StoreOp op, const TileAccess &access) {
    RankedTensorType tile = op.getValue().getType();
    auto layout = dyn_cast<warp::FragAttr>(tile.getEncoding());
    return op->hasAttr(warp::WarpDialect::piecesAttr) && layout && layout.getKind() == warp::FragKind::acc &&
           tile.getElementTypeBitWidth() == 16 && tile.getDimSize(1) % (pieceAtoms * atomColumns) == 0 &&
           access.hasAllColumns();
  }

  /// Pieces from `begin` to `end` of a thread's.
  static void storePieces(ImplicitLocOpBuilder &builder, TileAccess &access, RankedTensorType tile,
                          ValueRange registers, int64_t begin, int64_t end) {
    Value member = arith::AndIOp::create(builder, laneIndex(builder), constantI32(builder, pieceAtoms - 1));
    // A lane's own column is 2 * member of an atom; its piece is all of atom `member`.
    Value distance = arith::MulIOp::create(builder, member, constantI32(builder, 2 * (atomColumns - 2)));
    auto pair = VectorType::get(2, tile.getElementType());
    for (int64_t first = begin * pieceRegisters; first < end * pieceRegisters; first += pieceRegisters)
      for (int64_t half : {0, 2}) {
        Registers words;
        for (int64_t atom = 0; atom < pieceAtoms; ++atom) {
          int64_t index = first + atom * atomRegisters + half;
          Value packed = LLVM::UndefOp::create(builder, pair);
          packed = LLVM::InsertElementOp::create(builder, packed, registers[index], constantI32(builder, 0));
          packed = LLVM::InsertElementOp::create(builder, packed, registers[index + 1], constantI32(builder, 1));
          words.push_back(LLVM::BitcastOp::create(builder, builder.getI32Type(), packed));
        }
        transposeQuad(builder, words);
        Value pointer = advance(builder, access.pointer(first + half), distance);
        words.insert(words.begin(),
                     {pointer, arith::ExtUIOp::create(builder, builder.getI32Type(), access.inside(first + half))});
        inlineAsm(builder, {}, words,
                  "{\n.reg .pred p;\nsetp.ne.b32 p, $1, 0;\n@p st.global.v4.b32 [$0], {$2, $3, $4, $5};\n}",
                  "l,r,r,r,r,r");
      }
  }
};

/// Coordinates are clamped, so that every address is an element's.
struct LowerGather : OpConversionPattern<tile::GatherOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tile::GatherOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    Location loc = op.getLoc();
    MemRefParts memory(cast<MemRefType>(op.getSource().getType()), adaptor.getSource());
    RankedTensorType tile = op.getResult().getType();
    warp::LayoutInterface layout = layoutOf(tile);
    SmallVector<Value> limits;
    for (int64_t dim = 0, rank = memory.getType().getRank(); dim < rank; ++dim)
      limits.push_back(builder.createOrFold<arith::SubIOp>(memory.size(builder, dim),
                                                           arith::ConstantIndexOp::create(builder, loc, 1)));
    Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
    Registers registers;
    for (int64_t index = 0, count = layout.registers(tile.getShape()); index < count; ++index) {
      SmallVector<Value> coordinates;
      for (auto [dim, operand] : llvm::enumerate(op.getCoordinates())) {
        Value value = pick(operand, adaptor.getCoordinates()[dim], tile, index);
        if (!value.getType().isIndex())
          value = arith::IndexCastOp::create(builder, loc, builder.getIndexType(), value);
        value = arith::MinSIOp::create(builder, loc, value, limits[dim]);
        coordinates.push_back(arith::MaxSIOp::create(builder, loc, value, zero));
      }
      Value inside = op.getMask() ? pick(op.getMask(), adaptor.getMask(), tile, index)
                                  : Value(arith::ConstantIntOp::create(builder, loc, 1, 1));
      registers.push_back(loadIf(builder, tile.getElementType(), memory.address(builder, coordinates), inside));
    }
    rewriter.replaceOpWithMultiple(op, SmallVector<Registers>{registers});
    return success();
  }

private:
  /// The register of an operand that goes with register `index` of the result.
  static Value pick(Value operand, ValueRange values, RankedTensorType tile, int64_t index) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    if (!type)
      return values[0];
    std::array<int64_t, 2> wanted = layoutOf(tile).offset(index, tile.getShape());
    for (int64_t dim : {0, 1})
      if (type.getDimSize(dim) == 1)
        wanted[dim] = 0;
    for (size_t candidate = 0; candidate < values.size(); ++candidate)
      if (layoutOf(type).offset(candidate, type.getShape()) == wanted)
        return values[candidate];
    llvm_unreachable("layouts of operand and result agree");
  }
};

struct LowerAtomicMax : OpConversionPattern<tile::AtomicMaxOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tile::AtomicMaxOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SmallVector<Value> indices = singles(adaptor.getIndices());
    MemRefParts memory(cast<MemRefType>(op.getDest().getType()), adaptor.getDest());
    Value pointer = memory.address(builder, indices);
    Value first =
        arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, threadIndex(builder), constantI32(builder, 0));
    auto branch = scf::IfOp::create(builder, first, /*withElseRegion=*/false);
    OpBuilder inside = branch.getThenBodyBuilder();
    LLVM::AtomicRMWOp::create(inside, op.getLoc(), LLVM::AtomicBinOp::max, pointer, adaptor.getValue()[0],
                              LLVM::AtomicOrdering::monotonic);
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerScalarLoad : OpConversionPattern<memref::LoadOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(memref::LoadOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SmallVector<Value> indices = singles(adaptor.getIndices());
    MemRefParts memory(op.getMemRefType(), adaptor.getMemref());
    rewriter.replaceOpWithNewOp<LLVM::LoadOp>(op, op.getType(), memory.address(builder, indices));
    return success();
  }
};

/// One thread writes; `tile-to-warp` has put barriers where others read.
struct LowerScalarStore : OpConversionPattern<memref::StoreOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(memref::StoreOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    SmallVector<Value> indices = singles(adaptor.getIndices());
    MemRefParts memory(op.getMemRefType(), adaptor.getMemref());
    Value pointer = memory.address(builder, indices);
    Value first =
        arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, threadIndex(builder), constantI32(builder, 0));
    storeIf(builder, adaptor.getValue()[0], pointer, first);
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerDim : OpConversionPattern<memref::DimOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(memref::DimOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    std::optional<int64_t> dim = op.getConstantIndex();
    auto type = dyn_cast<MemRefType>(op.getSource().getType());
    if (!dim || !type)
      return rewriter.notifyMatchFailure(op, "not a constant dimension");
    rewriter.replaceOp(op, MemRefParts(type, adaptor.getSource()).size(builder, *dim));
    return success();
  }
};
} // namespace

void heddle::populateMemoryLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerLoad, LowerStore, LowerGather, LowerAtomicMax, LowerScalarLoad, LowerScalarStore, LowerDim>(
      converter, patterns.getContext());
}
