#include "dialects/Warp/WarpOps.h"

using namespace mlir;

#include "dialects/Warp/WarpDialect.cpp.inc"

void heddle::warp::WarpDialect::initialize() {
  registerAttributes();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "dialects/Warp/WarpOps.cpp.inc"
      >();
}
