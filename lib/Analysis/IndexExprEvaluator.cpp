//===- IndexExprEvaluator.cpp - expressions on the host -------------------===//
#include "heddle/Analysis/IndexExprEvaluator.h"
#include "llvm/ADT/STLExtras.h"
#include <cassert>

using namespace heddle;
using Kind = IndexExpr::Kind;

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

template <typename Body> static auto withElements(const HostTable &table, Body body) {
  switch (table.bits) {
  case 8:
    return body(static_cast<const int8_t *>(table.data));
  case 16:
    return body(static_cast<const int16_t *>(table.data));
  case 32:
    return body(static_cast<const int32_t *>(table.data));
  default:
    return body(static_cast<const int64_t *>(table.data));
  }
}

int64_t HostTable::at(int64_t offset) const {
  return withElements(*this, [&](auto *elements) -> int64_t { return elements[offset]; });
}

/// One line of a table. Without an early exit in a chunk the comparison is a vector loop.
template <typename Element> static bool isLineNondecreasing(const Element *line, int64_t size, int64_t stride) {
  constexpr int64_t chunk = 4096;
  for (int64_t begin = 1; begin < size; begin += chunk) {
    int64_t end = std::min(begin + chunk, size);
    Element falls = 0;
    if (stride == 1)
      for (int64_t k = begin; k < end; ++k)
        falls |= line[k] < line[k - 1];
    else
      for (int64_t k = begin; k < end; ++k)
        falls |= line[k * stride] < line[(k - 1) * stride];
    if (falls)
      return false;
  }
  return true;
}

bool HostTable::isNondecreasing(unsigned axis) const {
  if (llvm::is_contained(sizes, 0))
    return true;
  llvm::SmallVector<int64_t, 4> position(sizes.size(), 0);
  while (true) {
    int64_t offset = 0;
    for (auto [p, stride] : llvm::zip(position, strides))
      offset += p * stride;
    bool line = withElements(
        *this, [&](auto *elements) { return isLineNondecreasing(elements + offset, sizes[axis], strides[axis]); });
    if (!line)
      return false;
    unsigned d = 0;
    for (; d < sizes.size(); ++d) {
      if (d == axis)
        continue;
      if (++position[d] < sizes[d])
        break;
      position[d] = 0;
    }
    if (d == sizes.size())
      return true;
  }
}

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

IndexExprEvaluator::IndexExprEvaluator(const IndexExprContext &context, const HostCaptures &captures)
    : captures(captures), memo(context.size()), hints(context.size()), tableOf(context.size()) {}

const HostTable &IndexExprEvaluator::table(mlir::Value tensor) {
  const HostTable *&known = tables[tensor];
  if (!known)
    known = &storage.emplace_back(captures.table(tensor));
  return *known;
}

const HostTable &IndexExprEvaluator::table(ExprRef load) {
  const HostTable *&known = tableOf[load->id];
  if (!known)
    known = &table(load->captured);
  return *known;
}

bool IndexExprEvaluator::holds(mlir::Value tensor, int64_t axis) {
  auto [entry, isNew] = facts.try_emplace({tensor, axis}, false);
  if (isNew)
    entry->second = table(tensor).isNondecreasing(axis);
  return entry->second;
}

void IndexExprEvaluator::set(IndexSymbol symbol, int64_t value) {
  symbols[static_cast<size_t>(symbol)] = value;
  uint64_t &age = symbol == IndexSymbol::Row ? rowAge : symbol == IndexSymbol::Key ? keyAge : blockAge;
  age = ++clock;
}

int64_t IndexExprEvaluator::evaluate(ExprRef e) {
  if (e->kind == Kind::Constant)
    return e->value;
  if (e->kind == Kind::Symbol)
    return symbols[e->value];
  Memo &known = memo[e->id];
  uint64_t block = e->isFixed ? 1 : blockAge, row = e->dependsOnRow ? rowAge : 0, key = e->dependsOnKey ? keyAge : 0;
  if (known.block == block && known.row == row && known.key == key)
    return known.value;
  int64_t value = compute(e);
  memo[e->id] = {value, block, row, key};
  return value;
}

int64_t IndexExprEvaluator::compute(ExprRef e) {
  auto x = [&](unsigned k) { return evaluate(e->operands[k]); };
  switch (e->kind) {
  case Kind::Scalar: {
    auto [entry, isNew] = scalars.try_emplace(e->captured, 0);
    if (isNew)
      entry->second = captures.scalar(e->captured);
    return entry->second;
  }
  case Kind::Dim:
    return table(e->captured).sizes[e->value];
  case Kind::Fact:
    return holds(e->captured, e->value);
  case Kind::Load:
    return load(e);
  case Kind::Sum: {
    uint64_t sum = e->value;
    for (auto [operand, coefficient] : llvm::zip(e->operands, e->coefficients))
      sum += static_cast<uint64_t>(evaluate(operand)) * static_cast<uint64_t>(coefficient);
    return static_cast<int64_t>(sum);
  }
  case Kind::Mul:
    return static_cast<int64_t>(static_cast<uint64_t>(x(0)) * static_cast<uint64_t>(x(1)));
  case Kind::FloorDiv:
  case Kind::CeilDiv:
  case Kind::TruncDiv:
  case Kind::Remainder:
    return divide(e);
  case Kind::Min:
    return std::min(x(0), x(1));
  case Kind::Max:
    return std::max(x(0), x(1));
  case Kind::Select:
    return x(0) ? x(1) : x(2);
  case Kind::NonPositive:
    return x(0) <= 0;
  case Kind::Zero:
    return x(0) == 0;
  case Kind::Not:
    return !x(0);
  case Kind::And:
    return x(0) && x(1);
  case Kind::Or:
    return x(0) || x(1);
  case Kind::FirstKey:
    return firstKey(e);
  case Kind::RowMinimum:
  case Kind::RowMaximum:
    return reduceRows(e);
  case Kind::Constant:
  case Kind::Symbol:
  case Kind::Opaque:
    break;
  }
  llvm_unreachable("an unknown has no value");
}

int64_t IndexExprEvaluator::load(ExprRef e) {
  const HostTable &source = table(e);
  int64_t offset = 0;
  for (auto [k, operand] : llvm::enumerate(e->operands)) {
    if (source.sizes[k] == 0)
      return 0;
    int64_t index = std::max<int64_t>(std::min(evaluate(operand), source.sizes[k] - 1), 0);
    offset += index * source.strides[k];
  }
  return source.at(offset);
}

int64_t IndexExprEvaluator::divide(ExprRef e) {
  int64_t a = evaluate(e->operands[0]), b = evaluate(e->operands[1]);
  b = b == 0 ? 1 : b; // as the emitted code: a guard discards the result
  if (b == -1)
    return e->kind == Kind::Remainder ? 0 : static_cast<int64_t>(-static_cast<uint64_t>(a));
  int64_t quotient = a / b, rest = a % b;
  switch (e->kind) {
  case Kind::FloorDiv:
    return quotient - (rest != 0 && (rest < 0) != (b < 0));
  case Kind::CeilDiv:
    return quotient + (rest != 0 && (rest < 0) == (b < 0));
  case Kind::Remainder:
    return rest;
  default:
    return quotient;
  }
}

int64_t IndexExprEvaluator::firstKey(ExprRef e) {
  ExprRef body = e->operands[0];
  int64_t target = evaluate(e->operands[1]);
  // The usual body is the entry of a table at the key itself: search the memory.
  if (body->kind == Kind::Load)
    for (auto [axis, operand] : llvm::enumerate(body->operands))
      if (operand->isSymbol(IndexSymbol::Key) &&
          llvm::count_if(body->operands, [](ExprRef index) { return index->dependsOnKey; }) == 1)
        return firstEntry(e, axis, target);
  int64_t savedKey = symbols[static_cast<size_t>(IndexSymbol::Key)];
  uint64_t savedAge = keyAge;
  int64_t begin = 0, end = symbols[static_cast<size_t>(IndexSymbol::KeyCount)];
  while (begin < end) {
    int64_t middle = (begin + end) / 2;
    set(IndexSymbol::Key, middle);
    if (evaluate(body) < target)
      begin = middle + 1;
    else
      end = middle;
  }
  symbols[static_cast<size_t>(IndexSymbol::Key)] = savedKey;
  keyAge = savedAge;
  return begin;
}

int64_t IndexExprEvaluator::firstEntry(ExprRef search, unsigned axis, int64_t target) {
  ExprRef load = search->operands[0];
  const HostTable &source = table(load);
  int64_t keys = symbols[static_cast<size_t>(IndexSymbol::KeyCount)], offset = 0;
  for (auto [k, operand] : llvm::enumerate(load->operands)) {
    if (source.sizes[k] == 0)
      return target > 0 ? keys : 0; // an empty table reads as 0
    if (k != axis)
      offset += std::max<int64_t>(std::min(evaluate(operand), source.sizes[k] - 1), 0) * source.strides[k];
  }
  int64_t size = std::min(keys, source.sizes[axis]), stride = source.strides[axis];
  int64_t &hint = hints[search->id];
  hint = std::min(hint, size);
  withElements(source, [&](auto *elements) {
    elements += offset;
    auto isBefore = [&](int64_t k) { return elements[k * stride] < target; };
    // Blocks are asked about in order, so the answer is near the last one: widen around it, then halve.
    int64_t begin = 0, end = size, step = 1;
    if (hint < size && isBefore(hint)) {
      begin = hint + 1;
      for (; begin + step < size && isBefore(begin + step); step *= 2)
        begin += step + 1;
      end = std::min(begin + step, size);
    } else {
      end = hint;
      for (; end - step >= 0 && !isBefore(end - step); step *= 2)
        end -= step;
      begin = std::max<int64_t>(end - step, -1) + 1;
    }
    while (begin < end) {
      int64_t middle = (begin + end) / 2;
      if (isBefore(middle))
        begin = middle + 1;
      else
        end = middle;
    }
    hint = begin;
    return 0;
  });
  // Keys behind the table read its last entry.
  return hint == size ? keys : hint;
}

int64_t IndexExprEvaluator::reduceRows(ExprRef e) {
  bool least = e->kind == Kind::RowMinimum;
  int64_t savedRow = symbols[static_cast<size_t>(IndexSymbol::Row)];
  uint64_t savedAge = rowAge;
  int64_t result = least ? INT64_MAX : INT64_MIN;
  int64_t end = symbols[static_cast<size_t>(IndexSymbol::RowEnd)];
  for (int64_t row = symbols[static_cast<size_t>(IndexSymbol::RowBegin)]; row < end; ++row) {
    set(IndexSymbol::Row, row);
    int64_t value = evaluate(e->operands[0]);
    result = least ? std::min(result, value) : std::max(result, value);
  }
  symbols[static_cast<size_t>(IndexSymbol::Row)] = savedRow;
  rowAge = savedAge;
  return result;
}
