#include "Interpreter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/StringSwitch.h"
#include <cstdio>
#include <cstdlib>

using namespace heddle::test;
using namespace mlir;

namespace {
enum class Code {
  Constant,
  Add,
  Sub,
  Mul,
  FloorDiv,
  CeilDiv,
  Div,
  Rem,
  Min,
  Max,
  Magnitude,
  And,
  Or,
  Xor,
  Select,
  Compare,
  Copy,
  BitToSigned,
  ToFloat,
  CompareFloat,
  Extract,
  Dim,
  If,
  For,
  While,
  Yield,
};
} // namespace

struct Interpreter::Step {
  Code code;
  std::vector<unsigned> in, out;
  int64_t value = 0; // of a constant; the predicate of a comparison
  unsigned width = 64;
  std::vector<std::unique_ptr<Program>> regions;
};

struct Interpreter::Program {
  std::vector<unsigned> arguments, yielded;
  std::vector<Step> steps;
};

Interpreter::Interpreter(Block &body) { program = compile(body); }
Interpreter::~Interpreter() = default;

unsigned Interpreter::slot(Value value) {
  auto [entry, isNew] = slots.try_emplace(value, values.size());
  if (isNew) {
    values.push_back(0);
    tables.push_back(nullptr);
  }
  return entry->second;
}

void Interpreter::bind(Value argument, int64_t value) { values[slot(argument)] = value; }
void Interpreter::bind(Value argument, const Table *table) { tables[slot(argument)] = table; }

std::vector<int64_t> Interpreter::run() {
  execute(*program);
  std::vector<int64_t> result;
  for (unsigned s : program->yielded)
    result.push_back(values[s]);
  return result;
}

std::unique_ptr<Interpreter::Program> Interpreter::compile(Block &block) {
  auto result = std::make_unique<Program>();
  for (Value argument : block.getArguments())
    result->arguments.push_back(slot(argument));
  for (Operation &op : block) {
    if (op.hasTrait<OpTrait::IsTerminator>()) {
      for (Value operand : op.getOperands())
        result->yielded.push_back(slot(operand));
      continue;
    }
    Step step;
    std::optional<Code> code = llvm::StringSwitch<std::optional<Code>>(op.getName().getStringRef())
                                   .Case("arith.constant", Code::Constant)
                                   .Case("arith.addi", Code::Add)
                                   .Case("arith.subi", Code::Sub)
                                   .Case("arith.muli", Code::Mul)
                                   .Case("arith.floordivsi", Code::FloorDiv)
                                   .Case("arith.ceildivsi", Code::CeilDiv)
                                   .Case("arith.divsi", Code::Div)
                                   .Case("arith.remsi", Code::Rem)
                                   .Case("arith.minsi", Code::Min)
                                   .Case("arith.maxsi", Code::Max)
                                   .Case("math.absi", Code::Magnitude)
                                   .Case("arith.andi", Code::And)
                                   .Case("arith.ori", Code::Or)
                                   .Case("arith.xori", Code::Xor)
                                   .Case("arith.select", Code::Select)
                                   .Case("arith.cmpi", Code::Compare)
                                   .Cases({"arith.index_cast", "arith.index_castui", "arith.extui"}, Code::Copy)
                                   .Case("arith.extsi", Code::BitToSigned)
                                   .Case("arith.sitofp", Code::ToFloat)
                                   .Case("arith.cmpf", Code::CompareFloat)
                                   .Case("tensor.extract", Code::Extract)
                                   .Case("tensor.dim", Code::Dim)
                                   .Case("scf.if", Code::If)
                                   .Case("scf.for", Code::For)
                                   .Case("scf.while", Code::While)
                                   .Default(std::nullopt);
    if (!code) {
      std::fprintf(stderr, "the test interpreter does not know %s\n", op.getName().getStringRef().str().c_str());
      std::abort();
    }
    step.code = *code;
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      auto attribute = cast<IntegerAttr>(constant.getValue());
      step.value =
          attribute.getType().isInteger(1) ? attribute.getValue().getZExtValue() : attribute.getValue().getSExtValue();
    }
    if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
      step.value = static_cast<int64_t>(compare.getPredicate());
      step.width = compare.getLhs().getType().isInteger(1) ? 1 : 64;
    }
    for (Value operand : op.getOperands())
      step.in.push_back(slot(operand));
    for (Value value : op.getResults())
      step.out.push_back(slot(value));
    for (Region &region : op.getRegions())
      step.regions.push_back(region.empty() ? nullptr : compile(region.front()));
    result->steps.push_back(std::move(step));
  }
  return result;
}

void Interpreter::execute(const Program &program) {
  for (const Step &step : program.steps)
    executeStep(step);
}

static bool compare(int64_t predicate, int64_t a, int64_t b, unsigned width) {
  uint64_t ua = a, ub = b;
  if (width == 1) { // a set bit is -1 when signed
    a = -a;
    b = -b;
  }
  switch (static_cast<arith::CmpIPredicate>(predicate)) {
  case arith::CmpIPredicate::eq:
    return a == b;
  case arith::CmpIPredicate::ne:
    return a != b;
  case arith::CmpIPredicate::slt:
    return a < b;
  case arith::CmpIPredicate::sle:
    return a <= b;
  case arith::CmpIPredicate::sgt:
    return a > b;
  case arith::CmpIPredicate::sge:
    return a >= b;
  case arith::CmpIPredicate::ult:
    return ua < ub;
  case arith::CmpIPredicate::ule:
    return ua <= ub;
  case arith::CmpIPredicate::ugt:
    return ua > ub;
  case arith::CmpIPredicate::uge:
    return ua >= ub;
  }
  std::abort();
}

int64_t Interpreter::arithmetic(const Step &step) const {
  auto x = [&](unsigned k) { return values[step.in[k]]; };
  switch (step.code) {
  case Code::Constant:
    return step.value;
  case Code::Add:
    return x(0) + x(1);
  case Code::Sub:
    return x(0) - x(1);
  case Code::Mul:
    return x(0) * x(1);
  case Code::FloorDiv: {
    int64_t r = x(0) % x(1);
    return x(0) / x(1) - (r != 0 && (r < 0) != (x(1) < 0) ? 1 : 0);
  }
  case Code::CeilDiv: {
    int64_t r = x(0) % x(1);
    return x(0) / x(1) + (r != 0 && (r < 0) == (x(1) < 0) ? 1 : 0);
  }
  case Code::Div:
    return x(0) / x(1);
  case Code::Rem:
    return x(0) % x(1);
  case Code::Min:
    return std::min(x(0), x(1));
  case Code::Max:
    return std::max(x(0), x(1));
  case Code::Magnitude:
    return std::abs(x(0));
  case Code::And:
    return x(0) & x(1);
  case Code::Or:
    return x(0) | x(1);
  case Code::Xor:
    return x(0) ^ x(1);
  case Code::Select:
    return x(0) ? x(1) : x(2);
  case Code::Compare:
    return compare(step.value, x(0), x(1), step.width);
  case Code::Copy:
  case Code::ToFloat:
    return x(0);
  case Code::BitToSigned:
    return -x(0);
  case Code::CompareFloat: // only `olt`, on integers that fit
    return x(0) < x(1);
  case Code::Extract: {
    const Table &table = *tables[step.in[0]];
    int64_t offset = 0;
    for (unsigned k = 0; k < table.sizes.size(); ++k) {
      int64_t index = x(k + 1);
      if (index < 0 || index >= table.sizes[k]) {
        std::fprintf(stderr, "read at %ld of a table of %ld\n", long(index), long(table.sizes[k]));
        std::abort();
      }
      offset = offset * table.sizes[k] + index;
    }
    return table.entries[offset];
  }
  case Code::Dim:
    return tables[step.in[0]]->sizes[x(1)];
  default:
    std::abort();
  }
}

void Interpreter::executeStep(const Step &step) {
  switch (step.code) {
  case Code::If: {
    const Program &branch = *step.regions[values[step.in[0]] ? 0 : 1];
    execute(branch);
    for (unsigned k = 0; k < step.out.size(); ++k)
      values[step.out[k]] = values[branch.yielded[k]];
    return;
  }
  case Code::For:
  case Code::While:
    return executeLoop(step);
  default:
    values[step.out[0]] = arithmetic(step);
  }
}

void Interpreter::executeLoop(const Step &step) {
  auto move = [&](const std::vector<unsigned> &to, unsigned toFirst, const std::vector<unsigned> &from,
                  unsigned fromFirst) {
    std::vector<int64_t> carried;
    for (unsigned k = fromFirst; k < from.size(); ++k)
      carried.push_back(values[from[k]]);
    for (unsigned k = 0; k < carried.size(); ++k)
      values[to[toFirst + k]] = carried[k];
  };
  if (step.code == Code::For) {
    const Program &body = *step.regions[0];
    move(body.arguments, 1, step.in, 3);
    for (int64_t i = values[step.in[0]]; i < values[step.in[1]]; i += values[step.in[2]]) {
      values[body.arguments[0]] = i;
      execute(body);
      move(body.arguments, 1, body.yielded, 0);
    }
    move(step.out, 0, body.arguments, 1);
    return;
  }
  const Program &before = *step.regions[0], &after = *step.regions[1];
  move(before.arguments, 0, step.in, 0);
  for (execute(before); values[before.yielded[0]]; execute(before)) {
    move(after.arguments, 0, before.yielded, 1);
    execute(after);
    move(before.arguments, 0, after.yielded, 0);
  }
  move(step.out, 0, before.yielded, 1);
}
