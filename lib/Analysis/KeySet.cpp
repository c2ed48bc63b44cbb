//===- KeySet.cpp - unions of intervals of keys with symbolic ends --------===//
#include "KeySet.h"
#include "llvm/ADT/STLExtras.h"

using namespace heddle;

// More slots than this are merged while deriving: a set may lose tightness, never truth.
static constexpr unsigned mostSlots = 8;

static bool isNever(ExprRef begin, ExprRef end) {
  return end && ((end->upper && *end->upper <= 0) || (begin && begin == end));
}

static bool same(const KeySlot &a, const KeySlot &b) {
  return a.mayBegin == b.mayBegin && a.mayEnd == b.mayEnd && a.fullBegin == b.fullBegin && a.fullEnd == b.fullEnd;
}

void KeySetAlgebra::add(KeySet &set, KeySlot slot) const {
  if (isNever(slot.mayBegin, slot.mayEnd))
    return;
  if (isNever(slot.fullBegin, slot.fullEnd)) {
    slot.fullBegin = nullptr;
    slot.fullEnd = context.constant(0);
  }
  if (llvm::any_of(set, [&](const KeySlot &other) { return same(other, slot); }))
    return;
  if (set.size() == mostSlots)
    set.back() = hull(set.back(), slot);
  else
    set.push_back(slot);
}

KeySet KeySetAlgebra::all(ExprRef possible, ExprRef certain) const {
  auto endWhere = [&](ExprRef condition) {
    ExprRef end = context.select(condition, context.symbol(IndexSymbol::KeyCount), context.constant(0));
    return end->isSymbol(IndexSymbol::KeyCount) ? nullptr : end;
  };
  KeySet set;
  add(set, KeySlot{nullptr, endWhere(possible), nullptr, endWhere(certain)});
  return set;
}

KeySet KeySetAlgebra::upTo(ExprRef low, ExprRef high) const {
  KeySet set;
  add(set, KeySlot{nullptr, context.offset(high, 1), nullptr, context.offset(low, 1)});
  return set;
}

KeySet KeySetAlgebra::from(ExprRef low, ExprRef high) const {
  KeySet set;
  add(set, KeySlot{low, nullptr, high, nullptr});
  return set;
}

KeySet KeySetAlgebra::intersect(const KeySet &a, const KeySet &b) const {
  auto later = [&](ExprRef x, ExprRef y) { return !x ? y : !y ? x : context.max(x, y); };
  auto earlier = [&](ExprRef x, ExprRef y) { return !x ? y : !y ? x : context.min(x, y); };
  KeySet result;
  for (const KeySlot &x : a)
    for (const KeySlot &y : b)
      add(result, KeySlot{later(x.mayBegin, y.mayBegin), earlier(x.mayEnd, y.mayEnd), later(x.fullBegin, y.fullBegin),
                          earlier(x.fullEnd, y.fullEnd)});
  return result;
}

KeySet KeySetAlgebra::unite(KeySet a, const KeySet &b) const {
  for (const KeySet *set : {static_cast<const KeySet *>(&a), &b})
    for (const KeySlot &slot : *set)
      if (same(slot, all().front()))
        return all();
  for (const KeySlot &slot : b)
    add(a, slot);
  return a;
}

ExprRef KeySetAlgebra::selectEnd(ExprRef condition, ExprRef a, ExprRef b, ExprRef unbounded) const {
  if (!a && !b)
    return nullptr;
  return context.select(condition, a ? a : unbounded, b ? b : unbounded);
}

KeySet KeySetAlgebra::choose(ExprRef condition, const KeySet &a, const KeySet &b) const {
  if (condition->isConstant())
    return condition->value ? a : b;
  ExprRef zero = context.constant(0), keys = context.symbol(IndexSymbol::KeyCount);
  KeySet result;
  for (unsigned k = 0; k < std::max(a.size(), b.size()); ++k) {
    // Nothing, spelled with the other side's begin, so that only the end needs a choice.
    KeySlot x = k < a.size() ? a[k] : KeySlot{b[k].mayBegin, zero, b[k].fullBegin, zero};
    KeySlot y = k < b.size() ? b[k] : KeySlot{a[k].mayBegin, zero, a[k].fullBegin, zero};
    add(result,
        KeySlot{selectEnd(condition, x.mayBegin, y.mayBegin, zero), selectEnd(condition, x.mayEnd, y.mayEnd, keys),
                selectEnd(condition, x.fullBegin, y.fullBegin, zero),
                selectEnd(condition, x.fullEnd, y.fullEnd, keys)});
  }
  return result;
}

//===----------------------------------------------------------------------===//
// From a collection to ordered ranges
//===----------------------------------------------------------------------===//

/// The range from the first to the last key of both; of the two full parts the longer one. An empty slot adds nothing.
KeySlot KeySetAlgebra::hull(const KeySlot &first, const KeySlot &second) const {
  KeySlot a = clip(first), b = clip(second);
  ExprRef noA = context.lessEqual(a.mayEnd, a.mayBegin), noB = context.lessEqual(b.mayEnd, b.mayBegin);
  ExprRef longerA = context.lessEqual(context.sub(b.fullEnd, b.fullBegin), context.sub(a.fullEnd, a.fullBegin));
  auto pick = [&](ExprRef x, ExprRef y, ExprRef both) { return context.select(noA, y, context.select(noB, x, both)); };
  KeySlot result;
  result.mayBegin = pick(a.mayBegin, b.mayBegin, context.min(a.mayBegin, b.mayBegin));
  result.mayEnd = pick(a.mayEnd, b.mayEnd, context.max(a.mayEnd, b.mayEnd));
  result.fullBegin = pick(a.fullBegin, b.fullBegin, context.select(longerA, a.fullBegin, b.fullBegin));
  result.fullEnd = pick(a.fullEnd, b.fullEnd, context.select(longerA, a.fullEnd, b.fullEnd));
  return result;
}

/// Within the keys, and 0 <= mayBegin <= fullBegin <= fullEnd <= mayEnd.
KeySlot KeySetAlgebra::clip(const KeySlot &slot) const {
  ExprRef zero = context.constant(0), keys = context.symbol(IndexSymbol::KeyCount);
  auto begin = [&](ExprRef x) { return x ? context.max(x, zero) : zero; };
  auto end = [&](ExprRef x) { return x ? context.min(x, keys) : keys; };
  KeySlot result;
  result.mayBegin = begin(slot.mayBegin);
  result.mayBegin = context.min(result.mayBegin, keys);
  result.mayEnd = context.max(end(slot.mayEnd), result.mayBegin);
  auto inside = [&](ExprRef x) { return context.min(context.max(x, result.mayBegin), result.mayEnd); };
  result.fullBegin = inside(begin(slot.fullBegin));
  result.fullEnd = context.max(inside(end(slot.fullEnd)), result.fullBegin);
  return result;
}

/// Makes `a` the one that begins first.
void KeySetAlgebra::order(KeySlot &a, KeySlot &b) const {
  ExprRef swap = context.less(b.mayBegin, a.mayBegin);
  auto exchange = [&](ExprRef &x, ExprRef &y) {
    ExprRef newX = context.select(swap, y, x);
    y = context.select(swap, x, y);
    x = newX;
  };
  exchange(a.mayBegin, b.mayBegin);
  exchange(a.mayEnd, b.mayEnd);
  exchange(a.fullBegin, b.fullBegin);
  exchange(a.fullEnd, b.fullEnd);
}

/// Cuts two ordered ranges apart without losing a key of either. The cut is put where it costs no full keys:
/// full parts that touch become one and go to `b`; if the full part of `b` lies before that of `a` they trade places.
void KeySetAlgebra::separate(KeySlot &a, KeySlot &b) const {
  ExprRef someA = context.less(a.fullBegin, a.fullEnd), someB = context.less(b.fullBegin, b.fullEnd);
  ExprRef both = context.logicalAnd(someA, someB);
  ExprRef touch = context.logicalAnd(
      both, context.logicalAnd(context.lessEqual(b.fullBegin, a.fullEnd), context.lessEqual(a.fullBegin, b.fullEnd)));
  ExprRef trade = context.logicalAnd(both, context.less(b.fullEnd, a.fullBegin));
  ExprRef joinedBegin = context.min(a.fullBegin, b.fullBegin), joinedEnd = context.max(a.fullEnd, b.fullEnd);

  ExprRef aBegin = context.select(touch, joinedBegin, context.select(trade, b.fullBegin, a.fullBegin));
  ExprRef aEnd = context.select(touch, joinedBegin, context.select(trade, b.fullEnd, a.fullEnd));
  ExprRef bBegin = context.select(touch, joinedBegin, context.select(trade, a.fullBegin, b.fullBegin));
  ExprRef bEnd = context.select(touch, joinedEnd, context.select(trade, a.fullEnd, b.fullEnd));

  // An empty full part of `a` sits anywhere in it and must not move the cut.
  ExprRef cut = context.max(b.mayBegin, context.select(someA, aEnd, a.mayBegin));
  cut = context.select(touch, joinedBegin, cut);
  b.mayEnd = context.max(context.max(a.mayEnd, b.mayEnd), cut);
  a.mayEnd = context.min(a.mayEnd, cut);
  b.mayBegin = cut;
  a.fullBegin = context.min(aBegin, a.mayEnd);
  a.fullEnd = context.min(aEnd, a.mayEnd);
  b.fullBegin = context.min(context.max(bBegin, cut), b.mayEnd);
  b.fullEnd = context.max(context.min(bEnd, b.mayEnd), b.fullBegin);
}

llvm::SmallVector<KeySlot> KeySetAlgebra::arrange(KeySet set, unsigned limit) const {
  llvm::SmallVector<KeySlot> slots;
  for (const KeySlot &slot : set)
    slots.push_back(clip(slot));
  if (slots.size() > limit) {
    // Send the empty ones to the end, so that merging the last ones merges nothing where few are filled.
    ExprRef keys = context.symbol(IndexSymbol::KeyCount);
    for (KeySlot &slot : slots) {
      ExprRef empty = context.lessEqual(slot.mayEnd, slot.mayBegin);
      for (ExprRef *end : {&slot.mayBegin, &slot.mayEnd, &slot.fullBegin, &slot.fullEnd})
        *end = context.select(empty, keys, *end);
    }
  }
  for (unsigned pass = 1; pass < slots.size(); ++pass)
    for (unsigned k = 0; k + pass < slots.size(); ++k)
      order(slots[k], slots[k + 1]);
  for (unsigned k = 1; k < slots.size(); ++k) {
    if (k > 1) {
      // The cut before may have moved past where this one begins; what lies before it is in the earlier range.
      for (ExprRef *end : {&slots[k].mayBegin, &slots[k].mayEnd, &slots[k].fullBegin, &slots[k].fullEnd})
        *end = context.max(*end, slots[k - 1].mayBegin);
    }
    separate(slots[k - 1], slots[k]);
  }
  while (slots.size() > limit) {
    KeySlot last = slots.pop_back_val();
    slots.back() = hull(slots.back(), last);
  }
  return slots;
}
