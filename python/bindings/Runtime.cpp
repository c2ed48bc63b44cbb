//===- Runtime.cpp - packs, threads and devices -----------------------------===//
#include "Bindings.h"
#include "Entry.h"
#include "Memo.h"
#include <optional>
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace heddle::python;

namespace {
struct PackDeleter {
  void operator()(heddle_pack *pack) const { heddle_unload(pack); }
};

Pack own(heddle_pack *pack) { return {PackPointer(pack, PackDeleter())}; }

Pack fromBytes(const py::bytes &bytes) {
  char *data = nullptr;
  Py_ssize_t size = 0;
  PyBytes_AsStringAndSize(bytes.ptr(), &data, &size);
  heddle_pack *pack = nullptr;
  check(heddle_load(data, static_cast<size_t>(size), &pack));
  return own(pack);
}

Pack fromFile(const std::string &path) {
  heddle_pack *pack = nullptr;
  check(heddle_load_file(path.c_str(), &pack));
  return own(pack);
}
} // namespace

void heddle::python::bindRuntime(py::module_ &module) {
  py::class_<Pack>(module, "Pack")
      .def_static("from_bytes", &fromBytes)
      .def_static("from_file", &fromFile)
      .def_property_readonly("content_hash", [](const Pack &pack) { return heddle_content_hash(pack.pointer.get()); })
      .def(
          "entry",
          [](const Pack &pack, const std::string &name, const std::string &kinds, const std::vector<std::string> &names,
             const std::vector<std::vector<int>> &orders,
             py::object complete) { return Entry(pack.pointer, name, kinds, names, orders, std::move(complete)); },
          py::arg("name"), py::arg("kinds"), py::arg("names"), py::arg("orders"), py::arg("complete") = py::none());
  bindEntry(module);
  bindMemo(module);
  module.def("num_threads", &heddle_num_threads);
  module.def("set_num_threads", &heddle_set_num_threads);
  module.def(
      "set_check", [](std::optional<bool> check) { heddle_set_check(check ? *check : -1); },
      py::arg("check").none(true),
      "Whether each call waits for its end and raises ValueError when its status word is raised. None: as HEDDLE_CHECK "
      "says.");
  module.def("cpu_features", &heddle_cpu_features);
  module.def("cuda_available", [] { return heddle_cuda_available() != 0; });
  module.def("cuda_device", [](int32_t index) {
    uint32_t capability = 0, multiprocessors = 0;
    check(heddle_cuda_device(index, &capability, &multiprocessors));
    return std::make_pair(capability, multiprocessors);
  });
}
