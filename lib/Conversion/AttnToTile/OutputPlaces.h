//===- OutputPlaces.h - where kernels leave their results -------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_OUTPUTPLACES_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_OUTPUTPLACES_H

#include "AttendKernels.h"
#include "Partition.h"

namespace heddle {

class OutputPlaces {
public:
  OutputPlaces(mlir::func::FuncOp function, const Partition &partition, PlanBuilder &plan)
      : function(function), partition(partition), plan(plan) {}

  /// The caller's array for a result of the function, workspace for anything else. States of recurrences that are only
  /// put one after another lie so from the start.
  KernelOutput placeOf(mlir::Value tensor);

  /// Where states lie one after another that `placeOf` has placed so; null for anything else.
  mlir::Value findWhole(mlir::Value concat) const { return wholes.lookup(concat); }

  /// Whether a result of the function has its place.
  bool isPlaced(unsigned result) const { return placed.contains(result); }

private:
  mlir::Value memoryOf(mlir::Value tensor);

  mlir::func::FuncOp function;
  const Partition &partition;
  PlanBuilder &plan;
  llvm::DenseSet<unsigned> placed;
  llvm::DenseMap<mlir::Value, mlir::Value> wholes;
};

} // namespace heddle

#endif
