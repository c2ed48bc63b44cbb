#ifndef HEDDLE_DIALECTS_ATTN_ATTNDIALECT_H
#define HEDDLE_DIALECTS_ATTN_ATTNDIALECT_H

#include "mlir/IR/Dialect.h"

#include "dialects/Attn/AttnDialect.h.inc"

#endif
