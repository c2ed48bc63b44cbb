//===- Interpreter.h - scalar functions, run operation by operation -*- C++ -*-===//
//
// The independent side of the mask tests: it runs the operations of a function and
// shares no code with the analysis. Fast enough for every pair of ten thousand masks.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_TEST_UNIT_ANALYSIS_INTERPRETER_H
#define HEDDLE_TEST_UNIT_ANALYSIS_INTERPRETER_H

#include "mlir/IR/Block.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/DenseMap.h"
#include <cstdint>
#include <memory>
#include <vector>

namespace heddle::test {

/// A dense row-major table.
struct Table {
  std::vector<int64_t> sizes;
  std::vector<int64_t> entries;
};

class Interpreter {
public:
  explicit Interpreter(mlir::Block &body);
  ~Interpreter();

  void bind(mlir::Value argument, int64_t value);
  void bind(mlir::Value argument, const Table *table);
  /// Runs the block; the operands of its terminator.
  std::vector<int64_t> run();

private:
  struct Step;
  struct Program;
  unsigned slot(mlir::Value value);
  std::unique_ptr<Program> compile(mlir::Block &block);
  void execute(const Program &program);
  void executeStep(const Step &step);
  int64_t arithmetic(const Step &step) const;
  void executeLoop(const Step &step);

  llvm::DenseMap<mlir::Value, unsigned> slots;
  std::vector<int64_t> values;
  std::vector<const Table *> tables;
  std::unique_ptr<Program> program;
};

} // namespace heddle::test

#endif
