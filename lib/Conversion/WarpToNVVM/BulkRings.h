//===- BulkRings.h - slots of bulk rings and their barriers -----------------===//
#ifndef HEDDLE_LIB_CONVERSION_WARPTONVVM_BULKRINGS_H
#define HEDDLE_LIB_CONVERSION_WARPTONVVM_BULKRINGS_H

#include "dialects/Warp/WarpOps.h"
#include "lib/Conversion/WarpToNVVM/Lowering.h"

namespace heddle {

/// Of a full or an empty barrier.
inline constexpr int64_t barrierBytes = 8;
inline constexpr int64_t copyingThreads = 32 * warp::WarpDialect::copyingWarps;

/// `offset` bytes into the block's shared memory.
mlir::Value ringPointer(mlir::ImplicitLocOpBuilder &builder, int64_t offset);

/// A slot of a ring and its barriers, as a cursor says.
struct SlotPlace {
  SlotPlace(mlir::ImplicitLocOpBuilder &builder, mlir::ValueRange ring, warp::RingType type, mlir::Value cursor);

  mlir::Value slot, full, empty, phase;
};

void waitFor(mlir::ImplicitLocOpBuilder &builder, mlir::Value barrier, mlir::Value parity);

/// A predicate, not a branch, which could break a chain of products in flight.
void arriveIf(mlir::ImplicitLocOpBuilder &builder, mlir::Value barrier, mlir::Value condition);

/// Whether this is thread number `thread` of the block (i1).
mlir::Value isThread(mlir::ImplicitLocOpBuilder &builder, int64_t thread);

/// Marks a kernel whose copying threads are kept within a phase of each other: nothing else does that where they fill
/// slots alone, and who is two phases late waits for one that may never come. The number of warps that copy.
inline constexpr llvm::StringLiteral togetherAttr = "warp.together";
inline constexpr int64_t producerBarrier = 2;

/// The warp's index in a kernel with roles, known to be the same for all its lanes.
mlir::Value agreedWarpIndex(mlir::ImplicitLocOpBuilder &builder);

/// Where the copying threads of such a kernel meet.
void meetProducers(mlir::ImplicitLocOpBuilder &builder);

/// The first thread of those that fill slots: of the copying warps, or of the block where warps have no roles.
inline int64_t firstProducer(mlir::ImplicitLocOpBuilder &builder) { return 32 * consumerWarps(builder); }

} // namespace heddle

#endif
