//===- heddle-lsp-server.cpp - Heddle's dialects in an editor ---------------===//
#include "heddle/Pipelines/Pipelines.h"
#include "mlir/IR/Dialect.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  heddle::registerPipelineDialects(registry);
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
