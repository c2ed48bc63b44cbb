//===- VerifyAttn.cpp - the gate at the top of the ladder -------------------===//
//
// Test: test/Transforms/verify-attn.mlir, one case per message.
//
//===----------------------------------------------------------------------===//
#include "dialects/Attn/AttnOps.h"
#include "heddle/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"

namespace heddle {
#define GEN_PASS_DEF_VERIFYATTN
#include "heddle/Transforms/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

static bool isOfRung(Dialect *dialect) {
  return isa_and_nonnull<attn::AttnDialect, arith::ArithDialect, math::MathDialect, linalg::LinalgDialect,
                         tensor::TensorDialect, scf::SCFDialect, func::FuncDialect, BuiltinDialect>(dialect);
}

static bool isArray(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() > 0 && (tensor.getElementType().isIntOrFloat());
}

static bool isNumber(Type type) { return type.isIndex() || type.isInteger(32) || type.isF32(); }

static LogicalResult verifyFunction(func::FuncOp function) {
  for (auto [index, type] : llvm::enumerate(function.getArgumentTypes()))
    if (!isArray(type) && !isNumber(type))
      return function.emitOpError("expected argument ")
             << index << " to be a tensor of rank 1 or more, index, i32 or f32, got " << type;
  for (auto [index, type] : llvm::enumerate(function.getResultTypes()))
    if (!isArray(type))
      return function.emitOpError("expected result ") << index << " to be a tensor of rank 1 or more, got " << type;
  if (!function.isExternal() && !function.getBody().hasOneBlock())
    return function.emitOpError("expected one block, got ") << function.getBody().getBlocks().size();
  return success();
}

/// One operation of a region on scalars.
static LogicalResult verifyScalar(Operation *op) {
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    for (Value bound : {loop.getLowerBound(), loop.getUpperBound(), loop.getStep()})
      if (!matchPattern(bound, m_Constant()))
        return loop.emitOpError("expected constant bounds in a region on scalars, got ") << bound;
    return success();
  }
  if (isa<attn::YieldOp, scf::IfOp, scf::YieldOp, tensor::DimOp>(op))
    return success();
  bool pureScalar = isa<arith::ArithDialect, math::MathDialect>(op->getDialect()) || isa<tensor::ExtractOp>(op);
  if (!pureScalar)
    return op->emitOpError("expected arith, math, tensor.extract, tensor.dim, scf.if or scf.for in a region on "
                           "scalars, got ")
           << op->getName();
  for (Type type : op->getResultTypes())
    if (!type.isIntOrIndexOrFloat())
      return op->emitOpError("expected scalars in a region on scalars, got ") << type;
  return success();
}

namespace {
class VerifyAttn : public heddle::impl::VerifyAttnBase<VerifyAttn> {
  LogicalResult check(Operation *op) {
    if (!isOfRung(op->getDialect()))
      return op->emitOpError("expected attn, arith, math, linalg, tensor, scf or func, got ") << op->getName();
    if (auto function = dyn_cast<func::FuncOp>(op))
      return verifyFunction(function);
    if (auto attend = dyn_cast<attn::AttendOp>(op)) {
      if (attend.isNormalized() && !attend.lookupNormalizer())
        return attend.emitOpError("expected ") << attend.getNormalizerAttr() << " to be defined, got no such symbol";
      return success();
    }
    Operation *parent = op->getParentOp();
    while (parent && isa<scf::SCFDialect>(parent->getDialect()))
      parent = parent->getParentOp();
    return parent && isa<attn::AttnDialect>(parent->getDialect()) ? verifyScalar(op) : success();
  }

  void runOnOperation() override {
    bool faulty = false;
    getOperation().walk([&](Operation *op) { faulty |= failed(check(op)); });
    if (faulty)
      signalPassFailure();
  }
};
} // namespace
