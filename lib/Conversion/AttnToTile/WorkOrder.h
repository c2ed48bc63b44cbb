//===- WorkOrder.h - which block of a kernel computes what ------------------===//
//
// A piece of work is a block of rows of one head. Where a block computes several, what comes before and after the keys
// of one piece runs beside the keys of the next. Orders:
//
//   Blocks:        a block for each piece.
//   Rounds:        as many blocks as the machine runs at a time; block p computes p, p + blocks, .. Rows are
//                  fastest, so that blocks that run together share keys. For pieces of equal length.
//   Counter:       in the same order, but a block takes the next piece when it is done with one. For pieces whose
//                  length only the device knows. What a piece computes does not depend on who computes it.
//   BackAndForth:  for pieces that are longer the later their rows are. Heads are taken a group at a time, as many as
//                  the cache holds the keys of, and of a group the longest pieces first. Each round goes over the
//                  blocks the other way, so that who had the longest of a round has the shortest of the next; groups
//                  begin at opposite ends, because the last round is not a whole one.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_CONVERSION_ATTNTOTILE_WORKORDER_H
#define HEDDLE_LIB_CONVERSION_ATTNTOTILE_WORKORDER_H

#include "AttendKernels.h"
#include "PlanBuilder.h"

namespace heddle {

/// The coordinates of a piece of work.
struct WorkItem {
  mlir::Value rows, head, batch;
};

/// How many pieces there are, as values of the kernel's head, and in which order the heads of all batches are taken.
struct WorkSize {
  mlir::Value rows, heads, batches;
  mlir::Value group;           ///< heads at a time, of an order that goes back and forth
  bool batchesFastest = false; ///< one head of every batch after the other: they share what depends on the head alone
};

/// Starts a kernel's body: its block, or a loop in it, computes the item that is returned.
WorkItem startWork(KernelBuilder &kernel, WorkOrder order, const WorkSize &size);

} // namespace heddle

#endif
