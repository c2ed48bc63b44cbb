//===- Expression.cpp - arithmetic that the runtime does before a launch ----===//
#include "heddle/Target/Expression.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>

using namespace heddle;

static int64_t wrap(uint64_t value) { return static_cast<int64_t>(value); }

/// What the runtime would leave on its stack; nothing where it would report an error.
static std::optional<int64_t> fold(heddle_opcode opcode, int64_t a, int64_t b) {
  auto floorDivide = [&] { return a / b - (a % b != 0 && a < 0); };
  switch (opcode) {
  case HEDDLE_OP_ADD:
    return wrap(uint64_t(a) + uint64_t(b));
  case HEDDLE_OP_SUB:
    return wrap(uint64_t(a) - uint64_t(b));
  case HEDDLE_OP_MUL:
    return wrap(uint64_t(a) * uint64_t(b));
  case HEDDLE_OP_FLOORDIV:
    return b > 0 ? std::optional<int64_t>(floorDivide()) : std::nullopt;
  case HEDDLE_OP_CEILDIV:
    return b > 0 ? std::optional<int64_t>(floorDivide() + (a % b != 0)) : std::nullopt;
  case HEDDLE_OP_MOD:
    return b > 0 ? std::optional<int64_t>(a - floorDivide() * b) : std::nullopt;
  case HEDDLE_OP_MIN:
    return std::min(a, b);
  case HEDDLE_OP_MAX:
    return std::max(a, b);
  case HEDDLE_OP_LT:
    return a < b;
  case HEDDLE_OP_LE:
    return a <= b;
  case HEDDLE_OP_EQ:
    return a == b;
  case HEDDLE_OP_AND:
    return a && b;
  case HEDDLE_OP_OR:
    return a || b;
  default:
    return std::nullopt;
  }
}

Expression Expression::leaf(heddle_opcode opcode, llvm::ArrayRef<uint32_t> operands) {
  Expression result;
  result.code.push_back(opcode);
  llvm::append_range(result.code, operands);
  result.nonNegative = opcode == HEDDLE_OP_SIZE || opcode == HEDDLE_OP_ALIGNMENT || opcode == HEDDLE_OP_MACHINE;
  return result;
}

Expression Expression::constant(int64_t value) {
  uint64_t bits = static_cast<uint64_t>(value);
  Expression result = leaf(HEDDLE_OP_CONST, {uint32_t(bits), uint32_t(bits >> 32)});
  result.knownValue = value;
  result.nonNegative = value >= 0;
  return result;
}

/// Whether the result of an opcode is not negative when these operands are (true) or may be (false).
static bool keepsNonNegative(heddle_opcode opcode, bool lhs, bool rhs) {
  switch (opcode) {
  case HEDDLE_OP_SUB:
    return false;
  case HEDDLE_OP_ADD: // sums and products of sizes that wrap around do not occur: they are sizes of memory
  case HEDDLE_OP_MUL:
  case HEDDLE_OP_MIN:
    return lhs && rhs;
  case HEDDLE_OP_MAX:
    return lhs || rhs;
  case HEDDLE_OP_FLOORDIV:
  case HEDDLE_OP_CEILDIV: // divisors are positive
    return lhs;
  default: // remainders and truth values
    return true;
  }
}

Expression Expression::binary(heddle_opcode opcode, const Expression &lhs, const Expression &rhs) {
  if (lhs.known() && rhs.known())
    if (std::optional<int64_t> value = fold(opcode, *lhs.known(), *rhs.known()))
      return constant(*value);
  auto is = [](const Expression &e, int64_t value) { return e.known() && *e.known() == value; };
  // The neutral elements that sizes and strides produce all the time.
  if ((is(rhs, 0) && (opcode == HEDDLE_OP_ADD || opcode == HEDDLE_OP_SUB)) ||
      (is(rhs, 1) && (opcode == HEDDLE_OP_MUL || opcode == HEDDLE_OP_FLOORDIV || opcode == HEDDLE_OP_CEILDIV)))
    return lhs;
  if ((is(lhs, 0) && opcode == HEDDLE_OP_ADD) || (is(lhs, 1) && opcode == HEDDLE_OP_MUL))
    return rhs;
  Expression result;
  llvm::append_range(result.code, lhs.code);
  llvm::append_range(result.code, rhs.code);
  result.code.push_back(opcode);
  result.nonNegative = keepsNonNegative(opcode, lhs.nonNegative, rhs.nonNegative);
  return result;
}

Expression Expression::logicalNot(const Expression &operand) {
  if (operand.known())
    return constant(!*operand.known());
  Expression result = operand;
  result.code.push_back(HEDDLE_OP_NOT);
  result.knownValue.reset();
  result.nonNegative = true;
  return result;
}

Expression Expression::select(const Expression &condition, const Expression &ifTrue, const Expression &ifFalse) {
  if (condition.known())
    return *condition.known() ? ifTrue : ifFalse;
  Expression result = condition;
  llvm::append_range(result.code, ifTrue.code);
  llvm::append_range(result.code, ifFalse.code);
  result.code.push_back(HEDDLE_OP_SELECT);
  result.nonNegative = ifTrue.nonNegative && ifFalse.nonNegative;
  return result;
}

llvm::SmallVector<uint32_t> Expression::words() const {
  llvm::SmallVector<uint32_t> all(code.begin(), code.end());
  all.push_back(HEDDLE_OP_END);
  return all;
}

namespace {
/// How an opcode that takes values is written: infix when `infix`, else as a call.
struct Spelling {
  const char *text;
  bool infix;
};
Spelling spellingOf(uint32_t opcode) {
  switch (opcode) {
  case HEDDLE_OP_ADD:
    return {" + ", true};
  case HEDDLE_OP_SUB:
    return {" - ", true};
  case HEDDLE_OP_MUL:
    return {" * ", true};
  case HEDDLE_OP_FLOORDIV:
    return {"floordiv", false};
  case HEDDLE_OP_CEILDIV:
    return {"ceildiv", false};
  case HEDDLE_OP_MOD:
    return {"mod", false};
  case HEDDLE_OP_MIN:
    return {"min", false};
  case HEDDLE_OP_MAX:
    return {"max", false};
  case HEDDLE_OP_LT:
    return {" < ", true};
  case HEDDLE_OP_LE:
    return {" <= ", true};
  case HEDDLE_OP_EQ:
    return {" == ", true};
  case HEDDLE_OP_AND:
    return {" && ", true};
  case HEDDLE_OP_OR:
    return {" || ", true};
  default:
    return {"?", false};
  }
}
} // namespace

std::string heddle::printExpression(llvm::ArrayRef<uint32_t> words, llvm::ArrayRef<std::string> names) {
  llvm::SmallVector<std::string> stack;
  auto name = [&](uint32_t parameter) { return parameter < names.size() ? names[parameter] : std::string("?"); };
  auto pop = [&] { return stack.empty() ? std::string("?") : stack.pop_back_val(); };
  for (size_t i = 0; i < words.size() && words[i] != HEDDLE_OP_END;) {
    uint32_t opcode = words[i++];
    auto operand = [&] { return i < words.size() ? words[i++] : 0; };
    switch (opcode) {
    case HEDDLE_OP_CONST: {
      uint64_t low = operand(), high = operand();
      stack.push_back(std::to_string(wrap(low | high << 32)));
      break;
    }
    case HEDDLE_OP_SIZE:
    case HEDDLE_OP_STRIDE: {
      std::string parameter = name(operand());
      stack.push_back((opcode == HEDDLE_OP_SIZE ? "size(" : "stride(") + parameter + ", " + std::to_string(operand()) +
                      ")");
      break;
    }
    case HEDDLE_OP_SCALAR:
      stack.push_back(name(operand()));
      break;
    case HEDDLE_OP_ALIGNMENT:
      stack.push_back("alignment(" + name(operand()) + ")");
      break;
    case HEDDLE_OP_MACHINE:
      stack.push_back("machine");
      break;
    case HEDDLE_OP_NOT:
      stack.push_back("!" + pop());
      break;
    case HEDDLE_OP_SELECT: {
      std::string ifFalse = pop(), ifTrue = pop(), condition = pop();
      stack.push_back("(" + condition + " ? " + ifTrue + " : " + ifFalse + ")");
      break;
    }
    default: {
      Spelling spelling = spellingOf(opcode);
      std::string rhs = pop(), lhs = pop();
      stack.push_back(spelling.infix ? "(" + lhs + spelling.text + rhs + ")"
                                     : std::string(spelling.text) + "(" + lhs + ", " + rhs + ")");
    }
    }
  }
  return pop();
}
