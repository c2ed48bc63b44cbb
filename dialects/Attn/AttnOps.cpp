#include "dialects/Attn/AttnOps.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/Attn/AttnOps.cpp.inc"
