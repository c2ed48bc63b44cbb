//===- ScalarRegion.h - text and checks of regions on scalars ---------------===//
//
// Every region of the dialect is one block on scalars. Its text is a list of
// names and a body, `(%s, %b, %h, %i, %j) { .. }`; the types are implied by the
// operation. Sizes are a list of numbers and values, as the result type has them.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_DIALECTS_ATTN_SCALARREGION_H
#define HEDDLE_DIALECTS_ATTN_SCALARREGION_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpImplementation.h"

namespace heddle::attn {

/// Parses `(names) { body }`. Block arguments of `trailing` are appended to the names written. The last `optional`
/// types may be left out together.
mlir::ParseResult parseScalarRegion(mlir::OpAsmParser &parser, mlir::Region &region, mlir::TypeRange types,
                                    llvm::ArrayRef<mlir::OpAsmParser::Argument> trailing = {}, unsigned optional = 0);
/// Prints all block arguments but the last `hidden`, and the body.
void printScalarRegion(mlir::OpAsmPrinter &printer, mlir::Region &region, unsigned hidden = 0);

/// Checks that a region is one block that takes and yields these types. `name` is how messages call it.
mlir::LogicalResult verifyScalarRegion(mlir::Operation *op, mlir::Region &region, llvm::StringRef name,
                                       mlir::TypeRange takes, mlir::TypeRange yields);

/// A list `(%n, 32)`: values for dynamic extents, numbers for static ones.
struct SizeList {
  llvm::SMLoc location;
  llvm::SmallVector<mlir::OpAsmParser::UnresolvedOperand> values;
  /// One entry per dimension; `kDynamic` where a value stands.
  llvm::SmallVector<int64_t> extents;

  mlir::ParseResult parse(mlir::OpAsmParser &parser);
  /// Whether the list is what the shape of `type` asks for.
  mlir::ParseResult check(mlir::OpAsmParser &parser, mlir::ShapedType type) const;
};
void printSizeList(mlir::OpAsmPrinter &printer, mlir::ValueRange sizes, mlir::ShapedType type);

} // namespace heddle::attn

#endif
