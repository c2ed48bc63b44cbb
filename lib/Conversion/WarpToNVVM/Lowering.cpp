//===- Lowering.cpp - threads, addresses and guarded accesses ---------------===//
#include "lib/Conversion/WarpToNVVM/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle;

warp::LayoutInterface heddle::layoutOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? dyn_cast_or_null<warp::LayoutInterface>(tensor.getEncoding()) : warp::LayoutInterface();
}

bool heddle::isPacked(RankedTensorType type) {
  auto frag = dyn_cast_or_null<warp::FragAttr>(type.getEncoding());
  return frag && frag.getKind() == warp::FragKind::a && type.getElementTypeBitWidth() == 16;
}

Value heddle::constantI32(ImplicitLocOpBuilder &builder, int64_t value) {
  return arith::ConstantIntOp::create(builder, value, 32);
}

Value heddle::constantI64(ImplicitLocOpBuilder &builder, int64_t value) {
  return arith::ConstantIntOp::create(builder, value, 64);
}

Value heddle::addI32(ImplicitLocOpBuilder &builder, Value value, int64_t constant) {
  return constant ? builder.createOrFold<arith::AddIOp>(value, constantI32(builder, constant)) : value;
}

Value heddle::threadIndex(ImplicitLocOpBuilder &builder) {
  return NVVM::ThreadIdXOp::create(builder, builder.getI32Type());
}

Value heddle::laneIndex(ImplicitLocOpBuilder &builder) {
  return arith::AndIOp::create(builder, threadIndex(builder), constantI32(builder, 31));
}

Value heddle::warpIndex(ImplicitLocOpBuilder &builder) {
  return arith::ShRUIOp::create(builder, threadIndex(builder), constantI32(builder, 5));
}

/// Expands an expression of lane and warp, which are never negative.
static Value expand(ImplicitLocOpBuilder &builder, AffineExpr expr, Value lane, Value warp) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constantI32(builder, constant.getValue());
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return dim.getPosition() == 0 ? lane : warp;
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Value lhs = expand(builder, binary.getLHS(), lane, warp), rhs = expand(builder, binary.getRHS(), lane, warp);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return builder.createOrFold<arith::AddIOp>(lhs, rhs);
  case AffineExprKind::Mul:
    return builder.createOrFold<arith::MulIOp>(lhs, rhs);
  case AffineExprKind::Mod:
    return builder.createOrFold<arith::RemUIOp>(lhs, rhs);
  case AffineExprKind::FloorDiv:
    return builder.createOrFold<arith::DivUIOp>(lhs, rhs);
  default:
    llvm_unreachable("layouts use +, *, mod and floordiv only");
  }
}

std::array<Value, 2> heddle::originOf(ImplicitLocOpBuilder &builder, RankedTensorType type) {
  AffineMap map = layoutOf(type).origin(type.getShape());
  Value lane = laneIndex(builder), warp = warpIndex(builder);
  return {expand(builder, map.getResult(0), lane, warp), expand(builder, map.getResult(1), lane, warp)};
}

bool heddle::isAroundLoops(ImplicitLocOpBuilder &builder) {
  Operation *loop = builder.getInsertionBlock()->getParentOp();
  while (loop && !isa<scf::ForOp, scf::WhileOp>(loop))
    loop = loop->getParentOp();
  return loop && loop->walk([&](Operation *inner) {
                       return inner != loop && isa<scf::ForOp, scf::WhileOp>(inner) ? WalkResult::interrupt()
                                                                                    : WalkResult::advance();
                     })
                     .wasInterrupted();
}

std::array<Value, 2> heddle::originHere(ImplicitLocOpBuilder &builder, RankedTensorType type) {
  AffineMap map = layoutOf(type).origin(type.getShape());
  Value thread = inlineAsm(builder, builder.getI32Type(), {}, "mov.u32 $0, %tid.x;", "=r");
  Value lane = arith::AndIOp::create(builder, thread, constantI32(builder, 31));
  Value warp = arith::ShRUIOp::create(builder, thread, constantI32(builder, 5));
  return {expand(builder, map.getResult(0), lane, warp), expand(builder, map.getResult(1), lane, warp)};
}

Value heddle::advance(ImplicitLocOpBuilder &builder, Value pointer, LLVM::GEPArg bytes) {
  return LLVM::GEPOp::create(builder, pointer.getType(), builder.getI8Type(), pointer, ArrayRef<LLVM::GEPArg>(bytes));
}

SmallVector<Value> heddle::singles(ArrayRef<ValueRange> operands) {
  return llvm::map_to_vector(operands, [](ValueRange values) -> Value { return values[0]; });
}

int64_t heddle::consumerWarps(ImplicitLocOpBuilder &builder) {
  auto function = builder.getInsertionBlock()->getParent()->getParentOfType<LLVM::LLVMFuncOp>();
  auto count = function ? function->getAttrOfType<IntegerAttr>(warp::WarpDialect::consumersAttr) : IntegerAttr();
  return count ? count.getInt() : 0;
}

void heddle::barrier(ImplicitLocOpBuilder &builder) {
  int64_t consumers = consumerWarps(builder);
  if (consumers == 0)
    NVVM::BarrierOp::create(builder);
  else
    NVVM::BarrierOp::create(builder, Type(), constantI32(builder, 1), constantI32(builder, 32 * consumers),
                            NVVM::BarrierReductionAttr(), Value());
}

Value heddle::inlineAsm(ImplicitLocOpBuilder &builder, TypeRange results, ValueRange operands, StringRef text,
                        StringRef constraints) {
  auto statement =
      LLVM::InlineAsmOp::create(builder, results, operands, text, constraints, /*has_side_effects=*/true,
                                /*is_align_stack=*/false, LLVM::TailCallKind::None,
                                LLVM::AsmDialectAttr::get(builder.getContext(), LLVM::AsmDialect::AD_ATT), ArrayAttr());
  return results.empty() ? Value() : statement.getRes();
}

SmallVector<Value> heddle::packPairs(ImplicitLocOpBuilder &builder, ValueRange values) {
  SmallVector<Value> words;
  for (size_t index = 0; index < values.size(); index += 2) {
    Value packed = LLVM::UndefOp::create(builder, VectorType::get(2, values[index].getType()));
    packed = LLVM::InsertElementOp::create(builder, packed, values[index], constantI32(builder, 0));
    packed = LLVM::InsertElementOp::create(builder, packed, values[index + 1], constantI32(builder, 1));
    words.push_back(LLVM::BitcastOp::create(builder, builder.getI32Type(), packed));
  }
  return words;
}

Value heddle::shuffleXor(ImplicitLocOpBuilder &builder, Value value, int64_t mask) {
  Type type = value.getType();
  unsigned bits = type.getIntOrFloatBitWidth();
  Value word = isa<FloatType>(type) ? LLVM::BitcastOp::create(builder, builder.getIntegerType(bits), value) : value;
  if (bits < 32)
    word = arith::ExtUIOp::create(builder, builder.getI32Type(), word);
  word = NVVM::ShflOp::create(builder, builder.getI32Type(), constantI32(builder, -1), word, constantI32(builder, mask),
                              constantI32(builder, 31), NVVM::ShflKind::bfly, UnitAttr());
  if (bits < 32)
    word = arith::TruncIOp::create(builder, builder.getIntegerType(bits), word);
  return isa<FloatType>(type) ? LLVM::BitcastOp::create(builder, type, word) : word;
}

//===----------------------------------------------------------------------===//
// memrefs
//===----------------------------------------------------------------------===//

MemRefParts::MemRefParts(MemRefType type, ValueRange values) : type(type), values(values) {
  int64_t offset;
  if (failed(type.getStridesAndOffset(strides, offset)))
    strides.assign(type.getRank(), ShapedType::kDynamic);
}

Value MemRefParts::size(ImplicitLocOpBuilder &builder, int64_t dim) const {
  if (!type.isDynamicDim(dim))
    return arith::ConstantIndexOp::create(builder, type.getDimSize(dim));
  return values[1 + dim];
}

Value MemRefParts::stride(ImplicitLocOpBuilder &builder, int64_t dim) const {
  if (!ShapedType::isDynamic(strides[dim]))
    return constantI64(builder, strides[dim]);
  return values[1 + type.getRank() + dim];
}

Value MemRefParts::address(ImplicitLocOpBuilder &builder, ValueRange indices) const {
  Value offset;
  for (auto [dim, index] : llvm::enumerate(indices)) {
    Value wide = builder.createOrFold<arith::IndexCastOp>(builder.getI64Type(), index);
    Value term = builder.createOrFold<arith::MulIOp>(wide, stride(builder, dim));
    offset = offset ? builder.createOrFold<arith::AddIOp>(offset, term) : term;
  }
  if (!offset)
    return pointer();
  return LLVM::GEPOp::create(builder, pointer().getType(), type.getElementType(), pointer(),
                             ArrayRef<LLVM::GEPArg>(LLVM::GEPArg(offset)));
}

//===----------------------------------------------------------------------===//
// guarded accesses
//===----------------------------------------------------------------------===//

namespace {
struct Width {
  StringRef suffix, constraint;
  unsigned bits;
};
} // namespace

static Width widthOf(Type type) {
  unsigned bits = 0;
  if (auto vector = dyn_cast<VectorType>(type))
    bits = vector.getNumElements() * vector.getElementTypeBitWidth();
  else
    bits = type.getIntOrFloatBitWidth();
  switch (bits) {
  case 8:
    return {"u8", "h", 16};
  case 16:
    return {"b16", "h", 16};
  case 32:
    return {"b32", "r", 32};
  default:
    return {"b64", "l", 64};
  }
}

void heddle::waitForLaunches(ImplicitLocOpBuilder &builder) {
  inlineAsm(builder, {}, {}, "griddepcontrol.launch_dependents;\ngriddepcontrol.wait;", "~{memory}");
}

/// The guard is an instruction predicate: many accesses stay in flight, where a branch would wait for each.
Value heddle::loadIf(ImplicitLocOpBuilder &builder, Type type, Value pointer, Value inside) {
  Width width = widthOf(type);
  Type word = builder.getIntegerType(width.bits);
  Value guard = arith::ExtUIOp::create(builder, builder.getI32Type(), inside);
  // Of rows of f32 in pairs other lanes and the next accesses read the rest of each line: it is asked for at once.
  StringRef line = width.bits == 64 ? "L2::128B." : "";
  std::string text = ("{\n.reg .pred p;\nsetp.ne.b32 p, $2, 0;\nmov.b" + Twine(width.bits) + " $0, 0;\n@p ld.global." +
                      line + width.suffix + " $0, [$1];\n}")
                         .str();
  std::string constraints = ("=&" + width.constraint + ",l,r").str();
  Value loaded = inlineAsm(builder, word, ValueRange{pointer, guard}, text, constraints);
  if (type.isInteger(8))
    return arith::TruncIOp::create(builder, type, loaded);
  return type == word ? loaded : Value(LLVM::BitcastOp::create(builder, type, loaded));
}

void heddle::storeIf(ImplicitLocOpBuilder &builder, Value value, Value pointer, Value inside) {
  Type type = value.getType();
  Width width = widthOf(type);
  Type word = builder.getIntegerType(width.bits);
  if (type.isInteger(8))
    value = arith::ExtUIOp::create(builder, word, value);
  else if (type != word)
    value = LLVM::BitcastOp::create(builder, word, value);
  Value guard = arith::ExtUIOp::create(builder, builder.getI32Type(), inside);
  std::string text = ("{\n.reg .pred p;\nsetp.ne.b32 p, $2, 0;\n@p st.global." + width.suffix + " [$0], $1;\n}").str();
  std::string constraints = ("l," + width.constraint + ",r").str();
  inlineAsm(builder, TypeRange{}, ValueRange{pointer, value, guard}, text, constraints);
}
