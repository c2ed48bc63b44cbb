//===- heddle-opt.cpp - run Heddle's passes on text -------------------------===//
#include "dialects/Attn/AttnDialect.h"
#include "dialects/Tile/TileDialect.h"
#include "dialects/Warp/WarpDialect.h"
#include "heddle/Pipelines/Pipelines.h"
#include "heddle/Target/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<heddle::attn::AttnDialect, heddle::tile::TileDialect, heddle::warp::WarpDialect,
                  mlir::arith::ArithDialect, mlir::func::FuncDialect, mlir::LLVM::LLVMDialect, mlir::NVVM::NVVMDialect,
                  mlir::linalg::LinalgDialect, mlir::math::MathDialect, mlir::memref::MemRefDialect,
                  mlir::scf::SCFDialect, mlir::tensor::TensorDialect, mlir::vector::VectorDialect>();
  heddle::registerPipelinePasses();
  heddle::registerTargetPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Heddle's pass driver\n", registry));
}
