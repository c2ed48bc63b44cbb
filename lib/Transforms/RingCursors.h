//===- RingCursors.h - cursors of the rings of a kernel ---------------------===//
#ifndef HEDDLE_LIB_TRANSFORMS_RINGCURSORS_H
#define HEDDLE_LIB_TRANSFORMS_RINGCURSORS_H

#include "dialects/Warp/WarpOps.h"

namespace heddle {

/// Gives each acquire, receive, send and take of a ring a cursor, which starts at 0 behind the ring's definition,
/// advances at each receive and take, and is carried through the loops and branches in between. Fails where something
/// else holds such a use.
mlir::LogicalResult threadCursor(warp::RingOp ring);

} // namespace heddle

#endif
