//===- MemoryAccess.cpp - tiles of the caller's arrays ----------------------===//
//
// A tile that lies inside its array is read where it is; one that sticks out is copied with zeros around. Operands of
// dots are also widened, or turned so that the wanted axis is contiguous, once, where they are loaded.
//
//===----------------------------------------------------------------------===//
#include "dialects/Tile/BoxRows.h"
#include "lib/Conversion/TileToCPU/KernelEmitter.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::cpu;

namespace {
/// The rectangle of an array that a load or store touches, as a view of static shape that may reach beyond the array,
/// and how much of it is inside. A vector tile is a view of rank 1 when its elements are adjacent.
struct Area {
  Value view;
  Value rowsInside, columnsInside;            // not clamped to the tile
  std::optional<int64_t> staticColumnsInside; // clamped
  int64_t rows, columns;
  Value rowStride;
  // Rows of a box lie apart: each is a view of its own, and inside or not for itself.
  std::function<Value(Value)> viewOfRow, isRowInside;

  /// Where in which view a row begins.
  std::pair<Value, Value> at(ImplicitLocOpBuilder &b, Value row) const {
    if (!viewOfRow)
      return {view, row};
    return {viewOfRow(row), arith::ConstantIndexOp::create(b, 0)};
  }
  Value isInside(ImplicitLocOpBuilder &b, Value row) const {
    return isRowInside ? isRowInside(row) : arith::CmpIOp::create(b, arith::CmpIPredicate::slt, row, rowsInside);
  }
};
} // namespace

/// Adds how the rows of a box are found, if they are those of one.
template <typename Access>
static void placeBox(ImplicitLocOpBuilder &b, Access op, Area &area, memref::ExtractStridedMetadataOp metadata,
                     Value offset, ValueRange indices, Value limit) {
  std::optional<tile::BoxRows> box = tile::BoxRows::of(op);
  if (!box)
    return;
  int64_t dim = *op.getRowDim();
  Value firstLeft = arith::SubIOp::create(b, limit ? limit : metadata.getSizes()[dim], indices[dim]);
  Value secondLeft = arith::SubIOp::create(b, metadata.getSizes()[dim + 1], indices[dim + 1]);
  Value buffer = metadata.getBaseBuffer(), firstStride = metadata.getStrides()[dim];
  Value secondStride = metadata.getStrides()[dim + 1];
  auto whole = cast<MemRefType>(area.view.getType());
  auto layout = StridedLayoutAttr::get(b.getContext(), ShapedType::kDynamic, {area.columns, 1});
  auto type = MemRefType::get({1, area.columns}, whole.getElementType(), layout, whole.getMemorySpace());
  OpFoldResult one = b.getIndexAttr(1), columns = b.getIndexAttr(area.columns);
  area.viewOfRow = [=, &b](Value row) -> Value {
    auto [first, second] = box->distances(b, b.getLoc(), row);
    Value here = arith::AddIOp::create(b, offset, arith::MulIOp::create(b, first, firstStride));
    here = arith::AddIOp::create(b, here, arith::MulIOp::create(b, second, secondStride));
    return memref::ReinterpretCastOp::create(b, type, buffer, OpFoldResult(here), ArrayRef<OpFoldResult>{one, columns},
                                             ArrayRef<OpFoldResult>{columns, one});
  };
  area.isRowInside = [=, &b](Value row) -> Value {
    auto [first, second] = box->distances(b, b.getLoc(), row);
    return arith::AndIOp::create(b, arith::CmpIOp::create(b, arith::CmpIPredicate::slt, first, firstLeft),
                                 arith::CmpIOp::create(b, arith::CmpIPredicate::slt, second, secondLeft));
  };
}

template <typename Access>
static Area areaOf(ImplicitLocOpBuilder &b, Access op, RankedTensorType tile, Value memory, ValueRange indices,
                   Value limit) {
  auto type = cast<MemRefType>(memory.getType());
  int64_t rank = type.getRank(), last = rank - 1, rowDim = op.getRowDim().value_or(std::max<int64_t>(rank - 2, 0));
  auto constant = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(b, value); };
  auto metadata = memref::ExtractStridedMetadataOp::create(b, memory);
  Value offset = metadata.getOffset();
  for (int64_t dim = 0; dim < rank; ++dim)
    offset = arith::AddIOp::create(b, offset, arith::MulIOp::create(b, indices[dim], metadata.getStrides()[dim]));
  auto inside = [&](int64_t dim, Value bound) -> Value {
    if (!bound)
      bound = type.isDynamicDim(dim) ? metadata.getSizes()[dim] : constant(type.getDimSize(dim));
    return arith::SubIOp::create(b, bound, indices[dim]);
  };
  Area area;
  bool isColumn = op.getColumn() && !op.getBox();
  area.rows = tile.getDimSize(0);
  area.columns = tile.getDimSize(1);
  if (isColumn) { // handled as a row: its elements are adjacent
    std::swap(area.rows, area.columns);
    area.rowsInside = constant(1);
    area.columnsInside = inside(last, limit);
  } else if (op.getColumn()) { // of a box, whose rows have an element each
    area.rowsInside = constant(area.rows);
    area.columnsInside = constant(1);
    area.staticColumnsInside = 1;
  } else {
    area.columnsInside = inside(last, rank == 1 ? limit : Value());
    area.rowsInside = rank == 1 ? constant(1) : inside(rowDim, limit);
    llvm::APInt start;
    if (!type.isDynamicDim(last) && matchPattern(indices[last], m_ConstantInt(&start)))
      area.staticColumnsInside = std::clamp<int64_t>(type.getDimSize(last) - start.getSExtValue(), 0, area.columns);
  }
  int64_t dynamic = ShapedType::kDynamic;
  Value rowStride = rank == 1 || isColumn ? constant(area.columns) : metadata.getStrides()[rowDim];
  area.rowStride = rowStride;
  // Rows known to be adjacent give addresses that instructions hold.
  SmallVector<int64_t> strides;
  int64_t offsetOfType;
  bool isPacked = rank > 1 && !isColumn && succeeded(type.getStridesAndOffset(strides, offsetOfType)) &&
                  strides[rowDim] == area.columns;
  OpFoldResult stride = isPacked ? OpFoldResult(b.getIndexAttr(area.columns)) : OpFoldResult(rowStride);
  auto layout = StridedLayoutAttr::get(b.getContext(), dynamic, {isPacked ? area.columns : dynamic, 1});
  auto viewType = MemRefType::get({area.rows, area.columns}, type.getElementType(), layout, type.getMemorySpace());
  area.view =
      memref::ReinterpretCastOp::create(b, viewType, metadata.getBaseBuffer(), OpFoldResult(offset),
                                        ArrayRef<OpFoldResult>{b.getIndexAttr(area.rows), b.getIndexAttr(area.columns)},
                                        ArrayRef<OpFoldResult>{stride, b.getIndexAttr(1)});
  placeBox(b, op, area, metadata, offset, indices, limit);
  return area;
}

/// A view of one row, or of a packed column, as an array.
static Value flattened(ImplicitLocOpBuilder &b, Value view) {
  auto type = cast<MemRefType>(view.getType());
  auto metadata = memref::ExtractStridedMetadataOp::create(b, view);
  auto layout = StridedLayoutAttr::get(b.getContext(), ShapedType::kDynamic, {1});
  auto flat = MemRefType::get({type.getNumElements()}, type.getElementType(), layout, type.getMemorySpace());
  return memref::ReinterpretCastOp::create(b, flat, metadata.getBaseBuffer(), OpFoldResult(metadata.getOffset()),
                                           ArrayRef<OpFoldResult>{b.getIndexAttr(type.getNumElements())},
                                           ArrayRef<OpFoldResult>{b.getIndexAttr(1)});
}

Stored KernelEmitter::viewOf(tile::LoadOp op, bool compact) {
  RankedTensorType tile = op.getResult().getType();
  SmallVector<Value> indices = mapScalars(op.getIndices());
  Area area = areaOf(b, op, tile, scalar(op.getSource()), indices, op.getLimit() ? scalar(op.getLimit()) : Value());
  auto viewType = cast<MemRefType>(area.view.getType());
  Type element = tile.getElementType();
  auto sge = [&](Value a, Value c) -> Value { return arith::CmpIOp::create(b, arith::CmpIPredicate::sge, a, c); };
  auto copy = [&](bool isZero, Value to, Value row, int64_t start, int64_t end) {
    auto [from, fromRow] = isZero ? std::pair(Value(), Value()) : area.at(b, row);
    for (Chunk chunk : chunksOf(end - start, lanesPerVector()))
      repeat(chunk.count, 1, [&](Value i) {
        Value column = plus(arith::MulIOp::create(b, i, constant(chunk.width)), start + chunk.start);
        auto type = VectorType::get({chunk.width}, element);
        Value vector = !isZero ? vector::LoadOp::create(b, type, from, ValueRange{fromRow, column}).getResult()
                               : arith::ConstantOp::create(b, b.getZeroAttr(type)).getResult();
        vector::StoreOp::create(b, vector, to, ValueRange{row, column});
      });
  };
  Value allRows = sge(area.rowsInside, constant(area.rows));
  Value allColumns = area.staticColumnsInside
                         ? arith::ConstantIntOp::create(b, *area.staticColumnsInside == area.columns, 1).getResult()
                         : sge(area.columnsInside, constant(area.columns));
  // Adjacent elements of one row, or rows of more than one element, can be used in place.
  bool adjacent = area.columns > 1 || area.rows == 1;
  bool inPlace = adjacent && !op.getBox() && !writtenArrays.contains(op.getSource()) &&
                 area.staticColumnsInside.value_or(area.columns) == area.columns;
  Value buffer = allocate({area.rows, area.columns}, element);
  auto fill = [&]() {
    repeat(area.rows, 1, [&](Value row) {
      Value inRow = area.isInside(b, row);
      auto rowIf = scf::IfOp::create(b, TypeRange(), inRow, /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(rowIf.thenYield());
      if (area.staticColumnsInside) {
        copy(false, buffer, row, 0, *area.staticColumnsInside);
        copy(true, buffer, row, *area.staticColumnsInside, area.columns);
      } else {
        auto columnIf = scf::IfOp::create(b, TypeRange(), allColumns, /*withElseRegion=*/true);
        b.setInsertionPoint(columnIf.thenYield());
        copy(false, buffer, row, 0, area.columns);
        b.setInsertionPoint(columnIf.elseYield());
        copy(true, buffer, row, 0, area.columns);
        Value end = arith::MaxSIOp::create(b, area.columnsInside, constant(0));
        auto loop = scf::ForOp::create(b, constant(0), end, constant(1));
        b.setInsertionPointToStart(loop.getBody());
        auto [view, viewRow] = area.at(b, row);
        Value one = memref::LoadOp::create(b, view, ValueRange{viewRow, loop.getInductionVar()});
        memref::StoreOp::create(b, one, buffer, ValueRange{row, loop.getInductionVar()});
      }
      b.setInsertionPoint(rowIf.elseYield());
      copy(true, buffer, row, 0, area.columns);
    });
  };
  Value view;
  if (inPlace) {
    Value whole = arith::AndIOp::create(b, allRows, allColumns);
    if (compact && area.rows > 1) {
      // Rows far apart fall into few sets of the cache, so what is read many times is brought together.
      Value near = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, area.rowStride, constant(2 * area.columns));
      whole = arith::AndIOp::create(b, whole, near);
    }
    auto choice = scf::IfOp::create(b, TypeRange(viewType), whole, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(choice.thenBlock());
    scf::YieldOp::create(b, area.view);
    b.setInsertionPointToEnd(choice.elseBlock());
    fill();
    scf::YieldOp::create(b, memref::CastOp::create(b, viewType, buffer).getResult());
    view = choice.getResult(0);
  } else {
    fill();
    view = memref::CastOp::create(b, viewType, buffer);
  }
  if (!isVectorTile(tile))
    return {view, 1, false};
  return {flattened(b, view), layout.lanesOf(op.getResult()), false};
}

void KernelEmitter::emitLoad(tile::LoadOp op) {
  Value result = op.getResult();
  RankedTensorType type = op.getResult().getType();
  llvm::SmallDenseMap<int, int64_t> wanted;
  noteDotUses(result, /*transposed=*/false, wanted);
  constexpr int kScalars = -1; // read one element at a time, in whatever order it lies
  bool isNarrow = type.getElementType() != b.getF32Type();
  bool readInPlace = (wanted.contains(kScalars) && !isNarrow) || feedsMatrixUnit(result);
  Stored view = viewOf(op, /*compact=*/readInPlace);
  remember(result, view);
  packForMatrixUnit(result, /*transposed=*/false, result);
  Type f32 = b.getF32Type();
  if (isVectorTile(type)) {
    if (isNarrow && !wanted.empty())
      remember(result, packed(view, type, f32, view.lanes));
    return;
  }
  // Vectors read often enough are worth copying into panels: rows far apart compete for the same cache lines.
  constexpr int64_t kManyRows = 32;
  for (int lanes : {0, 1})
    if (auto it = wanted.find(lanes); it != wanted.end() && (lanes == 0 || isNarrow || it->second >= kManyRows))
      remember(result, packed(view, type, f32, lanes));
  if (wanted.contains(kScalars) && isNarrow && forms[result].size() == 1)
    remember(result, packed(view, type, f32, 1));
  // Element-wise users that have rows in lanes want whole vectors, too.
  bool turned = llvm::any_of(result.getUsers(), [&](Operation *user) {
    if (isVirtual(user) && user->hasTrait<OpTrait::Elementwise>())
      return layout.lanesOf(user->getResult(0)) == 0 && !isBypassed(user);
    return isa<tile::TransposeOp>(user) && !wanted.contains(0) && !feedsDot(user->getResult(0)) &&
           !llvm::all_of(user->getUsers(), llvm::IsaPred<tile::PairOp>) && layout.lanesOf(user->getResult(0)) == 1;
  });
  if (turned)
    remember(result, packed(view, type, type.getElementType(), 0));
}

/// A copy of `from` with other element type or orientation.
Stored KernelEmitter::packed(const Stored &from, RankedTensorType type, Type element, int lanes) {
  Stored to = allocateFor(type, element, lanes);
  to.owned = false; // one of several forms of a value: never overwritten
  if (from.lanes != lanes && !isVectorTile(type)) {
    copyTransposed(from, to, type);
    return to;
  }
  int64_t size = type.getDimSize(lanes), others = type.getNumElements() / size;
  for (Chunk chunk : laneChunks(size))
    repeat(others, 1, [&](Value other) {
      repeat(chunk.count, 1, [&](Value i) {
        Value lane = laneOf(i, chunk);
        At at{lanes == 0 ? lane : other, lanes == 0 ? other : lane, lanes, chunk.width};
        writeForm(to, at, readForm(from, at));
      });
    });
  return to;
}

/// Exchange row and column bits one at a time: after log2(n) steps n vectors of n elements are transposed.
void cpu::transposeInRegisters(ImplicitLocOpBuilder &b, SmallVectorImpl<Value> &rows) {
  int64_t size = rows.size();
  for (int64_t bit = size / 2; bit > 0; bit /= 2)
    for (int64_t i = 0; i < size; ++i) {
      if (i & bit)
        continue;
      SmallVector<int64_t> low(size), high(size);
      for (int64_t lane = 0; lane < size; ++lane) {
        bool upper = lane & bit;
        low[lane] = upper ? size + lane - bit : lane;
        high[lane] = upper ? size + lane : lane + bit;
      }
      Value first = rows[i], second = rows[i + bit];
      rows[i] = vector::ShuffleOp::create(b, first, second, low);
      rows[i + bit] = vector::ShuffleOp::create(b, first, second, high);
    }
}

/// Write `to`, which is contiguous along the other axis than `from`.
void KernelEmitter::copyTransposed(const Stored &from, const Stored &to, RankedTensorType type) {
  int64_t width = lanesPerVector();
  // Squares of a vector's width; `step` runs over them along one axis, panel by panel.
  auto along = [&](int64_t size, llvm::function_ref<void(Value)> body) {
    int64_t panel = panelWidth(size);
    if (!panel)
      panel = width;
    repeat(size / panel, 1, [&](Value i) {
      Value lane = laneOf(i, Chunk{0, panel, size / panel});
      repeat(panel, width, [&](Value within) {
        llvm::APInt known;
        if (matchPattern(within, m_ConstantInt(&known))) {
          body(plus(lane, known.getSExtValue()));
          return;
        }
        Value place = arith::AddIOp::create(b, lane, within);
        lanePlaces[place] = {size == panel ? constant(0) : i, within, 0, panel};
        body(place);
      });
    });
  };
  int source = from.lanes, target = to.lanes;
  int64_t sourceSize = type.getDimSize(source), targetSize = type.getDimSize(target);
  auto at = [&](int lanes, Value lane, Value other, int64_t count) {
    return At{lanes == 0 ? lane : other, lanes == 0 ? other : lane, lanes, count};
  };
  along(targetSize / width * width, [&](Value targetLane) {
    along(sourceSize / width * width, [&](Value sourceLane) {
      SmallVector<Value> vectors;
      for (int64_t i = 0; i < width; ++i) {
        Value vector = readForm(from, at(source, sourceLane, plus(targetLane, i), width));
        bool widens = from.elementType().getIntOrFloatBitWidth() < to.elementType().getIntOrFloatBitWidth();
        vectors.push_back(widens ? convertElements(vector, to.elementType()) : vector);
      }
      transposeInRegisters(b, vectors);
      for (int64_t i = 0; i < width; ++i)
        writeForm(to, at(target, targetLane, plus(sourceLane, i), width), vectors[i]);
    });
  });
  auto rest = [&](int64_t sourceStart, int64_t sourceEnd, int64_t targetStart, int64_t targetEnd) {
    repeat(targetEnd - targetStart, 1, [&](Value t) {
      repeat(sourceEnd - sourceStart, 1, [&](Value s) {
        Value targetLane = plus(t, targetStart), sourceLane = plus(s, sourceStart);
        At place = at(source, sourceLane, targetLane, 1);
        Value one = convertElements(readElement(from, place.row, place.column), to.elementType());
        memref::StoreOp::create(b, one, to.memory, coordinatesIn(to, place.row, place.column));
      });
    });
  };
  int64_t wholeSource = sourceSize / width * width, wholeTarget = targetSize / width * width;
  rest(wholeSource, sourceSize, 0, wholeTarget);
  rest(0, sourceSize, wholeTarget, targetSize);
}

void KernelEmitter::emitStore(tile::StoreOp op) {
  Value value = op.getValue();
  RankedTensorType tile = op.getValue().getType();
  ensureStored(value);
  flushAll(); // nothing may read the array after this that stands before it
  Stored form = formOf(value, 1);
  if (!isVectorTile(tile) && form.lanes == 0)
    form = packed(form, tile, tile.getElementType(), 1);
  Area area = areaOf(b, op, tile, scalar(op.getDest()), mapScalars(op.getIndices()),
                     op.getLimit() ? scalar(op.getLimit()) : Value());
  bool isColumn = op.getColumn() && !op.getBox();
  auto place = [&](Value row, Value column) { // in the tile, of a place in the area
    return isColumn ? std::make_pair(column, row) : std::make_pair(row, column);
  };
  auto copyRow = [&](Value row, int64_t end) {
    auto [view, viewRow] = area.at(b, row);
    if (area.columns == 1) {
      memref::StoreOp::create(b, readElement(form, row, constant(0)), view, ValueRange{viewRow, constant(0)});
      return;
    }
    int64_t panel = panelWidth(area.columns);
    for (Chunk chunk : chunksOf(end, panel ? panel : lanesPerVector()))
      repeat(chunk.count, 1, [&](Value i) {
        Value column = laneOf(i, chunk);
        auto [tileRow, tileColumn] = place(row, column);
        Value vector = readForm(form, At{tileRow, tileColumn, isColumn ? 0 : 1, chunk.width});
        vector::StoreOp::create(b, vector, view, ValueRange{viewRow, column});
      });
  };
  repeat(area.rows, 1, [&](Value row) {
    Value inRow = area.isInside(b, row);
    auto rowIf = scf::IfOp::create(b, TypeRange(), inRow, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(rowIf.thenYield());
    if (area.staticColumnsInside) {
      copyRow(row, *area.staticColumnsInside);
      return;
    }
    Value whole = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, area.columnsInside, constant(area.columns));
    auto columnIf = scf::IfOp::create(b, TypeRange(), whole, /*withElseRegion=*/true);
    b.setInsertionPoint(columnIf.thenYield());
    copyRow(row, area.columns);
    b.setInsertionPoint(columnIf.elseYield());
    Value end = arith::MaxSIOp::create(b, area.columnsInside, constant(0));
    auto loop = scf::ForOp::create(b, constant(0), end, constant(1));
    b.setInsertionPointToStart(loop.getBody());
    auto [tileRow, tileColumn] = place(row, loop.getInductionVar());
    Value one = readElement(form, tileRow, tileColumn);
    auto [view, viewRow] = area.at(b, row);
    memref::StoreOp::create(b, one, view, ValueRange{viewRow, loop.getInductionVar()});
  });
}
