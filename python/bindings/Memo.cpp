//===- Memo.cpp - what is known of calls with arrays like these -------------===//
#include "Memo.h"
#include <algorithm>

namespace py = pybind11;
using namespace heddle::python;

bool Memo::Key::operator==(const Key &other) const {
  return dtype == other.dtype && rank == other.rank && device.kind == other.device.kind &&
         device.index == other.device.index && isWriteable == other.isWriteable &&
         std::equal(extents, extents + 2 * rank, other.extents);
}

/// Whether an array records what is done to it for a gradient. NumPy's do not.
static bool requiresGradient(py::handle array) {
  static PyObject *name = PyUnicode_InternFromString("requires_grad");
  PyObject *found = PyObject_GetAttr(array.ptr(), name);
  if (!found) {
    PyErr_Clear();
    return false;
  }
  bool isTrue = found != Py_False;
  Py_DECREF(found);
  return isTrue;
}

bool Memo::describeAll(py::handle values, Signature &signature) {
  signature.clear();
  py::object items = py::reinterpret_steal<py::object>(PySequence_Fast(values.ptr(), "expected a list or a tuple"));
  if (!items)
    throw py::error_already_set();
  py::list keep;
  for (Py_ssize_t number = 0; number < PySequence_Fast_GET_SIZE(items.ptr()); ++number) {
    py::handle value = PySequence_Fast_GET_ITEM(items.ptr(), number);
    if (value.is_none() || PyFloat_Check(value.ptr()) || PyLong_Check(value.ptr()))
      continue;
    bool isNumpy = py::isinstance<py::array>(value);
    ArrayView view;
    try {
      view = describe(value, "", keep);
    } catch (const std::exception &) {
      return false; // the checks say it better
    }
    if (!view.dtype || (!isNumpy && requiresGradient(value)))
      return false;
    Key &key = signature.emplace_back();
    key.dtype = view.dtype;
    key.rank = view.rank;
    key.device = view.device;
    key.isWriteable = !isNumpy || py::reinterpret_borrow<py::array>(value).writeable();
    std::copy(view.sizes, view.sizes + view.rank, key.extents);
    std::copy(view.strides, view.strides + view.rank, key.extents + view.rank);
  }
  return true;
}

py::object Memo::find(py::handle values) {
  if (entries.empty() || !describeAll(values, scratch))
    return py::none();
  for (size_t number = entries.size(); number-- > 0;)
    if (entries[number].first == scratch) {
      if (number + 1 != entries.size())
        std::rotate(entries.begin() + number, entries.begin() + number + 1, entries.end());
      return entries.back().second;
    }
  return py::none();
}

void Memo::remember(py::handle values, py::object known) {
  Signature signature;
  if (!describeAll(values, signature))
    return;
  if (entries.size() == kMost)
    entries.erase(entries.begin());
  entries.emplace_back(std::move(signature), std::move(known));
}

void heddle::python::bindMemo(py::module_ &module) {
  py::class_<Memo>(module, "Memo").def(py::init<>()).def("find", &Memo::find).def("remember", &Memo::remember);
}
