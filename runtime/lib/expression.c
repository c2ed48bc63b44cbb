/* expression.c - the stack machine of artifact.h: a checker that proves what the evaluator takes for granted. */
#include "expression.h"

#include "arguments.h"
#include "error.h"

static uint32_t operand_words(uint32_t opcode) {
  switch (opcode) {
  case HEDDLE_OP_CONST:
  case HEDDLE_OP_SIZE:
  case HEDDLE_OP_STRIDE:
    return 2;
  case HEDDLE_OP_SCALAR:
  case HEDDLE_OP_ALIGNMENT:
    return 1;
  default:
    return 0;
  }
}

/* Values an opcode takes from the stack; every opcode but END leaves one. */
static uint32_t taken(uint32_t opcode) {
  switch (opcode) {
  case HEDDLE_OP_CONST:
  case HEDDLE_OP_SIZE:
  case HEDDLE_OP_STRIDE:
  case HEDDLE_OP_SCALAR:
  case HEDDLE_OP_ALIGNMENT:
  case HEDDLE_OP_MACHINE:
    return 0;
  case HEDDLE_OP_NOT:
    return 1;
  case HEDDLE_OP_SELECT:
    return 3;
  default:
    return 2;
  }
}

static heddle_status check_operands(const heddle_pack *pack, const heddle_entry_record *entry, const uint32_t *words,
                                    const char *what) {
  uint32_t opcode = words[0];
  if (opcode == HEDDLE_OP_CONST || operand_words(opcode) == 0)
    return HEDDLE_OK;
  if (words[1] >= entry->param_count)
    return heddle_fail(HEDDLE_BAD_PACK, "%s: expected a parameter below %u, got %u", what, entry->param_count,
                       words[1]);
  const heddle_param_record *param = &pack->params[entry->first_param + words[1]];
  if (opcode == HEDDLE_OP_SCALAR) {
    if (param->role != HEDDLE_PARAM_SCALAR || (param->dtype != HEDDLE_I32 && param->dtype != HEDDLE_I64))
      return heddle_fail(HEDDLE_BAD_PACK, "%s: expected an integer scalar, got parameter %u of another kind", what,
                         words[1]);
    return HEDDLE_OK;
  }
  if (param->role == HEDDLE_PARAM_SCALAR)
    return heddle_fail(HEDDLE_BAD_PACK, "%s: expected a tensor, got scalar parameter %u", what, words[1]);
  if (opcode != HEDDLE_OP_ALIGNMENT && words[2] >= param->rank)
    return heddle_fail(HEDDLE_BAD_PACK, "%s: expected an axis below %u, got %u", what, param->rank, words[2]);
  return HEDDLE_OK;
}

heddle_status heddle_expression_check(const heddle_pack *pack, const heddle_entry_record *entry, uint32_t expression,
                                      const char *what) {
  if (expression == HEDDLE_NO_EXPR)
    return HEDDLE_OK;
  if (expression >= pack->code_count)
    return heddle_fail(HEDDLE_BAD_PACK, "%s: expected an expression below word %u, got %u", what, pack->code_count,
                       expression);
  uint32_t end = pack->code_count;
  if (end - expression > HEDDLE_MAX_EXPR_WORDS)
    end = expression + HEDDLE_MAX_EXPR_WORDS;
  uint32_t depth = 0;
  for (uint32_t at = expression; at < end;) {
    const uint32_t *words = pack->code + at;
    uint32_t opcode = words[0];
    if (opcode == HEDDLE_OP_END) {
      if (depth != 1)
        return heddle_fail(HEDDLE_BAD_PACK, "%s: expected an expression that leaves 1 value, got %u", what, depth);
      return HEDDLE_OK;
    }
    if (opcode > HEDDLE_OP_SELECT)
      return heddle_fail(HEDDLE_BAD_PACK, "%s: expected an opcode up to %d, got %u", what, (int)HEDDLE_OP_SELECT,
                         opcode);
    if (operand_words(opcode) >= end - at)
      break;
    heddle_status status = check_operands(pack, entry, words, what);
    if (status != HEDDLE_OK)
      return status;
    if (depth < taken(opcode))
      return heddle_fail(HEDDLE_BAD_PACK, "%s: expected %u values for opcode %u, got %u", what, taken(opcode), opcode,
                         depth);
    depth = depth - taken(opcode) + 1;
    if (depth > HEDDLE_MAX_EXPR_DEPTH)
      return heddle_fail(HEDDLE_BAD_PACK, "%s: expected at most %d values on the stack, got more", what,
                         HEDDLE_MAX_EXPR_DEPTH);
    at += 1 + operand_words(opcode);
  }
  return heddle_fail(HEDDLE_BAD_PACK, "%s: expected an expression that ends within %d words, got none", what,
                     HEDDLE_MAX_EXPR_WORDS);
}

/* Wrapping arithmetic: signed overflow is not C. */
static int64_t wrapped(uint64_t value) { return (int64_t)value; }

static heddle_status divide(uint32_t opcode, int64_t a, int64_t b, int64_t *result) {
  if (b <= 0)
    return heddle_fail(HEDDLE_BAD_ARGUMENT, "expected a divisor of at least 1, got %lld", (long long)b);
  int64_t quotient = a / b, rest = a % b;
  if (opcode == HEDDLE_OP_FLOORDIV)
    *result = quotient - (rest < 0);
  else if (opcode == HEDDLE_OP_CEILDIV)
    *result = quotient + (rest > 0);
  else
    *result = rest < 0 ? rest + b : rest;
  return HEDDLE_OK;
}

heddle_status heddle_evaluate(const heddle_scope *scope, uint32_t expression, int64_t *value) {
  int64_t stack[HEDDLE_MAX_EXPR_DEPTH];
  int64_t *top = stack; /* one past the last value; the checker proved that it stays inside */
  for (const uint32_t *at = scope->code + expression;;) {
    uint32_t opcode = *at++;
    switch (opcode) {
    case HEDDLE_OP_CONST:
      *top++ = wrapped((uint64_t)at[1] << 32 | at[0]);
      at += 2;
      break;
    case HEDDLE_OP_SIZE:
      *top++ = scope->args[at[0]].sizes[at[1]];
      at += 2;
      break;
    case HEDDLE_OP_STRIDE:
      *top++ = heddle_stride(&scope->args[at[0]], at[1]);
      at += 2;
      break;
    case HEDDLE_OP_SCALAR:
      *top++ = scope->args[*at++].i64;
      break;
    case HEDDLE_OP_ALIGNMENT:
      *top++ = heddle_alignment(&scope->args[*at++]);
      break;
    case HEDDLE_OP_MACHINE:
      *top++ = scope->machine;
      break;
    case HEDDLE_OP_NOT:
      top[-1] = !top[-1];
      break;
    case HEDDLE_OP_SELECT:
      top -= 2;
      top[-1] = top[-1] ? top[0] : top[1];
      break;
    case HEDDLE_OP_END:
      *value = top[-1];
      return HEDDLE_OK;
    default: {
      int64_t b = *--top, *a = &top[-1];
      switch (opcode) {
      case HEDDLE_OP_ADD:
        *a = wrapped((uint64_t)*a + (uint64_t)b);
        break;
      case HEDDLE_OP_SUB:
        *a = wrapped((uint64_t)*a - (uint64_t)b);
        break;
      case HEDDLE_OP_MUL:
        *a = wrapped((uint64_t)*a * (uint64_t)b);
        break;
      case HEDDLE_OP_MIN:
        *a = *a < b ? *a : b;
        break;
      case HEDDLE_OP_MAX:
        *a = *a > b ? *a : b;
        break;
      case HEDDLE_OP_LT:
        *a = *a < b;
        break;
      case HEDDLE_OP_LE:
        *a = *a <= b;
        break;
      case HEDDLE_OP_EQ:
        *a = *a == b;
        break;
      case HEDDLE_OP_AND:
        *a = *a && b;
        break;
      case HEDDLE_OP_OR:
        *a = *a || b;
        break;
      default: { /* FLOORDIV, CEILDIV, MOD */
        heddle_status status = divide(opcode, *a, b, a);
        if (status != HEDDLE_OK)
          return status;
      }
      }
    }
    }
  }
}
