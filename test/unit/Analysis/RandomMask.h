//===- RandomMask.h - masks that nobody would write -------------*- C++ -*-===//
#ifndef HEDDLE_TEST_UNIT_ANALYSIS_RANDOMMASK_H
#define HEDDLE_TEST_UNIT_ANALYSIS_RANDOMMASK_H

#include "Interpreter.h"
#include "heddle/Analysis/MaskAnalysis.h"
#include "heddle/Analysis/MaskOnHost.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include <map>
#include <random>

namespace heddle::test {

using Random = std::mt19937_64;

inline int64_t pick(Random &random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

/// A mask with its run-time values.
struct MaskCase {
  mlir::func::FuncOp function;         // (b, h, i, j, captures..) -> i1
  std::map<unsigned, int64_t> scalars; // by argument number
  std::map<unsigned, Table> tables;    // entries of i32, or truths
  int64_t batch = 0, head = 0, rows = 1, keys = 1;

  HostCaptures captures() const;
  void bind(Interpreter &interpreter) const;

private:
  mutable std::map<unsigned, std::vector<int32_t>> words;
  mutable std::map<unsigned, std::vector<int8_t>> truths;
};

/// A random function in `module` and random values for it. Tables have `extent` entries per dimension, which bounds the
/// rows and keys. `opaque` allows operations that the algebra does not know.
MaskCase makeRandomMask(mlir::ModuleOp module, Random &random, int64_t extent, bool opaque);

} // namespace heddle::test

#endif
