//===- WorkOrder.h - which block of a kernel computes what ------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_WORKORDER_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_WORKORDER_H

#include "PlanBuilder.h"

namespace heddle {

/// The coordinates of a piece of work.
struct WorkItem {
  mlir::Value rows, head, batch;
};

/// In which order the heads of all batches are taken.
struct HeadOrder {
  mlir::Value group;           ///< so many at a time; null: rows come first
  bool batchesFastest = false; ///< one head of every batch after the other: they share what depends on the head alone
};

/// Starts a kernel's body with a block for each piece of work.
WorkItem startBlocks(KernelBuilder &kernel, mlir::Value rows, mlir::Value heads, mlir::Value batches);

/// Starts a kernel's body with as many blocks as the machine runs at a time, each of which loops over its share: what
/// comes before and after the keys of one piece then runs beside the keys of the next.
///
/// Without a group, rows are fastest, so that blocks that run together share keys; block p computes p, p + blocks, ..
///
/// With a group, the last rows have the most keys. Heads are taken a group at a time, as many as the cache holds the
/// keys of, and of a group the longest pieces first. Each round goes over the blocks the other way, so that who had the
/// longest of a round has the shortest of the next; groups begin at opposite ends, because the last round is not a
/// whole one.
WorkItem startWorkLoop(KernelBuilder &kernel, mlir::Value rows, mlir::Value heads, mlir::Value batches,
                       const HeadOrder &order);

} // namespace heddle

#endif
