//===- ElementwiseKernel.cpp ------------------------------------------------===//
#include "ElementwiseKernel.h"
#include "OutputStore.h"
#include "TileEmitter.h"
#include "dialects/Tile/TileDialect.h"
#include "dialects/Tile/TileOps.h"
#include "dialects/Tile/TileTarget.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace heddle;

static constexpr int64_t kRows = 64, kColumns = 64;

/// Starts a kernel whose blocks are the tiles of an array of `rank` dimensions; returns a block's indices.
static SmallVector<Lifted> startTiles(KernelBuilder &kernel, int64_t rank, function_ref<Value(int64_t)> size,
                                      int64_t rows = kRows, int64_t columns = kColumns) {
  ImplicitLocOpBuilder &head = kernel.head(), &b = kernel.body();
  auto blocks = [&](int64_t dim, int64_t width) -> Value {
    return dim < 0 ? kernel.constant(1)
                   : arith::CeilDivSIOp::create(head, size(dim), kernel.constant(width)).getResult();
  };
  Value columnBlocks = blocks(rank - 1, columns);
  Value rowBlocks = blocks(rank - 2, rows);
  Value grid[] = {arith::MulIOp::create(head, rowBlocks, columnBlocks), blocks(rank - 3, 1), blocks(rank - 4, 1)};
  SmallVector<Value> ids = kernel.startBody(grid);
  auto scaled = [&](Value block, int64_t width) -> Value {
    return arith::MulIOp::create(b, block, kernel.constant(width));
  };
  Lifted all[] = {{ids[2]},
                  {ids[1]},
                  Lifted::positions(0, rows, scaled(arith::DivUIOp::create(b, ids[0], columnBlocks), rows)),
                  Lifted::positions(1, columns, scaled(arith::RemUIOp::create(b, ids[0], columnBlocks), columns))};
  return SmallVector<Lifted>(ArrayRef(all).take_back(rank));
}

void heddle::emitZeros(PlanBuilder &plan, Value memory) {
  KernelBuilder kernel = KernelBuilder::create(plan);
  TileEmitter emitter(kernel);
  auto type = cast<MemRefType>(memory.getType());
  Value target = kernel.import(memory);
  SmallVector<Lifted> indices = startTiles(
      kernel, type.getRank(), [&](int64_t dim) -> Value { return memref::DimOp::create(kernel.head(), target, dim); });
  SmallVector<Value> coordinates;
  for (const Lifted &index : indices)
    coordinates.push_back(index.isPositions() ? index.base : index.value);
  Value zero = emitter.constantTile({type.getRank() > 1 ? kRows : 1, kColumns}, type.getElementType(), 0.0);
  tile::StoreOp::create(kernel.body(), zero, target, coordinates, Value(), IntegerAttr(), UnitAttr());
  kernel.launch();
}

/// Starts a kernel whose blocks are runs of an array's last dimension, as rows; returns a block's indices.
static SmallVector<Lifted> startRuns(KernelBuilder &kernel, int64_t rank, function_ref<Value(int64_t)> size) {
  ImplicitLocOpBuilder &head = kernel.head(), &b = kernel.body();
  Value runs = arith::CeilDivSIOp::create(head, size(rank - 1), kernel.constant(kRows));
  SmallVector<Value> grid{runs};
  for (int64_t dim = rank - 2; dim >= 0; --dim)
    grid.push_back(size(dim));
  grid.resize(3, kernel.constant(1));
  SmallVector<Value> ids = kernel.startBody(grid);
  SmallVector<Lifted> indices;
  for (int64_t dim = 0; dim + 1 < rank; ++dim)
    indices.push_back({ids[rank - 1 - dim]});
  indices.push_back(Lifted::positions(0, kRows, arith::MulIOp::create(b, ids[0], kernel.constant(kRows))));
  return indices;
}

/// Whether the elements of `tensor` are made of sums, whose terms take the columns of a tile, or its positions end at
/// lengths, which rows of a tile can.
static bool takesRuns(Value tensor) {
  Operation *op = tensor.getDefiningOp();
  if (auto view = dyn_cast_or_null<attn::ViewOp>(op))
    return static_cast<bool>(view.getLengths());
  if (auto accumulate = dyn_cast_or_null<attn::AccumulateOp>(op))
    return accumulate.getLengths() || takesRuns(accumulate.getSource());
  auto generic = dyn_cast_or_null<linalg::LinalgOp>(op);
  if (generic && generic.getNumReductionLoops() > 0)
    return !linalg::isaContractionOpInterface(generic);
  if (!op || !(generic || OpTrait::hasElementwiseMappableTraits(op)))
    return false;
  auto rank = [](Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    return type ? type.getRank() : 0;
  };
  return llvm::any_of(op->getOperands(),
                      [&](Value operand) { return rank(operand) == rank(tensor) && takesRuns(operand); });
}

/// Whether an array is a product of rows with weights, and what follows from it element by element.
static bool followsContraction(Value tensor) {
  auto generic = tensor.getDefiningOp<linalg::LinalgOp>();
  if (generic && generic.getNumReductionLoops() > 0)
    return linalg::isaContractionOpInterface(generic);
  return generic && generic.getNumDpsInputs() == 1 && followsContraction(generic.getDpsInputs().front());
}

/// Of products of warpgroups tiles are larger, so that rows are read once.
static std::pair<int64_t, int64_t> chooseTile(Value tensor, RankedTensorType type) {
  constexpr int64_t rows = 128, columns = 128;
  if (type.getRank() != 4 || type.getElementTypeBitWidth() != 16 || type.getDimSize(3) % columns ||
      !followsContraction(tensor))
    return {kRows, kColumns};
  auto target = tensor.getDefiningOp()->getParentOfType<ModuleOp>()->getAttrOfType<tile::TargetAttr>(tile::kTargetAttr);
  bool isLarge = target && target.getHasWarpgroupMma();
  return isLarge ? std::pair(rows, columns) : std::pair(kRows, kColumns);
}

LogicalResult heddle::emitElementwise(PlanBuilder &plan, Value tensor, Value memory) {
  Value source = getLogicalSource(tensor);
  auto type = cast<RankedTensorType>(source.getType());
  int64_t rank = type.getRank();
  if (rank < 1 || rank > 4)
    return source.getDefiningOp()->emitOpError(
               "expected a result of rank 1 to 4 where it needs a kernel of its own, got ")
           << type;

  KernelBuilder kernel = KernelBuilder::create(plan);
  TileEmitter emitter(kernel);
  auto size = [&](int64_t dim) { return kernel.dim(source, dim); };
  bool isRuns = rank < 4 && takesRuns(tensor);
  auto [rows, columns] = chooseTile(source, type);
  SmallVector<Lifted> indices = isRuns ? startRuns(kernel, rank, size) : startTiles(kernel, rank, size, rows, columns);
  TileShape shape{rank > 1 || isRuns ? rows : 1, isRuns ? 1 : columns};
  if (failed(storeOutput(kernel, emitter, {tensor, memory}, indices, shape)))
    return failure();
  if (!isRuns && rows != kRows) {
    constexpr int64_t rowsOfWarp = 16;
    auto function = kernel.body().getInsertionBlock()->getParentOp()->getParentOfType<func::FuncOp>();
    Builder builder(function.getContext());
    function->setAttr(tile::kWarpsAttr, builder.getI64IntegerAttr(rows / rowsOfWarp));
    function->setAttr(
        "tile.schedule",
        builder.getStringAttr(llvm::formatv("tiles of {0}x{1}, {2} warps", rows, columns, rows / rowsOfWarp).str()));
  }
  kernel.launch();
  return success();
}
