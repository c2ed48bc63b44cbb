//===- TileMath.h - arithmetic on f32 tiles that broadcast ------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_TILEMATH_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_TILEMATH_H

#include "TileEmitter.h"
#include "dialects/Tile/TileOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace heddle {

/// Short names for what kernels say often. Operands of one operation broadcast to each other's shapes.
class TileMath {
public:
  explicit TileMath(TileEmitter &emitter) : emitter(emitter) {}

  static mlir::RankedTensorType typeOf(mlir::Value tile) { return mlir::cast<mlir::RankedTensorType>(tile.getType()); }

  mlir::Value zeros(llvm::ArrayRef<int64_t> shape) { return emitter.constantTile(shape, b().getF32Type(), 0.0); }
  mlir::Value number(double value) { return emitter.constantTile({1, 1}, b().getF32Type(), value); }
  mlir::Value repeat(mlir::Value tile, llvm::ArrayRef<int64_t> shape) { return emitter.materialize({tile}, shape); }

  mlir::Value add(mlir::Value x, mlir::Value y) { return binary<mlir::arith::AddFOp>(x, y); }
  mlir::Value sub(mlir::Value x, mlir::Value y) { return binary<mlir::arith::SubFOp>(x, y); }
  mlir::Value mul(mlir::Value x, mlir::Value y) { return binary<mlir::arith::MulFOp>(x, y); }
  mlir::Value larger(mlir::Value x, mlir::Value y) { return binary<mlir::arith::MaximumFOp>(x, y); }
  mlir::Value exp2(mlir::Value x) { return mlir::math::Exp2Op::create(b(), x); }
  mlir::Value sum(mlir::Value x, int64_t dim) {
    llvm::SmallVector<int64_t> shape(typeOf(x).getShape());
    shape[dim] = 1;
    return tile::ReduceOp::create(b(), typeOf(x).clone(shape), tile::ReduceKind::Sum, x, dim);
  }
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y) {
    llvm::SmallVector<int64_t> shape =
        join(join(typeOf(condition).getShape(), typeOf(x).getShape()), typeOf(y).getShape());
    return mlir::arith::SelectOp::create(b(), repeat(condition, shape), repeat(x, shape), repeat(y, shape));
  }
  mlir::Value compare(mlir::arith::CmpIPredicate predicate, mlir::Value x, mlir::Value y) {
    llvm::SmallVector<int64_t> shape = join(typeOf(x).getShape(), typeOf(y).getShape());
    return mlir::arith::CmpIOp::create(b(), predicate, repeat(x, shape), repeat(y, shape));
  }

  /// In f32; and back in the type that products have.
  mlir::Value wide(mlir::Value x) {
    return typeOf(x).getElementType().isF32()
               ? x
               : mlir::arith::ExtFOp::create(b(), typeOf(x).clone(b().getF32Type()), x).getResult();
  }
  mlir::Value narrow(mlir::Value x, mlir::Type element) {
    return element.isF32() ? x : mlir::arith::TruncFOp::create(b(), typeOf(x).clone(element), x).getResult();
  }
  mlir::Value dot(mlir::Value x, mlir::Value y, mlir::Value sums, bool transX = false, bool transY = false) {
    auto flag = [&](bool value) { return value ? b().getUnitAttr() : mlir::UnitAttr(); };
    return tile::DotOp::create(b(), sums.getType(), x, y, sums, flag(transX), flag(transY));
  }

  mlir::ImplicitLocOpBuilder &b() { return emitter.builder(); }

private:
  static llvm::SmallVector<int64_t> join(llvm::ArrayRef<int64_t> x, llvm::ArrayRef<int64_t> y) {
    return {std::max(x[0], y[0]), std::max(x[1], y[1])};
  }
  template <typename OpT> mlir::Value binary(mlir::Value x, mlir::Value y) {
    llvm::SmallVector<int64_t> shape = join(typeOf(x).getShape(), typeOf(y).getShape());
    return OpT::create(b(), repeat(x, shape), repeat(y, shape));
  }

  TileEmitter &emitter;
};

} // namespace heddle

#endif
