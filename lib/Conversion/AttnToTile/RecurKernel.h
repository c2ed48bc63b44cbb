//===- RecurKernel.h - one kernel of a recurrence ---------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_RECURKERNEL_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_RECURKERNEL_H

#include "ChannelChunk.h"
#include "ChunkDecay.h"
#include "InnerAttends.h"
#include "RecurKernels.h"

namespace heddle {

/// What a kernel does of a recurrence whose tokens may be divided into segments: everything; what each segment adds to
/// the state; the rows of each, from what those before it add.
enum class RecurRole { Whole, States, Rows };

/// Values of the plan: how many segments there are, and what they leave: sums (segment, b, h, d, e), masses
/// (segment, b, h, d) if they are wanted, and, with a gate, the sum of their gates in base 2 (segment, b, h), of each
/// channel if it has one of its own (segment, b, h, d).
struct SegmentWorkspace {
  mlir::Value segments, sums, masses, decays;
};

/// Of a kernel whose gates are checked: all heads are computed as if their gates were moderate, and `isExcessive`
/// (segment, b, h), a value of the plan, is 1 where they were not, else 0; or only those where they were not.
struct GateCheck {
  enum Part { Everything, Moderate, Excessive } part = Everything;
  mlir::Value isExcessive;
};

/// The largest of several extents, in a scope.
mlir::Value largestExtent(ScalarScope &scope, mlir::ImplicitLocOpBuilder &builder,
                          llvm::ArrayRef<std::pair<mlir::Value, int64_t>> extents);

class RecurKernel {
public:
  /// `workspace` is null for a whole recurrence. `gateSums`: of the plan (GateSums.h), or null.
  RecurKernel(PlanBuilder &plan, attn::RecurOp op, const RecurSchedule &schedule, RecurRole role = RecurRole::Whole,
              const SegmentWorkspace *workspace = nullptr, GateCheck check = {}, mlir::Value gateSums = {})
      : op(op), schedule(schedule), role(role), workspace(workspace), check(check), kernel(KernelBuilder::create(plan)),
        emitter(kernel), math(emitter), decay(op, emitter, kernel, schedule, gateSums), place{kernel, {}, {}, {}, {}},
        keyWidth(llvm::alignTo(op.getKeyWidth(), 16)), channelChunk(op, emitter, kernel, schedule, keyWidth),
        columns(std::min(schedule.valueColumns, static_cast<int64_t>(llvm::alignTo(op.getValueWidth(), 16)))),
        tileChannels(std::min(schedule.tileChannels ? schedule.tileChannels : keyWidth, keyWidth)),
        tileColumns(std::min(schedule.tileColumns ? schedule.tileColumns : columns, columns)),
        isMassColumn(schedule.weighsKeys || schedule.isTurned || isOneToken(op)) {}

  /// `inner`: attends whose rows are computed beside its own.
  mlir::LogicalResult emit(llvm::ArrayRef<KernelOutput> outputs, llvm::ArrayRef<InnerAttend> inner = {});

private:
  /// The state in tiles, those of the first channels first, and its mass where it is wanted, in as many as there are
  /// tiles of channels.
  struct State {
    llvm::SmallVector<mlir::Value> sums, mass;
    llvm::SmallVector<mlir::Value> flatten() const {
      llvm::SmallVector<mlir::Value> values(sums);
      llvm::append_range(values, mass);
      return values;
    }
  };
  /// The tiles of a chunk of tokens; its gates are in `decay`.
  struct Chunk {
    llvm::SmallVector<mlir::Value> keys, values;
    Lifted row;
    mlir::Value present; ///< tokens that exist, index
  };
  /// What is stored of a block of rows, in one tile of columns.
  struct Rows {
    mlir::Value result, mass;
  };

  /// What is emitted while products are on their way: `reads` behind the first with the state; of several tiles of
  /// columns `store` takes all but the last one, each behind the first product of the next.
  struct Meanwhile {
    llvm::function_ref<void()> reads;
    llvm::function_ref<mlir::LogicalResult(const Rows &, int64_t)> store;
  };

  mlir::ImplicitLocOpBuilder &b() { return kernel.body(); }
  mlir::Value constant(int64_t value) { return kernel.constant(value); }
  mlir::Value tileOf(mlir::Value tensor, const Lifted &row, const Lifted &column, llvm::ArrayRef<int64_t> shape) {
    return emitter.tile(tensor, {place.batchOf(tensor), place.headOf(tensor), row, column}, shape);
  }
  /// Of a tile of the state.
  llvm::SmallVector<int64_t> stateShape(int64_t part) const {
    if (schedule.isTurned)
      return {tileColumns, channelsOf(part)};
    return {channelsOf(part), tileColumns};
  }
  int64_t channelTiles() const { return llvm::divideCeil(keyWidth, tileChannels); }
  int64_t columnTiles() const { return columns / tileColumns; }
  int64_t channelsOf(int64_t part) const { return std::min(tileChannels, keyWidth - part * tileChannels); }
  Lifted channels(int64_t dim, int64_t part = 0) {
    return Lifted::positions(dim, channelsOf(part), constant(part * tileChannels));
  }
  Lifted valueColumns(int64_t part = 0);
  State stateOf(llvm::ArrayRef<mlir::Value> values) const {
    size_t count = channelTiles() * columnTiles();
    return {llvm::SmallVector<mlir::Value>(values.take_front(count)),
            llvm::SmallVector<mlir::Value>(values.drop_front(count))};
  }

  mlir::Value channelsOfRows(mlir::Value tensor, const Lifted &row, int64_t part);
  void startBlock();
  /// What channels of a chunk add to the state: the left operand of products, maybe with the decays to the chunk's end.
  struct Addend {
    mlir::Value keys;
    mlir::Value mass; ///< what it adds to that, in f32; null where nobody asks
    bool isTransposed;
  };

  State emptyState();
  mlir::FailureOr<State> initialState();
  mlir::FailureOr<llvm::SmallVector<mlir::Value>> loadQueries(const Lifted &row);
  mlir::FailureOr<Chunk> loadChunk(mlir::Value number);
  mlir::FailureOr<Rows> readRows(llvm::ArrayRef<mlir::Value> queries, const Chunk &chunk, const State &state,
                                 mlir::Value counts = {}, const Meanwhile &meanwhile = {});
  Addend weigh(mlir::Value keys, mlir::Value suffix, bool hasMass);
  State advance(const State &state, const Chunk &chunk, mlir::Value later = {});
  mlir::LogicalResult visitChunks(llvm::ArrayRef<KernelOutput> outputs);
  llvm::SmallVector<mlir::Value> checkIndices();
  void openBranch(mlir::Value condition);
  std::pair<mlir::Value, mlir::Value> chunkRange();
  mlir::LogicalResult storeSegment();
  struct WorkspacePlace {
    mlir::Value memory;
    llvm::SmallVector<mlir::Value> indices;
    mlir::UnitAttr column;
  };
  WorkspacePlace placeInWorkspace(mlir::Value number, int64_t n);
  mlir::FailureOr<State> stateBefore();
  mlir::Value tokensSeen(const Lifted &row);
  mlir::LogicalResult visitRows(llvm::ArrayRef<KernelOutput> outputs);
  mlir::LogicalResult step(llvm::ArrayRef<KernelOutput> outputs);
  mlir::LogicalResult storeRows(const Lifted &row, const Rows &rows, int64_t part,
                                llvm::ArrayRef<KernelOutput> outputs);
  mlir::LogicalResult storeState(const State &state, llvm::ArrayRef<KernelOutput> outputs);
  bool isState(mlir::Value tensor) { return tensor == op.getFinalState() || tensor == op.getFinalMass(); }

  attn::RecurOp op;
  const RecurSchedule &schedule;
  RecurRole role;
  const SegmentWorkspace *workspace;
  GateCheck check;
  llvm::ArrayRef<InnerAttend> inner;
  KernelBuilder kernel;
  TileEmitter emitter;
  TileMath math;
  ChunkDecay decay;
  BlockPlace place;
  int64_t keyWidth;
  ChannelChunk channelChunk; ///< instead of `decay` where the schedule says so
  int64_t columns;
  int64_t tileChannels, tileColumns; ///< of tiles of the state
  bool isMassColumn;
  mlir::Value firstColumn, isFirstSlice, length;
  mlir::Value segment, segments;   ///< this block's, and how many; null where there is one
  mlir::Value isRepeated;          ///< whether this block has to be computed; null where all have
  mlir::Value limit;               ///< where the sequence ends; null where its arrays do
  mlir::Value rowLength, rowLimit; ///< the same of rows that read elsewhere than at their own token
};

} // namespace heddle

#endif
