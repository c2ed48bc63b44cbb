/* expression.h - the plan's arithmetic: checked once at load, then evaluated without a bounds check. */
#ifndef HEDDLE_RT_LIB_EXPRESSION_H
#define HEDDLE_RT_LIB_EXPRESSION_H

#include "pack.h"

/* What an expression may ask about. */
typedef struct {
  const uint32_t *code;
  const heddle_param_record *params;
  const heddle_arg *args; /* as many as the entry has parameters, checked */
  int64_t machine;        /* multiprocessors or threads */
} heddle_scope;

/* Check that `expression` of `entry` is well formed: operands, parameters, stack. `what` names it in the message. */
heddle_status heddle_expression_check(const heddle_pack *pack, const heddle_entry_record *entry, uint32_t expression,
                                      const char *what);

heddle_status heddle_evaluate(const heddle_scope *scope, uint32_t expression, int64_t *value);

/* The same, with the value that HEDDLE_NO_EXPR stands for. */
static inline heddle_status heddle_evaluate_or(const heddle_scope *scope, uint32_t expression, int64_t absent,
                                               int64_t *value) {
  if (expression != HEDDLE_NO_EXPR)
    return heddle_evaluate(scope, expression, value);
  *value = absent;
  return HEDDLE_OK;
}

#endif
