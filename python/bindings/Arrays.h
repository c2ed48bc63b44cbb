//===- Arrays.h - a caller's arrays as descriptors --------------------------===//
#ifndef HEDDLE_PYTHON_BINDINGS_ARRAYS_H
#define HEDDLE_PYTHON_BINDINGS_ARRAYS_H

#include "heddle_rt/artifact.h"
#include "heddle_rt/heddle_rt.h"
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

namespace heddle::python {

/// An array as the runtime sees it. The object it describes must outlive it.
struct ArrayView {
  void *data = nullptr;
  uint32_t dtype = 0; // heddle_dtype; 0: one that Heddle does not have
  uint32_t rank = 0;
  heddle_device device{HEDDLE_DEVICE_CPU, 0};
  int64_t sizes[HEDDLE_MAX_RANK];
  int64_t strides[HEDDLE_MAX_RANK]; // in elements
};

/// Describes a NumPy array (of ml_dtypes' types, too) or any object that speaks DLPack. An array of rank 0 becomes one
/// of rank 1, an array of booleans one of bytes. `keep` receives what must live as long as the view. Throws TypeError
/// or ValueError that begins with `name`.
ArrayView describe(pybind11::handle array, const char *name, pybind11::list &keep);

/// The stream on which the library of `array` queues work for its device now; 0 on the CPU.
void *currentStream(pybind11::handle array, const heddle_device &device);

} // namespace heddle::python

#endif
