//===- Runtime.cpp - packs and their entries --------------------------------===//
#include "Arrays.h"
#include "Bindings.h"
#include <cstdlib>
#include <memory>
#include <pybind11/stl.h>
#include <string>
#include <vector>

namespace py = pybind11;
using namespace heddle::python;

/// Raises what Python callers expect for a status: ValueError for arguments, RunError for the rest.
static void check(heddle_status status) {
  if (status == HEDDLE_OK)
    return;
  std::string message = heddle_last_error();
  if (status == HEDDLE_BAD_ARGUMENT || status == HEDDLE_VALUE)
    throw py::value_error(message);
  py::object error = py::module_::import("heddle._errors").attr("RunError")(heddle_status_name(status), message);
  PyErr_SetObject(reinterpret_cast<PyObject *>(Py_TYPE(error.ptr())), error.ptr());
  throw py::error_already_set();
}

namespace {
struct PackDeleter {
  void operator()(heddle_pack *pack) const { heddle_unload(pack); }
};
using PackPointer = std::shared_ptr<heddle_pack>;

struct FreeDeleter {
  void operator()(void *memory) const { std::free(memory); }
};

/// Workspace on the CPU, kept per thread so that a call does not allocate.
void *hostWorkspace(size_t bytes) {
  thread_local std::unique_ptr<void, FreeDeleter> memory;
  thread_local size_t capacity = 0;
  if (bytes > capacity) {
    size_t rounded = (bytes + 255) / 256 * 256;
    memory.reset(std::aligned_alloc(256, rounded));
    capacity = memory ? rounded : 0;
    if (!memory)
      throw std::bad_alloc();
  }
  return memory.get();
}

/// One parameter of an entry as the caller gives it: 't' an array, 'i' an integer, 'f' a float. `order` lists, for each
/// dimension of the parameter, the array's dimension it is (empty: the same).
struct Parameter {
  char kind;
  std::string name;
  std::vector<int> order;
};

class Entry {
public:
  Entry(PackPointer pack, const std::string &name, const std::string &kinds, const std::vector<std::string> &names,
        const std::vector<std::vector<int>> &orders)
      : pack(std::move(pack)) {
    check(heddle_find(this->pack.get(), name.c_str(), &index));
    if (kinds.size() != names.size() || kinds.size() != orders.size())
      throw py::value_error("expected one kind, name and order per parameter");
    for (size_t number = 0; number < kinds.size(); ++number)
      parameters.push_back({kinds[number], names[number], orders[number]});
  }

  void run(const py::tuple &values, py::object stream, py::object allocate) {
    Call call = bind(values);
    void *queue = stream.is_none() ? (call.first ? currentStream(call.first, call.device) : nullptr)
                                   : reinterpret_cast<void *>(stream.cast<uintptr_t>());
    uint32_t count = static_cast<uint32_t>(call.arguments.size());
    size_t bytes = 0;
    check(heddle_workspace_bytes(pack.get(), index, call.device, call.arguments.data(), count, &bytes));
    void *workspace = nullptr;
    py::object owner;
    if (bytes && call.device.kind == HEDDLE_DEVICE_CPU) {
      workspace = hostWorkspace(bytes);
    } else if (bytes) {
      owner = allocate(bytes);
      workspace = describe(owner, "workspace", call.keep).data;
    }
    heddle_status status;
    {
      py::gil_scoped_release release;
      status = heddle_run(pack.get(), index, call.device, call.arguments.data(), count, workspace, bytes, queue);
    }
    check(status);
  }

  std::string explain(const py::tuple &values) {
    Call call = bind(values);
    const char *text = nullptr;
    check(heddle_explain(pack.get(), index, call.device, call.arguments.data(),
                         static_cast<uint32_t>(call.arguments.size()), &text));
    return text;
  }

private:
  struct Call {
    std::vector<heddle_arg> arguments;
    std::vector<ArrayView> views;
    py::handle first; // an array, for its library's stream
    heddle_device device{HEDDLE_DEVICE_CPU, 0};
    py::list keep;
  };

  Call bind(const py::tuple &values) {
    if (values.size() != parameters.size())
      throw py::value_error("expected " + std::to_string(parameters.size()) + " arguments, got " +
                            std::to_string(values.size()));
    Call call;
    call.arguments.resize(values.size());
    call.views.resize(values.size());
    for (size_t number = 0; number < values.size(); ++number)
      bindOne(parameters[number], values[number], call, number);
    return call;
  }

  void bindOne(const Parameter &parameter, py::handle value, Call &call, size_t number) {
    heddle_arg &argument = call.arguments[number] = heddle_arg{};
    if (parameter.kind == 'i') {
      argument.kind = HEDDLE_ARG_I64;
      argument.i64 = value.cast<int64_t>();
      return;
    }
    if (parameter.kind == 'f') {
      argument.kind = HEDDLE_ARG_F64;
      argument.f64 = value.cast<double>();
      return;
    }
    ArrayView &view = call.views[number] = describe(value, parameter.name.c_str(), call.keep);
    if (!call.first) {
      call.first = value;
      call.device = view.device;
    } else if (view.device.kind != call.device.kind || view.device.index != call.device.index) {
      throw py::value_error(parameter.name + ": expected an array on " + deviceName(call.device) + ", got one on " +
                            deviceName(view.device));
    }
    if (!view.dtype)
      throw py::value_error(parameter.name + ": expected an element type that Heddle has, got another");
    if (!parameter.order.empty())
      reorder(view, parameter);
    argument.kind = HEDDLE_ARG_TENSOR;
    argument.dtype = view.dtype;
    argument.rank = view.rank;
    argument.data = view.data;
    argument.sizes = view.sizes;
    argument.strides = view.strides;
  }

  static void reorder(ArrayView &view, const Parameter &parameter) {
    if (view.rank != parameter.order.size())
      throw py::value_error(parameter.name + ": expected rank " + std::to_string(parameter.order.size()) + ", got " +
                            std::to_string(view.rank));
    ArrayView original = view;
    for (uint32_t axis = 0; axis < view.rank; ++axis) {
      view.sizes[axis] = original.sizes[parameter.order[axis]];
      view.strides[axis] = original.strides[parameter.order[axis]];
    }
  }

  static std::string deviceName(const heddle_device &device) {
    return device.kind == HEDDLE_DEVICE_CPU ? "the CPU" : "CUDA device " + std::to_string(device.index);
  }

  PackPointer pack;
  uint32_t index = 0;
  std::vector<Parameter> parameters;
};

class Pack {
public:
  static Pack fromBytes(const py::bytes &bytes) {
    char *data = nullptr;
    Py_ssize_t size = 0;
    PyBytes_AsStringAndSize(bytes.ptr(), &data, &size);
    heddle_pack *pack = nullptr;
    check(heddle_load(data, static_cast<size_t>(size), &pack));
    return Pack(pack);
  }
  static Pack fromFile(const std::string &path) {
    heddle_pack *pack = nullptr;
    check(heddle_load_file(path.c_str(), &pack));
    return Pack(pack);
  }
  uint64_t contentHash() const { return heddle_content_hash(pointer.get()); }
  Entry entry(const std::string &name, const std::string &kinds, const std::vector<std::string> &names,
              const std::vector<std::vector<int>> &orders) const {
    return Entry(pointer, name, kinds, names, orders);
  }

private:
  explicit Pack(heddle_pack *pack) : pointer(pack, PackDeleter()) {}
  PackPointer pointer;
};
} // namespace

void heddle::python::bindRuntime(py::module_ &module) {
  py::class_<Pack>(module, "Pack")
      .def_static("from_bytes", &Pack::fromBytes)
      .def_static("from_file", &Pack::fromFile)
      .def_property_readonly("content_hash", &Pack::contentHash)
      .def("entry", &Pack::entry);
  py::class_<Entry>(module, "Entry")
      .def("__call__", &Entry::run, py::arg("values"), py::arg("stream") = py::none(), py::arg("allocate") = py::none())
      .def("explain", &Entry::explain);
  module.def("num_threads", &heddle_num_threads);
  module.def("set_num_threads", &heddle_set_num_threads);
  module.def("cpu_features", &heddle_cpu_features);
  module.def("cuda_available", [] { return heddle_cuda_available() != 0; });
  module.def("cuda_device", [](int32_t index) {
    uint32_t capability = 0, multiprocessors = 0;
    check(heddle_cuda_device(index, &capability, &multiprocessors));
    return std::make_pair(capability, multiprocessors);
  });
}
