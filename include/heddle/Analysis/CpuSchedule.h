//===- CpuSchedule.h - tile sizes of an attention kernel on a CPU -----------===//
//
// A block of `rows` rows walks over its keys in steps of `keys`. Every step prepares its
// keys and values for the products once, whatever the number of rows, and passes over the
// accumulators once, whatever the number of keys: large sizes share this out. Against them
// stand the caches: scores that leave the first level between the products and the
// element-wise work cost more, and so does a step that does not stay in the second.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_ANALYSIS_CPUSCHEDULE_H
#define HEDDLE_ANALYSIS_CPUSCHEDULE_H

#include "heddle/Analysis/GpuSchedule.h"

namespace heddle {

struct CpuSchedule {
  int64_t rows = 0, keys = 0;
  int64_t scoreBytes = 0; ///< scores of a step, and what the second product reads of them
  int64_t stepBytes = 0;  ///< everything that a step touches
  std::string note;       ///< for people: the choice and its budget
};

/// The cheapest schedule by a small model of the caches.
CpuSchedule chooseCpuSchedule(tile::TargetAttr target, const AttendWork &work);

} // namespace heddle

#endif
