//===- ReadPosition.cpp - where rows read a state ---------------------------===//
#include "heddle/Analysis/ReadPosition.h"
#include "MaskRegion.h"
#include "heddle/Analysis/IndexExpr.h"

using namespace heddle;

bool heddle::neverFalls(mlir::Region &region) {
  IndexExprContext context;
  ExprRef position = readRowRegion(context, region);
  llvm::SmallVector<ExprRef> conditions;
  Direction found = direction(context, position, IndexSymbol::Row, conditions);
  return conditions.empty() && (found == Direction::Up || found == Direction::Constant);
}
