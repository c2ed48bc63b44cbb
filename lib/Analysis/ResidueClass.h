//===- ResidueClass.h - truths that hold within residue classes only -*- C++ -*-===//
#ifndef HEDDLE_LIB_ANALYSIS_RESIDUECLASS_H
#define HEDDLE_LIB_ANALYSIS_RESIDUECLASS_H

#include "heddle/Analysis/IndexExpr.h"

namespace heddle {

/// The keys that a row i can see: j congruent to rowFactor * i + shift modulo `modulus`. The shift is free of i and j.
struct ResidueClass {
  int64_t modulus, rowFactor;
  ExprRef shift;
  bool operator==(const ResidueClass &other) const {
    return modulus == other.modulus && rowFactor == other.rowFactor && shift == other.shift;
  }
};

/// The class with the largest modulus that `truth` implies, if any: of an equation, what its two sides are modulo a
/// constant that occurs in it, whatever way the remainder is spelled.
std::optional<ResidueClass> findResidueClass(IndexExprContext &context, ExprRef truth);

} // namespace heddle

#endif
