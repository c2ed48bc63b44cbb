//===- WarpAttrs.cpp - the layouts ------------------------------------------===//
#include "dialects/Warp/WarpDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace heddle::warp;

#include "dialects/Warp/WarpEnums.cpp.inc"
#include "dialects/Warp/WarpInterfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Warp/WarpAttrs.cpp.inc"

void WarpDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Warp/WarpAttrs.cpp.inc"
      >();
}

static LogicalResult verifyRankTwo(ArrayRef<int64_t> shape, function_ref<InFlightDiagnostic()> emitError) {
  if (shape.size() != 2)
    return emitError() << "expected a tile of rank 2, got rank " << shape.size();
  return success();
}

//===----------------------------------------------------------------------===//
// frag
//===----------------------------------------------------------------------===//

/// Atoms of 16 rows in one warp's part, and atoms of 8 columns.
static int64_t atomRows(FragAttr frag, int64_t rows) { return llvm::divideCeil(rows, 16 * frag.getWarps()); }
static int64_t atomColumns(int64_t columns) { return llvm::divideCeil(columns, 8); }

int64_t FragAttr::registers(ArrayRef<int64_t> shape) const {
  return atomRows(*this, shape[0]) * atomColumns(shape[1]) * 4;
}

std::array<int64_t, 2> FragAttr::offset(int64_t index, ArrayRef<int64_t> shape) const {
  int64_t atom = index / 4, across = atomColumns(shape[1]);
  return {(atom / across) * 16 + (index % 4) / 2 * 8, (atom % across) * 8 + index % 2};
}

AffineMap FragAttr::origin(ArrayRef<int64_t> shape) const {
  Builder builder(getContext());
  AffineExpr lane = builder.getAffineDimExpr(0), warp = builder.getAffineDimExpr(1);
  AffineExpr row = lane.floorDiv(4), column = (lane % 4) * 2;
  if (getWarps() > 1)
    row = row + (warp % getWarps()) * (atomRows(*this, shape[0]) * 16);
  return AffineMap::get(2, 0, {row, column}, getContext());
}

int64_t FragAttr::vectorWidth() const { return 2; }

LogicalResult FragAttr::verifyEncoding(ArrayRef<int64_t> shape, Type,
                                       function_ref<InFlightDiagnostic()> emitError) const {
  if (getWarps() < 1)
    return emitError() << "expected at least one warp, got " << getWarps();
  return verifyRankTwo(shape, emitError);
}

//===----------------------------------------------------------------------===//
// slice
//===----------------------------------------------------------------------===//

LogicalResult SliceAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t dim, FragAttr parent) {
  if (dim != 0 && dim != 1)
    return emitError() << "expected dim 0 or 1, got " << dim;
  if (parent.getKind() != FragKind::acc)
    return emitError() << "expected a slice of an accumulator layout, got " << parent;
  return success();
}

int64_t SliceAttr::registers(ArrayRef<int64_t> shape) const {
  return getDim() == 1 ? atomRows(getParent(), shape[0]) * 2 : atomColumns(shape[1]) * 2;
}

std::array<int64_t, 2> SliceAttr::offset(int64_t index, ArrayRef<int64_t>) const {
  if (getDim() == 1)
    return {index / 2 * 16 + index % 2 * 8, 0};
  return {0, index / 2 * 8 + index % 2};
}

AffineMap SliceAttr::origin(ArrayRef<int64_t> shape) const {
  AffineMap parent = getParent().origin(shape);
  SmallVector<AffineExpr> results(parent.getResults());
  results[getDim()] = getAffineConstantExpr(0, getContext());
  return AffineMap::get(2, 0, results, getContext());
}

int64_t SliceAttr::vectorWidth() const { return getDim() == 1 ? 1 : 2; }

LogicalResult SliceAttr::verifyEncoding(ArrayRef<int64_t> shape, Type,
                                        function_ref<InFlightDiagnostic()> emitError) const {
  if (failed(verifyRankTwo(shape, emitError)))
    return failure();
  if (shape[getDim()] != 1)
    return emitError() << "expected size 1 in the reduced dim " << getDim() << ", got " << shape[getDim()];
  return success();
}

//===----------------------------------------------------------------------===//
// uniform
//===----------------------------------------------------------------------===//

int64_t UniformAttr::registers(ArrayRef<int64_t>) const { return 1; }

std::array<int64_t, 2> UniformAttr::offset(int64_t, ArrayRef<int64_t>) const { return {0, 0}; }

AffineMap UniformAttr::origin(ArrayRef<int64_t>) const {
  AffineExpr zero = getAffineConstantExpr(0, getContext());
  return AffineMap::get(2, 0, {zero, zero}, getContext());
}

int64_t UniformAttr::vectorWidth() const { return 1; }

LogicalResult UniformAttr::verifyEncoding(ArrayRef<int64_t> shape, Type,
                                          function_ref<InFlightDiagnostic()> emitError) const {
  if (llvm::any_of(shape, [](int64_t size) { return size != 1; }))
    return emitError() << "expected one element, got " << ShapedType::getNumElements(shape);
  return verifyRankTwo(shape, emitError);
}

//===----------------------------------------------------------------------===//
// shared
//===----------------------------------------------------------------------===//

LogicalResult SharedAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t pad, int64_t swizzle) {
  if (pad < 0 || pad % 16)
    return emitError() << "expected a multiple of 16 bytes of padding, got " << pad;
  if (!llvm::is_contained({0, 32, 64, 128}, swizzle))
    return emitError() << "expected a swizzle of 32, 64 or 128 bytes, got " << swizzle;
  if (pad && swizzle)
    return emitError() << "expected rows that are padded or swizzled, got both";
  return success();
}
