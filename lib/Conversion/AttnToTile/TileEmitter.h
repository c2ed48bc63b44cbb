//===- TileEmitter.h - tiles of any tensor of an attn function --------------===//
//
// One recursion does all pulling. An *index* is a number, a tile of numbers, or
// consecutive positions along the rows or columns of the tile being made. Asking for
// `element(tensor, indices)` walks up through the operations that define `tensor`:
// element-wise ones are applied to the elements of their operands, coordinate ones
// (slices, views, permutations) change the indices, and a tensor in memory is read:
// by a `tile.load` when its indices are consecutive, else by a `tile.gather`.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_TILEEMITTER_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_TILEEMITTER_H

#include "PlanBuilder.h"
#include <memory>

namespace heddle {

using TileShape = llvm::SmallVector<int64_t, 2>;

/// Positions of a grid whose coordinates are a box, the last axis fastest.
struct GridBox {
  llvm::SmallVector<int64_t, 4> tile;       ///< extents of the box
  llvm::SmallVector<int64_t, 4> extents;    ///< of the grid; the outermost one is not known here
  llvm::SmallVector<mlir::Value, 4> origin; ///< coordinates of the first position, each an index
  mlir::Value outerExtent;

  int64_t count() const;
};

/// A value of a scalar region, lifted to a whole tile.
struct Lifted {
  mlir::Value value; ///< a scalar or a tile; null for positions not yet materialized

  /// Consecutive positions base, base + 1, .. along `dim` of the tile (0: rows, 1: columns); -1: not positions.
  int64_t dim = -1;
  int64_t extent = 0;
  mlir::Value base = {};
  mlir::Value limit = {}; ///< positions at or beyond it do not exist; null: no limit but the array's

  /// Where the step is not 1 the positions are origin + step * base, origin + step * (base + 1), ..: those of a residue
  /// class. Base and limit count within the class.
  int64_t step = 1;
  mlir::Value origin = {};

  /// Not consecutive positions but those of a box; there is no base.
  std::shared_ptr<const GridBox> box = nullptr;

  static Lifted ofBox(int64_t dim, std::shared_ptr<const GridBox> box) {
    Lifted positions;
    positions.dim = dim;
    positions.extent = box->count();
    positions.box = std::move(box);
    return positions;
  }
  static Lifted positions(int64_t dim, int64_t extent, mlir::Value base, mlir::Value limit = {}) {
    return {{}, dim, extent, base, limit};
  }
  /// Positions of a class as positions of the whole.
  Lifted ofClass(int64_t modulus, mlir::Value residue) const {
    Lifted spaced = *this;
    spaced.step = modulus;
    spaced.origin = modulus == 1 ? mlir::Value() : residue;
    return spaced;
  }
  bool isPositions() const { return dim >= 0; }
  bool isSpaced() const { return isPositions() && step != 1; }
  bool isScalar() const { return !isPositions() && !mlir::isa<mlir::RankedTensorType>(value.getType()); }
};

class TileEmitter {
public:
  explicit TileEmitter(KernelBuilder &kernel) : kernel(kernel) {}

  /// The element (or tile of elements) of `tensor` at `indices`; null value after an error.
  Lifted element(mlir::Value tensor, llvm::ArrayRef<Lifted> indices);

  /// The same, as a tile of exactly this shape.
  mlir::Value tile(mlir::Value tensor, llvm::ArrayRef<Lifted> indices, llvm::ArrayRef<int64_t> shape);

  /// Applies a scalar region's block. `loops` are the positions of a linalg operation's loops. Returns the lifted
  /// `results` (default: what the terminator yields), or failure after an error.
  mlir::FailureOr<llvm::SmallVector<Lifted>> apply(mlir::Block &block, llvm::ArrayRef<Lifted> arguments,
                                                   llvm::ArrayRef<Lifted> loops = {}, mlir::ValueRange results = {});

  /// Says that `tensor` at `indices` is `tile`, which the kernel has computed.
  void provide(mlir::Value tensor, llvm::ArrayRef<Lifted> indices, mlir::Value tile) {
    provided[tensor] = {llvm::SmallVector<Lifted>(indices), tile};
  }

  /// Reads of `from` (a block argument that stands for an operand) become reads of `to`.
  void alias(mlir::Value from, mlir::Value to) { aliases[from] = to; }

  /// A scalar of the attn function, here.
  mlir::Value scalar(mlir::Value value) { return resolve(value, Scope()).value; }

  /// Positions that exist in sequence `batch`, from an array of lengths.
  mlir::Value lengthOf(mlir::Value lengths, const Lifted &batch);

  /// Keeps positions that were computed from arrays from being negative, whatever the arrays hold; and, where `source`
  /// is given, numbers that were (`given` were not) inside of it.
  void keepInside(llvm::MutableArrayRef<Lifted> coordinates, mlir::Value source = {},
                  llvm::ArrayRef<Lifted> given = {});

  Lifted select(const Lifted &condition, const Lifted &whenTrue, const Lifted &whenFalse);
  Lifted add(const Lifted &a, const Lifted &b);

  /// Whether positions are before their limit, as a tile of i1.
  mlir::Value exists(const Lifted &positions);
  /// Bounds positions by the whole's, from `end` on.
  void limitTo(Lifted &positions, mlir::Value end);
  /// The positions of a class in memory that is grouped by residue: the coordinates of the first.
  struct GroupedPlace {
    mlir::Value group, residue;
  };
  GroupedPlace placeByResidue(const Lifted &positions);
  /// The coordinates of a box along an axis of the grid, as a tile of i32.
  mlir::Value coordinate(const Lifted &positions, unsigned axis);
  /// Whether those are inside of the grid, as a tile of i1.
  mlir::Value existsAlong(const Lifted &positions, unsigned axis);
  /// A box in memory that is grouped by lines: the coordinates of its first position, and how rows follow it.
  struct LinesPlace {
    mlir::Value line, column;
    int64_t columns; ///< of a line
    mlir::DenseI64ArrayAttr box, pitches;
  };
  LinesPlace placeByLines(const GridBox &box);
  /// How many of `count` positions have a residue.
  mlir::Value countOfClass(mlir::Value count, mlir::Value residue, int64_t modulus);

  /// `lifted` as a tile of `shape`, or as it is when `shape` is empty.
  mlir::Value materialize(Lifted lifted, llvm::ArrayRef<int64_t> shape);

  /// The shape of what `lifted` is by itself; a number's is 1 x 1.
  static TileShape getShape(const Lifted &lifted);

  mlir::ImplicitLocOpBuilder &builder() { return kernel.body(); }
  mlir::Value constantTile(llvm::ArrayRef<int64_t> shape, mlir::Type element, double value);

private:
  using Scope = llvm::DenseMap<mlir::Value, Lifted>;
  Lifted resolve(mlir::Value value, const Scope &scope);
  mlir::FailureOr<Lifted> applyOperation(mlir::Operation *op, Scope &scope);
  mlir::LogicalResult applyBlock(mlir::Block &block, Scope &scope);
  mlir::LogicalResult applyBranches(mlir::Operation *op, Scope &scope);
  mlir::LogicalResult applyLoop(mlir::Operation *op, Scope &scope);
  Lifted applyElementwise(mlir::Operation *op, llvm::ArrayRef<Lifted> operands);
  Lifted shift(Lifted positions, mlir::Value by, bool negative);
  bool isMoved(const Lifted &positions, llvm::ArrayRef<Lifted> given);
  Lifted clampToSource(const Lifted &positions, mlir::Value source, int64_t dim);
  mlir::Value digits(const Lifted &positions, unsigned axis);
  mlir::Value materializeBox(const Lifted &positions);
  Lifted splitPositions(const Lifted &positions, std::optional<int64_t> size, bool isRemainder);

  Lifted read(mlir::Value memory, llvm::ArrayRef<Lifted> indices);
  Lifted elementOfGeneric(mlir::Operation *op, llvm::ArrayRef<Lifted> indices);
  Lifted elementOfContraction(mlir::Operation *op, llvm::ArrayRef<Lifted> loops, unsigned reduced);
  Lifted elementOfSlice(mlir::Operation *op, llvm::ArrayRef<Lifted> indices);
  Lifted elementOfConcat(mlir::Operation *op, llvm::ArrayRef<Lifted> indices);
  std::optional<Lifted> concatWholeParts(mlir::Operation *op, llvm::ArrayRef<Lifted> indices);
  std::optional<Lifted> insideOnePart(mlir::Operation *op, llvm::ArrayRef<Lifted> indices);
  Lifted elementOfView(mlir::Operation *op, llvm::ArrayRef<Lifted> indices);
  Lifted elementOfMerge(mlir::Operation *op, llvm::ArrayRef<Lifted> indices);

  KernelBuilder &kernel;
  struct Provided {
    llvm::SmallVector<Lifted> indices;
    mlir::Value tile;
  };
  llvm::DenseMap<mlir::Value, Provided> provided;
  llvm::DenseMap<mlir::Value, mlir::Value> aliases;
};

} // namespace heddle

#endif
