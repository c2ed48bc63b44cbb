//===- TileAccess.cpp - where the registers of a tile lie in an array -------===//
#include "lib/Conversion/WarpToNVVM/TileAccess.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace heddle;

/// min(size - start, bound) as i32.
static Value remaining(ImplicitLocOpBuilder &builder, Value size, Value start, int64_t bound) {
  Value left = builder.createOrFold<arith::SubIOp>(size, start);
  Value capped = arith::MinSIOp::create(builder, left, arith::ConstantIndexOp::create(builder, bound));
  return arith::IndexCastOp::create(builder, builder.getI32Type(), capped);
}

bool heddle::hasAllColumns(MemRefType memory, Value start, RankedTensorType tile) {
  int64_t last = memory.getRank() - 1;
  std::optional<int64_t> first = getConstantIntValue(start);
  return first && !memory.isDynamicDim(last) && tile.getDimSize(1) % 8 == 0 &&
         *first + tile.getDimSize(1) <= memory.getDimSize(last);
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
  if (!hasAllColumns(memory.getType(), indices[last], tile))
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

void heddle::storeWordsIf(ImplicitLocOpBuilder &builder, ArrayRef<Value> words, Value pointer, Value inside) {
  SmallVector<Value> operands{pointer, arith::ExtUIOp::create(builder, builder.getI32Type(), inside)};
  llvm::append_range(operands, words);
  inlineAsm(builder, {}, operands,
            "{\n.reg .pred p;\nsetp.ne.b32 p, $1, 0;\n@p st.global.v4.b32 [$0], {$2, $3, $4, $5};\n}", "l,r,r,r,r,r");
}
