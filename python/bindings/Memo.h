//===- Memo.h - what is known of calls with arrays like these ---------------===//
#ifndef HEDDLE_PYTHON_BINDINGS_MEMO_H
#define HEDDLE_PYTHON_BINDINGS_MEMO_H

#include "Arrays.h"
#include <vector>

namespace heddle::python {

/// Remembers an object for the arguments of a call by all that checks look at: the element type, sizes, strides, device
/// and writeability of every array, in order. Numbers and what is in the arrays are not part of it.
class Memo {
public:
  /// The object, or None. Arguments that cannot be described are unknown, not errors.
  pybind11::object find(pybind11::handle values);
  void remember(pybind11::handle values, pybind11::object known);

private:
  /// One array's part of a signature.
  struct Key {
    uint32_t dtype, rank;
    heddle_device device;
    bool isWriteable;
    int64_t extents[2 * HEDDLE_MAX_RANK]; ///< sizes, then strides
    bool operator==(const Key &other) const;
  };
  using Signature = std::vector<Key>;

  static bool describeAll(pybind11::handle values, Signature &signature);

  static constexpr size_t kMost = 64;
  std::vector<std::pair<Signature, pybind11::object>> entries; ///< the latest at the end
  Signature scratch;
};

void bindMemo(pybind11::module_ &module);

} // namespace heddle::python

#endif
