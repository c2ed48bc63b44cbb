//===- TileAccess.h - where the registers of a tile lie in an array ---------===//
#ifndef HEDDLE_LIB_CONVERSION_WARPTONVVM_TILEACCESS_H
#define HEDDLE_LIB_CONVERSION_WARPTONVVM_TILEACCESS_H

#include "dialects/Tile/BoxRows.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"

namespace heddle {

/// Where in an array the registers of a tile lie, and which of them lie inside.
class TileAccess {
public:
  /// Of a `tile.load` or a `tile.store`, whose array, coordinates and limit (or null) are given as they were converted.
  template <typename OpT>
  TileAccess(mlir::ImplicitLocOpBuilder &builder, OpT op, const MemRefParts &memory, mlir::ValueRange indices,
             mlir::Value limit, mlir::RankedTensorType tile)
      : TileAccess(builder, memory, indices, limit, op.getRowDim(), op.getColumn(), tile::BoxRows::of(op), tile) {}

  mlir::Value pointer(int64_t index);
  mlir::Value inside(int64_t index);

private:
  TileAccess(mlir::ImplicitLocOpBuilder &builder, const MemRefParts &memory, mlir::ValueRange indices,
             mlir::Value limit, std::optional<int64_t> rowDim, bool column, std::optional<tile::BoxRows> box,
             mlir::RankedTensorType tile);

  mlir::Value rowInside(int64_t row), columnInside(int64_t column);

  mlir::ImplicitLocOpBuilder &builder;
  const MemRefParts &memory;
  mlir::RankedTensorType tile;
  warp::LayoutInterface layout;
  bool column;
  std::optional<tile::BoxRows> box;
  mlir::Value base, rowOrigin, columnOrigin, rowStride;
  mlir::Value rowBound, columnBound;     // null where all is inside
  mlir::Value secondStride, secondBound; // of a box
  llvm::DenseMap<int64_t, mlir::Value> rowPointers, rowGuards, columnGuards;
};

/// Whether all columns of a tile that begins at `start` lie inside of an array, whatever its sizes.
bool hasAllColumns(mlir::MemRefType memory, mlir::Value start, mlir::RankedTensorType tile);

/// Stores four words where `inside` (i1) holds. No branch.
void storeWordsIf(mlir::ImplicitLocOpBuilder &builder, llvm::ArrayRef<mlir::Value> words, mlir::Value pointer,
                  mlir::Value inside);

/// Stores by pieces of 16 bytes, for which lanes exchange words.
void populatePieceStoreLowering(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);

} // namespace heddle

#endif
