#include "dialects/Tile/TileOps.h"
#include "dialects/Tile/TileTarget.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;

#include "dialects/Tile/TileDialect.cpp.inc"

void heddle::tile::TileDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/Tile/TileOps.cpp.inc"
      >();
  registerAttributes();
}
