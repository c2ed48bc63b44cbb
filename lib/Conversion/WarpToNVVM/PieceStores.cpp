//===- PieceStores.cpp - rows of registers to an array by whole pieces ------===//
//
// The four lanes of a row hold neighbouring pairs of columns, of one atom after another. They exchange words, so that
// each has the 16 bytes of one atom, which is one access.
//
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/TileAccess.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

/// Four atoms side by side make a row of 16 bytes for each of the four lanes that share it.
static constexpr int64_t pieceAtoms = 4, atomRegisters = 4, atomColumns = 8;
static constexpr int64_t pieceRegisters = pieceAtoms * atomRegisters;

/// Exchanges 4x4 words among the four lanes of a row: lane t then holds word t of each.
static void transposeQuad(ImplicitLocOpBuilder &builder, MutableArrayRef<Value> words) {
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

/// Pieces from `begin` to `end` of a thread's.
static void storePieces(ImplicitLocOpBuilder &builder, TileAccess &access, RankedTensorType tile, ValueRange registers,
                        int64_t begin, int64_t end) {
  Value member = arith::AndIOp::create(builder, laneIndex(builder), constantI32(builder, pieceAtoms - 1));
  // A lane's own column is 2 * member of an atom; its piece is all of atom `member`.
  Value distance = arith::MulIOp::create(builder, member, constantI32(builder, 2 * (atomColumns - 2)));
  auto pair = VectorType::get(2, tile.getElementType());
  for (int64_t first = begin * pieceRegisters; first < end * pieceRegisters; first += pieceRegisters)
    for (int64_t half : {0, 2}) {
      SmallVector<Value> words;
      for (int64_t atom = 0; atom < pieceAtoms; ++atom) {
        int64_t index = first + atom * atomRegisters + half;
        Value packed = LLVM::UndefOp::create(builder, pair);
        packed = LLVM::InsertElementOp::create(builder, packed, registers[index], constantI32(builder, 0));
        packed = LLVM::InsertElementOp::create(builder, packed, registers[index + 1], constantI32(builder, 1));
        words.push_back(LLVM::BitcastOp::create(builder, builder.getI32Type(), packed));
      }
      transposeQuad(builder, words);
      Value pointer = advance(builder, access.pointer(first + half), distance);
      storeWordsIf(builder, words, pointer, access.inside(first + half));
    }
}

namespace {
struct LowerPieceStore : OpConversionPattern<tile::StoreOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tile::StoreOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    RankedTensorType tile = op.getValue().getType();
    SmallVector<Value> indices = singles(adaptor.getIndices());
    auto layout = dyn_cast<warp::FragAttr>(tile.getEncoding());
    if (!op->hasAttr(warp::WarpDialect::piecesAttr) || !layout || layout.getKind() != warp::FragKind::acc ||
        tile.getElementTypeBitWidth() != 16 || tile.getDimSize(1) % (pieceAtoms * atomColumns) != 0 ||
        !(op.getColumn() || hasAllColumns(cast<MemRefType>(op.getDest().getType()), indices.back(), tile)))
      return rewriter.notifyMatchFailure(op, "not of whole pieces");
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    MemRefParts memory(cast<MemRefType>(op.getDest().getType()), adaptor.getDest());
    Value limit = op.getLimit() ? adaptor.getLimit()[0] : Value();
    ValueRange registers = adaptor.getValue();
    auto store = [&](ImplicitLocOpBuilder &b, int64_t begin, int64_t end) {
      TileAccess access(b, op, memory, indices, limit, tile);
      storePieces(b, access, tile, registers, begin, end);
    };
    // Groups of warps that hold the same share the work.
    constexpr int64_t groupWarps = 4;
    int64_t warps = layout.getWarps(), all = consumerWarps(builder), pieces = registers.size() / pieceRegisters;
    int64_t copies = std::max<int64_t>(warps % groupWarps == 0 && all % warps == 0 ? all / warps : 1, 1);
    if (copies == 1 || pieces % copies != 0) {
      store(builder, 0, pieces);
    } else {
      Value copy = arith::DivUIOp::create(builder, warpIndex(builder), constantI32(builder, warps));
      for (int64_t number = 0; number < copies; ++number) {
        Value isThis = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, copy, constantI32(builder, number));
        auto branch = scf::IfOp::create(builder, isThis, /*withElseRegion=*/false);
        ImplicitLocOpBuilder inner(op.getLoc(), branch.getThenBodyBuilder());
        store(inner, pieces / copies * number, pieces / copies * (number + 1));
      }
    }
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void heddle::populatePieceStoreLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerPieceStore>(converter, patterns.getContext(), /*benefit=*/2);
}
