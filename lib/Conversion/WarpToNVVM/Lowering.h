//===- Lowering.h - what the patterns of warp -> nvvm share -----------------===//
//
// An encoded tensor is the list of its registers, a memref is its pointer, sizes
// and strides, a slot is a pointer. The patterns are grouped by what they touch.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_WARPTONVVM_LOWERING_H
#define HEDDLE_LIB_CONVERSION_WARPTONVVM_LOWERING_H

#include "dialects/Warp/WarpOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/DialectConversion.h"

namespace heddle {

/// Global memory and shared memory, as NVPTX numbers them.
enum AddressSpace : unsigned { globalSpace = 1, sharedSpace = 3 };

/// The layout of an encoded tensor.
warp::LayoutInterface layoutOf(mlir::Type type);
/// Whether registers hold two packed elements (a left operand of 16-bit elements).
bool isPacked(mlir::RankedTensorType type);

/// This thread's place in the block, as i32.
mlir::Value threadIndex(mlir::ImplicitLocOpBuilder &builder);
mlir::Value laneIndex(mlir::ImplicitLocOpBuilder &builder);
mlir::Value warpIndex(mlir::ImplicitLocOpBuilder &builder);

mlir::Value constantI32(mlir::ImplicitLocOpBuilder &builder, int64_t value);
mlir::Value constantI64(mlir::ImplicitLocOpBuilder &builder, int64_t value);
mlir::Value addI32(mlir::ImplicitLocOpBuilder &builder, mlir::Value value, int64_t constant);

/// The coordinates (row, column) of the thread's register 0, as i32.
std::array<mlir::Value, 2> originOf(mlir::ImplicitLocOpBuilder &builder, mlir::RankedTensorType type);
/// The same, computed where it is read: nothing that follows from it is kept across loops.
std::array<mlir::Value, 2> originHere(mlir::ImplicitLocOpBuilder &builder, mlir::RankedTensorType type);
/// Whether the innermost loop here has loops inside, through which all that leaves it would last.
bool isAroundLoops(mlir::ImplicitLocOpBuilder &builder);

/// `pointer` + `bytes`, constant or computed (i32 or i64).
mlir::Value advance(mlir::ImplicitLocOpBuilder &builder, mlir::Value pointer, mlir::LLVM::GEPArg bytes);

/// Operands of which each is one value (coordinates).
llvm::SmallVector<mlir::Value> singles(llvm::ArrayRef<mlir::ValueRange> operands);

/// A barrier of the block, or of its consumers where warps have roles.
void barrier(mlir::ImplicitLocOpBuilder &builder);
/// The warps that consume, of the kernel around the builder's position; 0 without roles.
int64_t consumerWarps(mlir::ImplicitLocOpBuilder &builder);

/// Lets the next launch start, and waits until those before this one are done.
void waitForLaunches(mlir::ImplicitLocOpBuilder &builder);

/// An asm statement with side effects.
mlir::Value inlineAsm(mlir::ImplicitLocOpBuilder &builder, mlir::TypeRange results, mlir::ValueRange operands,
                      llvm::StringRef text, llvm::StringRef constraints);

/// A memref as the conversion sees it: pointer, sizes (index, which is 32 bits wide here: every size is below 2^31) and
/// strides (i64).
class MemRefParts {
public:
  MemRefParts(mlir::MemRefType type, mlir::ValueRange values);
  mlir::Value pointer() const { return values[0]; }
  mlir::Value size(mlir::ImplicitLocOpBuilder &builder, int64_t dim) const;
  mlir::Value stride(mlir::ImplicitLocOpBuilder &builder, int64_t dim) const;
  /// Address of an element; the coordinates are of type index.
  mlir::Value address(mlir::ImplicitLocOpBuilder &builder, mlir::ValueRange indices) const;
  mlir::MemRefType getType() const { return type; }
  static int64_t count(mlir::MemRefType type) { return 1 + 2 * type.getRank(); }

private:
  mlir::MemRefType type;
  mlir::ValueRange values;
  llvm::SmallVector<int64_t> strides;
};

/// What a thread needs to copy pieces of a rectangle of an array.
struct CopySource {
  CopySource(mlir::ImplicitLocOpBuilder &builder, warp::CopyOp op, const MemRefParts &memory, mlir::ValueRange indices,
             mlir::Value limit);
  /// Whether the piece at (row + down, column) exists.
  mlir::Value inside(mlir::ImplicitLocOpBuilder &builder, mlir::Value row, int64_t down, mlir::Value column) const;

  mlir::Value base, rowStride, firstDistance, rowBound, columnBound;
};

/// The value that lane `lane xor mask` holds.
mlir::Value shuffleXor(mlir::ImplicitLocOpBuilder &builder, mlir::Value value, int64_t mask);

/// Loads one value of up to 64 bits where `inside` (i1) holds, 0 elsewhere. No branch.
mlir::Value loadIf(mlir::ImplicitLocOpBuilder &builder, mlir::Type type, mlir::Value pointer, mlir::Value inside);
void storeIf(mlir::ImplicitLocOpBuilder &builder, mlir::Value value, mlir::Value pointer, mlir::Value inside);

void populateElementwiseLowering(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populatePositionMaskLowering(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateTileLowering(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateReduceLowering(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateMemoryLowering(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateSlotLowering(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateSlotTileLowering(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateMmaLowering(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateWarpgroupMmaLowering(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateBulkRingLowering(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateNumberLowering(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateRowCopyLowering(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateRowStoreLowering(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateTurnLowering(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateVectorCopyLowering(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
/// Whether a copy is one of the copying role.
bool fillsBulkSlot(warp::CopyOp copy);
/// Numbers the tensor maps that a kernel's bulk copies need, before its arguments are taken apart: the list for
/// `warp.tensor_maps`, and on each copy the number of its map.
mlir::ArrayAttr numberTensorMaps(mlir::func::FuncOp kernel);
/// Turns roles into a branch, after the barriers of bulk rings have been set up.
void lowerRoles(mlir::LLVM::LLVMFuncOp function);
/// Groups of consuming warps leave out the iterations that their part of the rows does not need; `warp` is the number
/// that a warp's lanes agree on.
void leaveOutSteps(warp::RolesOp roles, mlir::Value warp);
/// Notes on each `warp.wait` how many products issued after its own may go on.
void countPendingProducts(mlir::LLVM::LLVMFuncOp function);
/// Notes on each `warp.release` whether threads have read or written the slot that a copy fills next.
void markThreadAccesses(mlir::LLVM::LLVMFuncOp function);
/// Scalar `math` to the machine's instructions.
void populateMathLowering(mlir::RewritePatternSet &patterns);

/// Bytes from the start of a swizzled slot to the 16-byte piece number `piece` of a row.
mlir::Value swizzledOffset(mlir::ImplicitLocOpBuilder &builder, warp::SlotType slot, mlir::Value row,
                           mlir::Value piece);

/// Registers and matrix fragments of a left operand at the top left of a slot, by ldmatrix (16-bit elements).
llvm::SmallVector<mlir::Value> loadFragments(mlir::ImplicitLocOpBuilder &builder, mlir::Value slot, warp::SlotType type,
                                             warp::FragAttr layout, int64_t rows, int64_t columns, bool transposed);

/// Puts such fragments, in the same order, to the top left of a swizzled slot, by stmatrix.
void storeFragments(mlir::ImplicitLocOpBuilder &builder, mlir::Value slot, warp::SlotType type, warp::FragAttr layout,
                    llvm::ArrayRef<int64_t> shape, mlir::ValueRange words);
/// Neighbouring 16-bit values as words.
llvm::SmallVector<mlir::Value> packPairs(mlir::ImplicitLocOpBuilder &builder, mlir::ValueRange values);

/// Where the block's shared memory starts.
constexpr llvm::StringLiteral sharedSymbol = "heddle_shared";

} // namespace heddle

#endif
