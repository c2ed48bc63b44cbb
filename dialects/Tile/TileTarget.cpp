#include "dialects/Tile/TileTarget.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace heddle::tile;

#define GET_ATTRDEF_CLASSES
#include "dialects/Tile/TileTarget.cpp.inc"

void TileDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Tile/TileTarget.cpp.inc"
      >();
}

int64_t BlockAttr::getMappingId() const { return getDim(); }
bool BlockAttr::isLinearMapping() const { return false; }
int64_t BlockAttr::getRelativeIndex() const { return getDim(); }

TargetAttr heddle::tile::getTarget(Operation *op) {
  auto module = isa<ModuleOp>(op) ? cast<ModuleOp>(op) : op->getParentOfType<ModuleOp>();
  if (auto target = module ? module->getAttrOfType<TargetAttr>(kTargetAttr) : TargetAttr())
    return target;
  op->emitError("expected the module to carry '") << kTargetAttr << "', got none";
  return {};
}
