#include "dialects/Tile/TileOps.h"

using namespace mlir;

#include "dialects/Tile/TileDialect.cpp.inc"

void heddle::tile::TileDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/Tile/TileOps.cpp.inc"
      >();
}
