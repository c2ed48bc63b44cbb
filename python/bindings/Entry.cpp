//===- Entry.cpp - an entry of a pack, called on arrays ---------------------===//
#include "Entry.h"
#include <cstdlib>
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace heddle::python;

void heddle::python::check(heddle_status status) {
  if (status == HEDDLE_OK)
    return;
  std::string message = heddle_last_error();
  if (status == HEDDLE_BAD_ARGUMENT || status == HEDDLE_VALUE)
    throw py::value_error(message);
  py::object error = py::module_::import("heddle._errors").attr("RunError")(heddle_status_name(status), message);
  PyErr_SetObject(reinterpret_cast<PyObject *>(Py_TYPE(error.ptr())), error.ptr());
  throw py::error_already_set();
}

//===----------------------------------------------------------------------===//
// Workspace
//===----------------------------------------------------------------------===//

namespace {
struct FreeDeleter {
  void operator()(void *memory) const { std::free(memory); }
};

/// Where the workspace of one call comes from.
struct Workspace {
  bool isOnHost;
  py::object allocate; ///< of the caller's library, for a device
  py::list &keep;
  py::object owner;
  void *memory = nullptr;
  std::exception_ptr error; ///< what Python raised; it cannot pass through C
};

/// Workspace on the CPU, kept per thread so that a call does not allocate; null when there is no memory.
void *hostWorkspace(size_t bytes) {
  thread_local std::unique_ptr<void, FreeDeleter> memory;
  thread_local size_t capacity = 0;
  if (bytes > capacity) {
    size_t rounded = (bytes + 255) / 256 * 256;
    memory.reset(); // before the larger one, not beside it
    memory.reset(std::aligned_alloc(256, rounded));
    capacity = memory ? rounded : 0;
  }
  return memory.get();
}

/// What heddle_run_allocating calls, without the interpreter's lock.
void *allocateWorkspace(void *user, size_t bytes) {
  auto *workspace = static_cast<Workspace *>(user);
  if (workspace->isOnHost)
    return workspace->memory = hostWorkspace(bytes);
  py::gil_scoped_acquire acquire;
  try {
    workspace->owner = workspace->allocate(bytes);
    workspace->memory = describe(workspace->owner, "workspace", workspace->keep).data;
  } catch (...) {
    workspace->error = std::current_exception();
  }
  return workspace->memory;
}

std::string deviceName(const heddle_device &device) {
  return device.kind == HEDDLE_DEVICE_CPU ? "the CPU" : "CUDA device " + std::to_string(device.index);
}

void reorder(ArrayView &view, const Parameter &parameter) {
  if (view.rank != parameter.order.size())
    throw py::value_error(parameter.name + ": expected rank " + std::to_string(parameter.order.size()) + ", got " +
                          std::to_string(view.rank));
  ArrayView original = view;
  for (uint32_t axis = 0; axis < view.rank; ++axis) {
    view.sizes[axis] = original.sizes[parameter.order[axis]];
    view.strides[axis] = original.strides[parameter.order[axis]];
  }
}
} // namespace

//===----------------------------------------------------------------------===//
// Entry
//===----------------------------------------------------------------------===//

Entry::Entry(PackPointer pack, const std::string &name, const std::string &kinds, const std::vector<std::string> &names,
             const std::vector<std::vector<int>> &orders, py::object complete)
    : packs({std::move(pack)}), complete(std::move(complete)) {
  check(heddle_find(packs.front().get(), name.c_str(), &index));
  if (kinds.size() != names.size() || kinds.size() != orders.size())
    throw py::value_error("expected one kind, name and order per parameter");
  for (size_t number = 0; number < kinds.size(); ++number)
    parameters.push_back({kinds[number], names[number], orders[number]});
}

heddle_status Entry::runSomewhere(const BoundCall &call, void *workspace, void *stream, PackPointer &used) {
  std::string asked;
  for (size_t number = 0;; ++number) {
    // Other threads may add packs while this one runs.
    used = number < packs.size() ? packs[number] : addPackFor(call, asked);
    py::gil_scoped_release release;
    heddle_status result =
        heddle_run_allocating(used.get(), index, call.device, call.arguments.data(),
                              static_cast<uint32_t>(call.arguments.size()), allocateWorkspace, workspace, stream);
    if (result != HEDDLE_ABSENT)
      return result;
  }
}

/// What is compiled may tell a guard more than the plan alone knew, and a pack without that variant does not know it.
/// So the first pack says what is needed, and when that has been made in vain, everything is.
PackPointer Entry::addPackFor(const BoundCall &call, std::string &asked) {
  if (complete.is_none())
    check(HEDDLE_ABSENT);
  const char *needed = "";
  check(heddle_needed(packs.front().get(), index, call.device, call.arguments.data(),
                      static_cast<uint32_t>(call.arguments.size()), &needed));
  bool isRepeated = asked == needed;
  asked = isRepeated ? "" : needed;
  PackPointer made = complete(asked).cast<Pack &>().pointer;
  packs.insert(packs.end() - 1, made);
  return made;
}

void Entry::run(py::handle values, py::object stream, py::object allocate, py::object status) {
  auto call = std::make_unique<BoundCall>();
  bind(values, *call);
  void *queue = stream.is_none() ? (call->first ? currentStream(call->first, call->device) : nullptr)
                                 : reinterpret_cast<void *>(stream.cast<uintptr_t>());
  Status *report = status.is_none() ? nullptr : status.cast<Status *>();
  if (report)
    report->reset();
  Workspace workspace{call->device.kind == HEDDLE_DEVICE_CPU, std::move(allocate), call->keep, {}, nullptr, nullptr};
  PackPointer used;
  heddle_status result = runSomewhere(*call, &workspace, queue, used);
  if (workspace.error)
    std::rethrow_exception(workspace.error);
  // A raised word is an error of a run that has a status to give.
  if (report && (result == HEDDLE_OK || result == HEDDLE_VALUE)) {
    std::string message = result == HEDDLE_VALUE ? heddle_last_error() : "";
    report->fill(std::move(used), index, std::move(call), workspace.memory, std::move(workspace.owner), queue);
    if (result == HEDDLE_VALUE)
      throw py::value_error(message);
  }
  check(result);
}

std::string Entry::explain(py::handle values) {
  BoundCall call;
  bind(values, call);
  const char *text = nullptr;
  check(heddle_explain(packs.front().get(), index, call.device, call.arguments.data(),
                       static_cast<uint32_t>(call.arguments.size()), &text));
  return text;
}

void Entry::bind(py::handle values, BoundCall &call) {
  py::object items = py::reinterpret_steal<py::object>(PySequence_Fast(values.ptr(), "expected a list or a tuple"));
  if (!items)
    throw py::error_already_set();
  size_t count = static_cast<size_t>(PySequence_Fast_GET_SIZE(items.ptr()));
  if (count != parameters.size())
    throw py::value_error("expected " + std::to_string(parameters.size()) + " arguments, got " + std::to_string(count));
  call.arguments.resize(count);
  call.views.resize(count);
  for (size_t number = 0; number < count; ++number)
    bindOne(parameters[number], PySequence_Fast_GET_ITEM(items.ptr(), number), call, number);
}

void Entry::bindOne(const Parameter &parameter, py::handle value, BoundCall &call, size_t number) {
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

//===----------------------------------------------------------------------===//
// Status
//===----------------------------------------------------------------------===//

void Status::reset() {
  pack.reset();
  call.reset();
  owner = py::object();
  known = 0;
}

void Status::fill(PackPointer pack, uint32_t entry, std::unique_ptr<BoundCall> call, void *workspace, py::object owner,
                  void *stream) {
  this->pack = std::move(pack);
  this->entry = entry;
  this->call = std::move(call);
  this->call->first = py::handle(); // arrays may go; what was known of them stays
  this->call->keep = py::list();
  this->workspace = workspace;
  this->owner = std::move(owner);
  this->stream = stream;
  if (this->call->device.kind != HEDDLE_DEVICE_CPU)
    return;
  // The work is done, and the thread's next call writes to the same workspace.
  uint32_t found = word();
  reset();
  known = found;
}

uint32_t Status::word() {
  if (!call)
    return known;
  uint32_t found = 0;
  heddle_status result;
  {
    py::gil_scoped_release release;
    result = heddle_status_word(pack.get(), entry, call->device, call->arguments.data(),
                                static_cast<uint32_t>(call->arguments.size()), workspace, stream, &found);
  }
  check(result);
  return found;
}

void Status::raise() {
  if (uint32_t found = word())
    throw py::value_error("expected values within their arrays, got status word " + std::to_string(found) +
                          ": a kernel clamped one (a length or an offset)");
}

void heddle::python::bindEntry(py::module_ &module) {
  py::class_<Status>(module, "Status",
                     "What a finished call says of the values that it found on the device: give one as `status=`.\n\n"
                     "Lengths and offsets on a device are not read back before a call: a kernel that finds one outside "
                     "of its array clamps it\nand leaves a status word. On CUDA the object holds the call's workspace, "
                     "also over replays of a captured graph.")
      .def(py::init<>())
      .def_property_readonly("word", &Status::word,
                             "0, or what the kernels left when they clamped a value. Waits for the call.")
      .def("check", &Status::raise, "Raise ValueError if the word is not 0.")
      .def("reset", &Status::reset, "Forget the call, and the workspace with it.");
  py::class_<Entry>(module, "Entry")
      .def("__call__", &Entry::run, py::arg("values"), py::arg("stream") = py::none(), py::arg("allocate") = py::none(),
           py::arg("status") = py::none())
      .def("explain", &Entry::explain);
}
