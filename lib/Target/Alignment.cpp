//===- Alignment.cpp - what a guarded variant may assume --------------------===//
//
// Wide accesses pay where rows are long and their length is known: a tensor whose
// last dimension is static and fills whole units of the alignment. Asking the
// caller to align anything else (a table of lengths, an odd row of statistics)
// would only send calls to the slower variant. Arrays that kernels read by large
// tiles of 16-bit elements are marked, too, whatever the length of their rows; those
// that tensor maps are made of are in `tensorMapGuard`.
//
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileOps.h"
#include "dialects/Tile/TileTarget.h"
#include "heddle/Target/Plan.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace heddle;

static bool hasWideRows(int64_t rank, int64_t lastSize, int64_t elementBytes, int64_t alignment) {
  return rank >= 2 && lastSize > 0 && (lastSize * elementBytes) % alignment == 0;
}

static bool hasWideRows(MemRefType type, int64_t alignment) {
  Type element = type.getElementType();
  int64_t bytes = element.isIndex() ? 8 : llvm::divideCeil(element.getIntOrFloatBitWidth(), 8);
  return type.getRank() && hasWideRows(type.getRank(), type.getShape().back(), bytes, alignment);
}

/// Whether a kernel reads tiles of the array that tensor maps can bring.
static bool isReadByTiles(BlockArgument argument) {
  auto type = cast<MemRefType>(argument.getType());
  return type.getRank() >= 2 && type.getElementTypeBitWidth() == 16 &&
         llvm::any_of(argument.getUsers(), [](Operation *user) {
           auto load = dyn_cast<tile::LoadOp>(user);
           return load && load.getResult().getType().getDimSize(0) > 1 && load.getResult().getType().getDimSize(1) > 1;
         });
}

static int64_t byteWidth(heddle_dtype type) {
  switch (type) {
  case HEDDLE_F64:
  case HEDDLE_I64:
    return 8;
  case HEDDLE_F32:
  case HEDDLE_I32:
    return 4;
  case HEDDLE_F16:
  case HEDDLE_BF16:
    return 2;
  case HEDDLE_I8:
  case HEDDLE_I1:
    return 1;
  }
  llvm_unreachable("all types are listed");
}

std::optional<Expression> Plan::alignmentGuard(int64_t bytes) const {
  std::optional<Expression> guard;
  for (auto [index, parameter] : llvm::enumerate(parameters)) {
    if (parameter.sizes.empty() ||
        !hasWideRows(parameter.sizes.size(), parameter.sizes.back(), byteWidth(parameter.type), bytes))
      continue;
    Expression isAligned = Expression::binary(HEDDLE_OP_LE, Expression::constant(bytes), Expression::alignment(index));
    guard = guard ? Expression::binary(HEDDLE_OP_AND, *guard, isAligned) : isAligned;
  }
  return guard;
}

bool heddle::alignKernelArguments(ModuleOp module, int64_t bytes) {
  // An argument is aligned when every launch passes an aligned memref for it.
  DenseMap<BlockArgument, bool> isAligned;
  bool dependsOnCaller = false;
  module.walk([&](tile::LaunchOp launch) {
    auto kernel = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(launch, launch.getKernelAttr());
    if (!kernel || kernel.getNumArguments() != launch.getArgs().size())
      return;
    for (auto [argument, operand] : llvm::zip_equal(kernel.getArguments(), launch.getArgs())) {
      // Of a view by residues the array's own rows matter, and its own strides.
      while (Operation *view = operand.getDefiningOp()) {
        if (!isa<memref::CastOp, tile::ResiduesOp>(view))
          break;
        operand = view->getOperand(0);
      }
      auto type = dyn_cast<MemRefType>(operand.getType());
      if (!type)
        continue;
      // Workspace buffers start at multiples of 256 bytes: those of rank 1 are aligned, too.
      bool isWorkspace = operand.getDefiningOp<memref::AllocOp>() != nullptr;
      bool fits = hasWideRows(type, bytes) || (isWorkspace && type.getRank() == 1);
      dependsOnCaller |= fits && !isWorkspace;
      fits |= !isWorkspace && isReadByTiles(argument);
      auto [entry, isNew] = isAligned.try_emplace(argument, fits);
      entry->second &= fits;
    }
  });
  Builder builder(module.getContext());
  for (auto [argument, fits] : isAligned)
    if (fits)
      cast<func::FuncOp>(argument.getOwner()->getParentOp())
          .setArgAttr(argument.getArgNumber(), tile::kAlignmentAttr, builder.getI64IntegerAttr(bytes));
  return dependsOnCaller;
}
