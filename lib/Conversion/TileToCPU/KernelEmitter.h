//===- KernelEmitter.h - one tile kernel as loops over vectors --------------===//
//
// The old kernel is read once, in order, and a new function is written. A tile value is in one of two states:
//
// - *stored*: it has one or more forms in memory (a buffer of this block, or the caller's array in place);
// - *virtual*: nothing is written; whoever needs an element computes it from the operands (`evaluate`).
//
// Values that must be stored, and reductions, are roots. Roots over the same elements wait in a pending loop, so that
// chains of element-wise operations and the reductions over them become few loops; a loop is written when something
// needs its results. Dots, loads and stores are written where they stand.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_TILETOCPU_KERNELEMITTER_H
#define HEDDLE_LIB_CONVERSION_TILETOCPU_KERNELEMITTER_H

#include "dialects/Tile/TileOps.h"
#include "lib/Conversion/TileToCPU/TileLayout.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include <map>
#include <memory>

namespace heddle::cpu {

/// A tile in memory: a matrix as `[other axis][lanes]` (rank 2), a vector tile as `[element]` (rank 1). A matrix of
/// ours with many lanes is kept as panels, `[panel][other axis][lane in panel]` (rank 3): what a micro-tile reads is
/// then adjacent, and rows a power of two apart do not compete for the same cache lines.
struct Stored {
  mlir::Value memory;
  int lanes = 1;
  bool owned = false; ///< a buffer of ours that a later value may overwrite

  /// Lanes in a panel, or 0.
  int64_t panel() const { return type().getRank() == 3 ? type().getDimSize(2) : 0; }
  mlir::MemRefType type() const { return llvm::cast<mlir::MemRefType>(memory.getType()); }
  mlir::Type elementType() const { return type().getElementType(); }
};

/// `width` consecutive elements along axis `lanes`, from (row, column).
struct At {
  mlir::Value row, column;
  int lanes;
  int64_t width;
};

/// A lane position as a place in panels of `panel` lanes: panel `block`, and `within` (if any) + `offset` inside it.
struct LanePlace {
  mlir::Value block, within;
  int64_t offset, panel;
};

/// Values already computed for the current elements, so that shared operands are computed once.
using Cache = std::map<std::tuple<void *, void *, void *, int, int64_t>, mlir::Value>;

inline Cache::key_type keyOf(mlir::Value value, const At &at) {
  return {value.getAsOpaquePointer(), at.row.getAsOpaquePointer(), at.column.getAsOpaquePointer(), at.lanes, at.width};
}

/// A run of equal vectors along the lanes: `count` vectors of `width` elements from `start`.
struct Chunk {
  int64_t start, width, count;
};
/// `size` elements as full vectors and then ever smaller powers of two.
llvm::SmallVector<Chunk> chunksOf(int64_t size, int64_t width);

/// Roots that are written together: one pass over rows x columns.
struct PendingLoop {
  int64_t rows, columns;
  int lanes;
  int reduceDim = -1; ///< the axis that its reductions run along, or none
  llvm::SmallVector<mlir::Operation *> roots;
};

class KernelEmitter {
public:
  KernelEmitter(mlir::func::FuncOp kernel, const CPUOptions &options);

  /// Write the function of contract 3 beside the kernel.
  mlir::LogicalResult emit();

private:
  // KernelEmitter.cpp: the walk
  mlir::LogicalResult emitBlock(mlir::Block &block);
  mlir::LogicalResult emitOp(mlir::Operation *op);
  void cloneScalarOp(mlir::Operation *op);
  bool mustStore(mlir::Operation *op);
  bool feedsDot(mlir::Value value);
  bool isBypassed(mlir::Operation *op);
  bool isCheap(mlir::Value value);
  int costOf(mlir::Value value);
  void emitConcat(tile::ConcatOp op);
  void emitScalar(tile::ScalarOp op);
  void emitAtomicMax(tile::AtomicMaxOp op);
  void emitNextItem(tile::NextItemOp op);
  void emitTable(mlir::arith::ConstantOp op);
  llvm::SmallVector<mlir::Value> getAsIndexValues(llvm::ArrayRef<mlir::OpFoldResult> values);

  // ControlFlow.cpp: loops and branches that carry tiles
  mlir::LogicalResult emitFor(mlir::scf::ForOp op);
  mlir::LogicalResult emitIf(mlir::scf::IfOp op);
  mlir::LogicalResult emitWhile(mlir::scf::WhileOp op);
  mlir::LogicalResult emitBranch(mlir::Block &block, llvm::ArrayRef<Stored> targets, mlir::ValueRange results);
  llvm::SmallVector<Stored> emitInits(mlir::ValueRange inits, mlir::ValueRange arguments);
  void deliver(mlir::ValueRange yielded, llvm::ArrayRef<Stored> targets);
  std::optional<Stored> inheritedForm(mlir::scf::IfOp op, unsigned index);
  llvm::SmallVector<mlir::Value> mapScalars(mlir::ValueRange values);

  // PendingLoops.cpp: fusion
  void addRoot(mlir::Operation *op);
  void flush(PendingLoop *loop);
  void flushAll();
  void require(mlir::Value value);
  const Stored &ensureStored(mlir::Value value);
  PendingLoop *pendingLoopOf(mlir::Operation *op);
  Stored chooseTarget(mlir::Value value, PendingLoop &loop, llvm::ArrayRef<mlir::Value> claimed);
  bool isReadLater(mlir::Value value, const llvm::DenseSet<mlir::Operation *> &now, mlir::Operation *at);
  bool isReadLater(mlir::Operation *user, mlir::Value value, const llvm::DenseSet<mlir::Operation *> &now,
                   mlir::Operation *at);
  bool isAnyNameReadLater(mlir::Value memory, const llvm::DenseSet<mlir::Operation *> &now, mlir::Operation *at);
  void visitLeaves(mlir::Value value, bool pointwise, llvm::function_ref<void(mlir::Value, bool)> visit,
                   bool isRoot = false);
  void remember(mlir::Value value, Stored form);

  // ElementLoops.cpp: the loops themselves
  void emitLoop(PendingLoop &loop, llvm::ArrayRef<Stored> targets);
  void emitLoopAcrossLanes(PendingLoop &loop, llvm::ArrayRef<Stored> targets);
  void emitLoopAlongLanes(PendingLoop &loop, llvm::ArrayRef<Stored> targets);
  llvm::SmallVector<mlir::Value> emitElements(PendingLoop &loop, llvm::ArrayRef<Stored> targets, mlir::Value other,
                                              mlir::Value lane, int64_t width, mlir::ValueRange accumulators);
  void storeInto(mlir::Value value, Stored target, int64_t rowOffset = 0, int64_t columnOffset = 0);
  mlir::Value combine(tile::ReduceKind kind, mlir::Value a, mlir::Value b);
  mlir::Value identityOf(tile::ReduceKind kind, mlir::Type type);

  // Evaluate.cpp: elements on demand
  mlir::Value evaluate(mlir::Value value, At at, Cache &cache);
  mlir::Value compute(mlir::Value value, At at, Cache &cache);
  mlir::Value evaluateGather(tile::GatherOp op, At at, Cache &cache);
  bool isContiguous(const Stored &form, const At &at);
  mlir::Value readForm(const Stored &form, At at);
  void writeForm(const Stored &form, At at, mlir::Value vector);
  mlir::Value readElement(const Stored &form, mlir::Value row, mlir::Value column);
  llvm::SmallVector<mlir::Value> coordinatesIn(const Stored &form, mlir::Value row, mlir::Value column);

  // MemoryAccess.cpp: the caller's arrays
  void emitLoad(tile::LoadOp op);
  void emitStore(tile::StoreOp op);
  Stored viewOf(tile::LoadOp op, bool compact);
  Stored packed(const Stored &from, mlir::RankedTensorType type, mlir::Type element, int lanes);
  void copyTransposed(const Stored &from, const Stored &to, mlir::RankedTensorType type);

  // Dots.cpp: matrix products
  void emitDot(tile::DotOp op);
  Stored dotOperand(mlir::Value value, int lanes);
  void noteDotUses(mlir::Value value, bool transposed, llvm::SmallDenseMap<int, int64_t> &lanes);
  struct DotPlan;
  llvm::SmallVector<mlir::Operation *> epilogueOf(tile::DotOp op);
  bool isReady(mlir::Value value);
  void emitMicroTiles(const DotPlan &plan, mlir::Value first, int64_t rows, mlir::Value lane, int64_t width,
                      int64_t vectors);
  void emitMicroTile(const DotPlan &plan, mlir::Value other, int64_t rows, mlir::Value lane, int64_t width,
                     int64_t vectors);

  // MatrixUnitOperands.cpp: what matrix products on matrix tiles read (AMX)
  bool feedsMatrixUnit(mlir::Value value);
  void packForMatrixUnit(mlir::Value value, bool transposed, mlir::Value load);
  Stored rowsOperand(mlir::Value value, int depthAxis);
  Stored pairsOperand(mlir::Value value, int lanesAxis);
  Stored packPairs(const Stored &from, mlir::RankedTensorType type, int lanesAxis);
  mlir::Value pairsRow(mlir::Value block, mlir::Value step, int64_t steps);
  bool readsPairs(mlir::OpOperand &use);
  void emitPair(tile::PairOp op);
  void emitUnpair(tile::UnpairOp op);
  void forPairs(mlir::RankedTensorType tile, mlir::RankedTensorType pairs,
                llvm::function_ref<void(mlir::Value, mlir::Value, mlir::Value, mlir::Value)> body);

  // MatrixUnitDots.cpp: the products
  void emitMatrixUnitDot(tile::DotOp op);
  void forLanes(int64_t size, int64_t step, llvm::function_ref<void(mlir::Value lane, mlir::Value index)> body);

  // Building blocks
  mlir::Value constant(int64_t value);
  mlir::Value plus(mlir::Value value, int64_t offset);
  mlir::Value allocate(llvm::ArrayRef<int64_t> shape, mlir::Type element);
  Stored allocateFor(mlir::RankedTensorType type, mlir::Type element, int lanes);
  mlir::Value convertElements(mlir::Value vector, mlir::Type element);
  int64_t lanesPerVector() const { return options.vectorBits / 32; }
  int64_t panelWidth(int64_t lanes) const;
  llvm::SmallVector<Chunk> laneChunks(int64_t lanes) const;
  mlir::Value laneOf(mlir::Value i, Chunk chunk);
  std::optional<LanePlace> placeOf(mlir::Value lane, int64_t panel, int64_t width);
  /// A loop from 0 to `count`; a single iteration is written straight.
  void repeat(int64_t count, int64_t step, llvm::function_ref<void(mlir::Value)> body);
  llvm::SmallVector<mlir::Value>
  repeat(int64_t count, int64_t step, mlir::ValueRange inits,
         llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)> body);
  Stored formOf(mlir::Value value, int lanes);
  bool isStored(mlir::Value value) { return forms.count(value); }
  mlir::Value scalar(mlir::Value value) { return mapping.lookup(value); }

  mlir::func::FuncOp kernel;
  const CPUOptions &options;
  TileLayout layout;
  mlir::ImplicitLocOpBuilder b;
  mlir::Block *entry = nullptr;
  mlir::IRMapping mapping; ///< scalars and memrefs
  llvm::DenseMap<mlir::Value, llvm::SmallVector<Stored, 2>> forms;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value, 2>> names; ///< buffer -> the values it holds
  llvm::DenseMap<mlir::Value, Stored> preferred;                        ///< where a yielded value should be computed
  llvm::SmallVector<std::unique_ptr<PendingLoop>> pending;
  llvm::DenseSet<mlir::Operation *> written;      ///< old operations whose effect is in the new function
  llvm::DenseSet<mlir::Operation *> materialised; ///< virtual operations chosen as roots
  llvm::DenseSet<mlir::Operation *> entered;      ///< loops whose initial values have been read
  llvm::DenseSet<mlir::Value> writtenArrays;      ///< old memrefs that the kernel stores to
  llvm::DenseMap<int64_t, mlir::Value> constants;
  llvm::DenseMap<mlir::Value, LanePlace> lanePlaces;
  llvm::DenseMap<std::pair<mlir::Value, int>, Stored> pairs; ///< (value, lanes axis) -> its pairs
};

/// Rows of a matrix tile, and elements along k in one.
inline constexpr int64_t kMatrixTileRows = 16, kMatrixTileDepth = 32;

/// Booleans are kept as bytes: a memory element is addressable.
mlir::Type storedElement(mlir::Type element);
/// An operation that is computed where its elements are used.
bool isVirtual(mlir::Operation *op);

/// Transpose n vectors of n elements.
void transposeInRegisters(mlir::ImplicitLocOpBuilder &b, llvm::SmallVectorImpl<mlir::Value> &rows);

/// The function with the parameters of contract 3 and, for every argument of `kernel`, its value read from the slots.
mlir::func::FuncOp createKernelFunction(mlir::func::FuncOp kernel, mlir::ImplicitLocOpBuilder &b,
                                        mlir::IRMapping &mapping);

} // namespace heddle::cpu
#endif
