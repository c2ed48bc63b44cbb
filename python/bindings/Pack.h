//===- Pack.h - a loaded pack, for as long as anybody uses it ---------------===//
#ifndef HEDDLE_PYTHON_BINDINGS_PACK_H
#define HEDDLE_PYTHON_BINDINGS_PACK_H

#include "heddle_rt/heddle_rt.h"
#include <memory>

namespace heddle::python {

using PackPointer = std::shared_ptr<heddle_pack>;

/// What Python holds of one.
struct Pack {
  PackPointer pointer;
};

} // namespace heddle::python

#endif
