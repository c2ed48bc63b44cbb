//===- Arrays.cpp -----------------------------------------------------------===//
//
// Three ways in, fastest first: NumPy's own structure, the C function table of a DLPack producer, a DLPack capsule.
//
//===----------------------------------------------------------------------===//
#include "Arrays.h"
#include "DLPackTypes.h"
#include <algorithm>
#include <string>
#include <unordered_map>

namespace py = pybind11;
using namespace heddle::python;

static uint32_t numpyDtype(const py::dtype &dtype) {
  switch (dtype.num()) { // NPY_TYPES
  case 0:                // bool
  case 1:                // int8
    return HEDDLE_I8;
  case 5: // int
    return HEDDLE_I32;
  case 7: // long
  case 9: // long long
    return dtype.itemsize() == 8 ? HEDDLE_I64 : HEDDLE_I32;
  case 11:
    return HEDDLE_F32;
  case 12:
    return HEDDLE_F64;
  case 23:
    return HEDDLE_F16;
  default:
    break;
  }
  // Types that packages register get their numbers when they are imported.
  static std::unordered_map<int, uint32_t> registered;
  auto [entry, isNew] = registered.try_emplace(dtype.num(), 0);
  if (isNew && py::str(dtype.attr("name")).cast<std::string>() == "bfloat16")
    entry->second = HEDDLE_BF16;
  return entry->second;
}

static ArrayView describeNumpy(const py::array &array, const char *name) {
  ArrayView view;
  py::dtype dtype = array.dtype();
  int64_t itemSize = dtype.itemsize();
  view.dtype = dtype.byteorder() == '>' ? 0 : numpyDtype(dtype);
  view.data = const_cast<void *>(array.data());
  view.rank = static_cast<uint32_t>(array.ndim());
  if (view.rank > HEDDLE_MAX_RANK)
    return view; // the caller says so
  for (uint32_t axis = 0; axis < view.rank; ++axis) {
    view.sizes[axis] = array.shape(axis);
    int64_t bytes = array.strides(axis);
    if (view.sizes[axis] > 1 && bytes % itemSize)
      throw py::value_error(std::string(name) + ": expected strides of whole elements, got " + std::to_string(bytes) +
                            " bytes for elements of " + std::to_string(itemSize));
    view.strides[axis] = bytes / itemSize;
  }
  return view;
}

static uint32_t dlpackDtype(const dlpack::DataType &type) {
  if (type.lanes != 1)
    return 0;
  switch (type.code) {
  case dlpack::Float:
    return type.bits == 32 ? HEDDLE_F32 : type.bits == 16 ? HEDDLE_F16 : type.bits == 64 ? HEDDLE_F64 : 0;
  case dlpack::BFloat:
    return type.bits == 16 ? HEDDLE_BF16 : 0;
  case dlpack::Int:
    return type.bits == 32 ? HEDDLE_I32 : type.bits == 64 ? HEDDLE_I64 : type.bits == 8 ? HEDDLE_I8 : 0;
  case dlpack::Bool:
    return type.bits == 8 ? HEDDLE_I8 : 0;
  default:
    return 0;
  }
}

static ArrayView fromTensor(const dlpack::Tensor &tensor, const char *name) {
  ArrayView view;
  view.dtype = dlpackDtype(tensor.type);
  view.data = static_cast<char *>(tensor.data) + tensor.byteOffset;
  view.rank = static_cast<uint32_t>(tensor.rank);
  switch (tensor.device.type) {
  case dlpack::CPU:
  case dlpack::CUDAHost:
    break;
  case dlpack::CUDA:
  case dlpack::CUDAManaged:
    view.device = {HEDDLE_DEVICE_CUDA, tensor.device.index};
    break;
  default:
    throw py::value_error(std::string(name) + ": expected an array on a CPU or a CUDA device, got DLPack device " +
                          std::to_string(tensor.device.type));
  }
  if (view.rank > HEDDLE_MAX_RANK)
    return view;
  int64_t contiguous = 1;
  for (int32_t axis = tensor.rank - 1; axis >= 0; --axis) {
    view.sizes[axis] = tensor.shape[axis];
    view.strides[axis] = tensor.strides ? tensor.strides[axis] : contiguous;
    contiguous *= tensor.shape[axis];
  }
  return view;
}

/// The function table of an object's type, or null. Looked up once per type: types that have one are static.
static const dlpack::ExchangeApi *exchangeApi(py::handle array) {
  static std::unordered_map<PyTypeObject *, const dlpack::ExchangeApi *> known;
  PyTypeObject *type = Py_TYPE(array.ptr());
  auto [entry, isNew] = known.try_emplace(type, nullptr);
  if (!isNew)
    return entry->second;
  Py_INCREF(type); // so that its address stays its own
  py::object capsule =
      py::getattr(py::handle(reinterpret_cast<PyObject *>(type)), "__dlpack_c_exchange_api__", py::none());
  if (!PyCapsule_IsValid(capsule.ptr(), "dlpack_exchange_api"))
    return nullptr;
  auto *api = static_cast<const dlpack::ExchangeApi *>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
  while (api && api->major != 1)
    api = api->older;
  if (api && !api->describe)
    api = nullptr;
  return known[type] = api;
}

static ArrayView describeCapsule(py::handle array, const char *name, py::list &keep) {
  if (!py::hasattr(array, "__dlpack__"))
    throw py::type_error(std::string(name) + ": expected an array (NumPy, or one that speaks DLPack), got " +
                         Py_TYPE(array.ptr())->tp_name);
  py::tuple device = array.attr("__dlpack_device__")();
  // -1 asks the producer not to wait: the caller's stream is the one we use.
  bool onCuda = device[0].cast<int>() == dlpack::CUDA;
  py::object capsule = onCuda ? array.attr("__dlpack__")(py::arg("stream") = -1) : array.attr("__dlpack__")();
  auto *managed = static_cast<dlpack::ManagedTensor *>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
  if (!managed)
    throw py::error_already_set();
  keep.append(capsule); // an unused capsule frees its tensor when it goes
  return fromTensor(managed->tensor, name);
}

ArrayView heddle::python::describe(py::handle array, const char *name, py::list &keep) {
  ArrayView view;
  if (py::isinstance<py::array>(array)) {
    view = describeNumpy(py::reinterpret_borrow<py::array>(array), name);
  } else if (const dlpack::ExchangeApi *api = exchangeApi(array)) {
    dlpack::Tensor tensor;
    if (api->describe(array.ptr(), &tensor))
      throw py::error_already_set();
    view = fromTensor(tensor, name);
  } else {
    view = describeCapsule(array, name, keep);
  }
  if (view.rank > HEDDLE_MAX_RANK)
    throw py::value_error(std::string(name) + ": expected a rank of at most " + std::to_string(HEDDLE_MAX_RANK) +
                          ", got " + std::to_string(view.rank));
  if (view.rank == 0) {
    view.rank = 1;
    view.sizes[0] = view.strides[0] = 1;
  }
  // What is never stepped over may have any stride; libraries write 0 there. The runtime is given a plain one.
  bool isEmpty = std::find(view.sizes, view.sizes + view.rank, 0) != view.sizes + view.rank;
  if (isEmpty || view.sizes[view.rank - 1] == 1)
    view.strides[view.rank - 1] = 1;
  return view;
}

void *heddle::python::currentStream(py::handle array, const heddle_device &device) {
  if (device.kind != HEDDLE_DEVICE_CUDA)
    return nullptr;
  const dlpack::ExchangeApi *api = exchangeApi(array);
  if (!api)
    throw py::value_error("expected stream= for arrays whose library does not tell its current stream, got none");
  void *stream = nullptr;
  if (api->currentStream(dlpack::CUDA, device.index, &stream))
    throw py::error_already_set();
  return stream;
}
