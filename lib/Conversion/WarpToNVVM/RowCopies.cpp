//===- RowCopies.cpp - rows from anywhere to a slot -------------------------===//
//
// Four lanes hold the coordinates of a row, and those of eight rows lie in the same
// register of a warp. A row is copied in pieces of 16 bytes by as many lanes side by side
// as divide it, so that requests are for whole lines: where it lies, they ask the lane that
// knows. Writes have no bank conflicts in either kind of slot. Where more warps copy than
// share the rows, they take turns.
//
//===----------------------------------------------------------------------===//
#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace heddle;

/// Lanes that hold the coordinates of a row, and rows whose coordinates one register of a warp holds.
static constexpr int64_t holders = 4, rowsOfRegister = 8, pieceBytes = 16, warpLanes = 32;

namespace {
/// Copies the rows that one register of each lane says, in steps of as many rows as a warp copies at a time.
class RowCopier {
public:
  RowCopier(ImplicitLocOpBuilder &builder, warp::GatherOp op, RankedTensorType coordinates);

  /// `source` and `inside` (i1; null: yes) are of the rows of a register, `firstRow` is this warp's first of them.
  void copy(Value source, Value inside, Value firstRow, Value dest, int64_t index);

private:
  Value fromHolder(Value value, Value holder);
  void copyRow(Value source, Value bytes, Value row, Value dest);
  Value targetOf(Value dest, Value row, Value piece);

  ImplicitLocOpBuilder &builder;
  warp::SlotType slot;
  int64_t across;   ///< pieces of a row
  int64_t lanes;    ///< that copy a row together
  bool areAllRows;  ///< every register is a row
  int64_t shares;   ///< warps that take turns with the same rows
  Value share;      ///< this warp's turn; null: every one
  Value rowOfLanes; ///< which of the rows that a warp copies at a time is this lane's
  Value piece;      ///< this lane's first piece of it
};
} // namespace

RowCopier::RowCopier(ImplicitLocOpBuilder &builder, warp::GatherOp op, RankedTensorType coordinates)
    : builder(builder), slot(op.getDest().getType()) {
  across = slot.getShape()[1] * slot.getElementBytes() / pieceBytes;
  int64_t divisor = int64_t(1) << llvm::countr_zero(static_cast<uint64_t>(across));
  lanes = std::clamp<int64_t>(divisor, holders, warpLanes);
  int64_t warpsOfRows = cast<warp::SliceAttr>(coordinates.getEncoding()).getParent().getWarps();
  areAllRows = slot.getShape()[0] % (16 * warpsOfRows) == 0;
  // The copying role is behind the consumers; without roles all warps copy.
  int64_t consumers = consumerWarps(builder), warps = warp::WarpDialect::copyingWarps;
  if (!consumers)
    warps = cast<IntegerAttr>(op->getParentOfType<FunctionOpInterface>()->getAttr(warp::WarpDialect::threadsAttr))
                .getInt() /
            warpLanes;
  shares = std::max<int64_t>(warps / warpsOfRows, 1);
  if (warps != warpsOfRows)
    share = arith::DivUIOp::create(builder, addI32(builder, warpIndex(builder), -consumers),
                                   constantI32(builder, warpsOfRows));
  rowOfLanes = arith::DivUIOp::create(builder, laneIndex(builder), constantI32(builder, lanes));
  piece = arith::RemUIOp::create(builder, laneIndex(builder), constantI32(builder, lanes));
}

/// What lane `holder` holds.
Value RowCopier::fromHolder(Value value, Value holder) {
  auto shuffle = [&](Value word) -> Value {
    return NVVM::ShflOp::create(builder, builder.getI32Type(), constantI32(builder, -1), word, holder,
                                constantI32(builder, warpLanes - 1), NVVM::ShflKind::idx, UnitAttr());
  };
  if (value.getType().isInteger(32))
    return shuffle(value);
  Type word = builder.getI32Type();
  Value number = LLVM::PtrToIntOp::create(builder, builder.getI64Type(), value);
  Value low = arith::TruncIOp::create(builder, word, number);
  Value high =
      arith::TruncIOp::create(builder, word, arith::ShRUIOp::create(builder, number, constantI64(builder, 32)));
  low = arith::ExtUIOp::create(builder, builder.getI64Type(), shuffle(low));
  high = arith::ExtUIOp::create(builder, builder.getI64Type(), shuffle(high));
  number = arith::OrIOp::create(builder, low, arith::ShLIOp::create(builder, high, constantI64(builder, 32)));
  return LLVM::IntToPtrOp::create(builder, value.getType(), number);
}

Value RowCopier::targetOf(Value dest, Value row, Value column) {
  if (slot.isSwizzled())
    return advance(builder, dest, swizzledOffset(builder, slot, row, column));
  Value down = arith::MulIOp::create(builder, row, constantI32(builder, slot.getPitch()));
  Value right = arith::MulIOp::create(builder, column, constantI32(builder, pieceBytes));
  return advance(builder, dest, Value(arith::AddIOp::create(builder, down, right)));
}

void RowCopier::copyRow(Value source, Value bytes, Value row, Value dest) {
  for (int64_t first = 0; first < across; first += lanes) {
    Value here = addI32(builder, piece, first);
    OpBuilder::InsertionGuard guard(builder);
    if (first + lanes > across) {
      Value isPiece = arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, here, constantI32(builder, across));
      builder.setInsertionPointToStart(scf::IfOp::create(builder, isPiece, /*withElseRegion=*/false).thenBlock());
    }
    Value distance = arith::MulIOp::create(builder, here, constantI32(builder, pieceBytes));
    distance = arith::ExtUIOp::create(builder, builder.getI64Type(), distance);
    NVVM::CpAsyncOp::create(builder, targetOf(dest, row, here), advance(builder, source, distance), pieceBytes,
                            NVVM::LoadCacheModifierKind::CG, bytes);
  }
}

void RowCopier::copy(Value source, Value inside, Value firstRow, Value dest, int64_t index) {
  int64_t together = warpLanes / lanes, steps = rowsOfRegister / together;
  Value bytes =
      inside
          ? Value(arith::SelectOp::create(builder, inside, constantI32(builder, pieceBytes), constantI32(builder, 0)))
          : Value();
  for (int64_t step = 0; step < steps; ++step) {
    OpBuilder::InsertionGuard guard(builder);
    if (share) {
      Value turn = constantI32(builder, (index * steps + step) % shares);
      Value isOurs = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, share, turn);
      builder.setInsertionPointToStart(scf::IfOp::create(builder, isOurs, /*withElseRegion=*/false).thenBlock());
    }
    Value down = addI32(builder, rowOfLanes, step * together);
    Value row = arith::AddIOp::create(builder, firstRow, down), from = source, size = bytes;
    if (lanes != holders) {
      Value holder = arith::MulIOp::create(builder, down, constantI32(builder, holders));
      from = fromHolder(source, holder);
      size = bytes ? fromHolder(bytes, holder) : bytes;
    }
    if (!areAllRows) {
      Value isRow =
          arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, row, constantI32(builder, slot.getShape()[0]));
      builder.setInsertionPointToStart(scf::IfOp::create(builder, isRow, /*withElseRegion=*/false).thenBlock());
    }
    copyRow(from, size, row, dest);
  }
}

namespace {
struct LowerGather : OpConversionPattern<warp::GatherOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(warp::GatherOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    MemRefParts memory(cast<MemRefType>(op.getSource().getType()), adaptor.getSource());
    RankedTensorType tile;
    for (Value coordinate : op.getCoordinates())
      if (auto type = dyn_cast<RankedTensorType>(coordinate.getType()))
        tile = type;
    RowCopier copier(builder, op, tile);
    // Of a warp, not of a lane: the rows that a register is about begin at that of lane 0.
    Value lane = arith::DivUIOp::create(builder, laneIndex(builder), constantI32(builder, holders));
    Value origin = arith::SubIOp::create(builder, originOf(builder, tile)[0], lane);
    for (int64_t index = 0, count = layoutOf(tile).registers(tile.getShape()); index < count; ++index) {
      Value source = memory.address(builder, coordinatesOf(builder, memory, adaptor.getCoordinates(), index));
      copier.copy(source, op.getMask() ? adaptor.getMask()[index] : Value(),
                  addI32(builder, origin, layoutOf(tile).offset(index, tile.getShape())[0]), adaptor.getDest()[0],
                  index);
    }
    // The slot's full barrier, when all that this thread has issued has come.
    if (op.getDest().getType().isSwizzled())
      inlineAsm(builder, {}, adaptor.getDest()[1], "cp.async.mbarrier.arrive.noinc.shared::cta.b64 [$0];",
                "r,~{memory}");
    rewriter.eraseOp(op);
    return success();
  }

private:
  /// Of the row in register `index`, kept inside of the array; its columns are inside.
  static SmallVector<Value> coordinatesOf(ImplicitLocOpBuilder &builder, const MemRefParts &memory,
                                          ArrayRef<ValueRange> given, int64_t index) {
    SmallVector<Value> coordinates;
    Value zero = arith::ConstantIndexOp::create(builder, 0), one = arith::ConstantIndexOp::create(builder, 1);
    for (auto [dim, values] : llvm::enumerate(given)) {
      Value value = values.size() == 1 ? values[0] : values[index];
      if (dim + 1 < given.size()) {
        if (!value.getType().isIndex())
          value = arith::IndexCastOp::create(builder, builder.getIndexType(), value);
        value = arith::MinSIOp::create(builder, value, arith::SubIOp::create(builder, memory.size(builder, dim), one));
        value = arith::MaxSIOp::create(builder, value, zero);
      }
      coordinates.push_back(value);
    }
    return coordinates;
  }
};
} // namespace

void heddle::populateRowCopyLowering(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerGather>(converter, patterns.getContext());
}
