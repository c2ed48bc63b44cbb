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
