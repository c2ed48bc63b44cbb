//===- KernelFunction.cpp - parameters of a compiled kernel -----------------===//
//
// Contract 3: `void name(const int64_t *slots, int64_t x, int64_t y, int64_t z)`. A memref takes 1 + 2r slots, a scalar
// one.
//
//===----------------------------------------------------------------------===//
#include "lib/Conversion/TileToCPU/KernelEmitter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::cpu;

func::FuncOp cpu::createKernelFunction(func::FuncOp kernel, ImplicitLocOpBuilder &b, IRMapping &mapping) {
  MLIRContext *context = b.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context), i64 = b.getI64Type();
  b.setInsertionPoint(kernel);
  auto function = func::FuncOp::create(b, kernel.getSymName(), b.getFunctionType({pointer, i64, i64, i64}, {}));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  int32_t next = 0;
  auto slot = [&](Type type) -> Value {
    Value address = LLVM::GEPOp::create(b, pointer, i64, entry->getArgument(0), ArrayRef<LLVM::GEPArg>{next++});
    return LLVM::LoadOp::create(b, type, address);
  };
  for (Value argument : kernel.getArguments()) {
    auto memory = dyn_cast<MemRefType>(argument.getType());
    if (!memory) {
      // Little endian: the low half of a slot is its first bytes.
      Type type = argument.getType();
      Value value = slot(type.isIndex() ? i64 : type);
      if (type.isIndex())
        value = arith::IndexCastOp::create(b, type, value);
      mapping.map(argument, value);
      continue;
    }
    // The descriptor of upstream's memref lowering: {allocated, aligned, offset, sizes, strides}. The offset is in the
    // address.
    int64_t rank = memory.getRank();
    SmallVector<Type> fields{pointer, pointer, i64};
    if (rank)
      fields.append(2, LLVM::LLVMArrayType::get(i64, rank));
    Value descriptor = LLVM::PoisonOp::create(b, LLVM::LLVMStructType::getLiteral(context, fields));
    Value address = slot(pointer), zero = LLVM::ConstantOp::create(b, i64, b.getI64IntegerAttr(0));
    descriptor = LLVM::InsertValueOp::create(b, descriptor, address, ArrayRef<int64_t>{0});
    descriptor = LLVM::InsertValueOp::create(b, descriptor, address, ArrayRef<int64_t>{1});
    descriptor = LLVM::InsertValueOp::create(b, descriptor, zero, ArrayRef<int64_t>{2});
    for (int64_t field : {3, 4})
      for (int64_t dim = 0; dim < rank; ++dim)
        descriptor = LLVM::InsertValueOp::create(b, descriptor, slot(i64), ArrayRef<int64_t>{field, dim});
    mapping.map(argument, UnrealizedConversionCastOp::create(b, memory, descriptor).getResult(0));
  }
  return function;
}
