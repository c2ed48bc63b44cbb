//===- ReadPosition.h - where rows read a state -----------------------------===//
#ifndef HEDDLE_ANALYSIS_READPOSITION_H
#define HEDDLE_ANALYSIS_READPOSITION_H

#include "mlir/IR/Region.h"

namespace heddle {

/// Whether the position that a region yields for a row never falls from one row to the next, whatever it captures: then
/// one pass over the tokens serves all rows in order.
bool neverFalls(mlir::Region &region);

} // namespace heddle

#endif
