#include "dialects/Warp/WarpOps.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/Warp/WarpOps.cpp.inc"
