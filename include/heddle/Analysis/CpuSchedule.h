//===- CpuSchedule.h - tile sizes of an attention kernel on a CPU -----------===//
//
// A block of `rows` rows walks over its keys in steps of `keys`. Every step prepares its
// keys and values for the products once, whatever the number of rows, and passes over the
// accumulators once, whatever the number of keys: large sizes share this out. Against them
// stand the caches, since scores that leave the first level between the products and the
// element-wise work cost more and so does a step that does not stay in the second, and the
// edges of masks, where blocks compute what nobody sees. Where keys and values are brought in
// a matrix unit's order once for all blocks, a step only reads them.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_ANALYSIS_CPUSCHEDULE_H
#define HEDDLE_ANALYSIS_CPUSCHEDULE_H

#include "heddle/Analysis/GpuSchedule.h"

namespace heddle {

struct CpuSchedule {
  int64_t rows = 0, keys = 0;
  int64_t stagedStrip = 0; ///< columns of the strips in which keys and values are staged; 0: they are not
  int64_t scoreBytes = 0;  ///< scores of a step, and what the second product reads of them
  int64_t stepBytes = 0;   ///< everything that a step touches
  std::string note;        ///< for people: the choice and its budget
};

/// Columns of a strip in which a matrix unit reads pairs of rows (tile.pair).
inline constexpr int64_t kMatrixUnitStrip = 16;

/// The cheapest schedule by a small model. `canStage`: keys and values can be staged in such strips.
CpuSchedule chooseCpuSchedule(tile::TargetAttr target, const AttendWork &work, bool canStage);

} // namespace heddle

#endif
