//===- KeySet.h - unions of intervals of keys with symbolic ends -*- C++ -*-===//
//
// What a block of rows sees, while it is being derived: an unordered collection of
// slots. A slot says "some row sees only keys in may (of this slot), every row sees
// the keys in full", where full lies in may; a collection is their union. The ends
// are expressions, so which slots overlap is not known before run time; `arrange`
// writes the sorting and cutting into the expressions.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_ANALYSIS_KEYSET_H
#define HEDDLE_LIB_ANALYSIS_KEYSET_H

#include "heddle/Analysis/MaskAnalysis.h"

namespace heddle {

/// A null begin is the first key, a null end is behind the last one. Ends may lie outside of the keys.
using KeySlot = MaskAnalysis::Ends;
using KeySet = llvm::SmallVector<KeySlot, 4>;

class KeySetAlgebra {
public:
  explicit KeySetAlgebra(IndexExprContext &context) : context(context) {}

  KeySet all() const { return {KeySlot{nullptr, nullptr, nullptr, nullptr}}; }
  KeySet none() const { return {}; }
  /// All keys may be seen where `possible`, all are where `certain`. Both are free of i and j.
  KeySet all(ExprRef possible, ExprRef certain) const;
  KeySet unknown() const { return all(context.constant(1), context.constant(0)); }
  /// Keys up to and including a bound that lies between low and high, or from one on.
  KeySet upTo(ExprRef low, ExprRef high) const;
  KeySet from(ExprRef low, ExprRef high) const;

  KeySet intersect(const KeySet &a, const KeySet &b) const;
  KeySet unite(KeySet a, const KeySet &b) const;
  /// `a` where the condition holds, else `b`. The condition is free of i and j.
  KeySet choose(ExprRef condition, const KeySet &a, const KeySet &b) const;

  /// At most `limit` disjoint ascending ranges with the inequalities of KeyRanges.
  llvm::SmallVector<KeySlot> arrange(KeySet set, unsigned limit) const;

private:
  void add(KeySet &set, KeySlot slot) const;
  KeySlot hull(const KeySlot &a, const KeySlot &b) const;
  KeySlot clip(const KeySlot &slot) const;
  void order(KeySlot &a, KeySlot &b) const;
  void separate(KeySlot &a, KeySlot &b) const;
  ExprRef selectEnd(ExprRef condition, ExprRef a, ExprRef b, ExprRef unbounded) const;

  IndexExprContext &context;
};

} // namespace heddle

#endif
