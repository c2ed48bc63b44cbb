//===- Compiler.cpp - the compiler's C interface as functions ---------------===//
//
// Every function returns (result, diagnostics); result is None after an error. A diagnostic is (severity, file, line,
// column, message). Text becomes exceptions in Python, not here.
//
//===----------------------------------------------------------------------===//
#include "Bindings.h"
#include "heddle-c/Heddle.h"
#include <functional>
#include <optional>
#include <pybind11/stl.h>
#include <string>
#include <tuple>
#include <vector>

namespace py = pybind11;

namespace {
using Diagnostic = std::tuple<int, std::string, unsigned, unsigned, std::string>;

/// The options of one call and the strings they point to.
struct Options {
  Options(const std::optional<std::string> &targets, const std::optional<std::string> &dumpDir,
          const std::optional<std::string> &schedule, const std::optional<std::string> &fileName,
          const std::optional<std::string> &only = std::nullopt)
      : targets(targets), dumpDir(dumpDir), schedule(schedule), fileName(fileName), only(only),
        c(heddle_compile_options_default()) {
    auto pointer = [](const std::optional<std::string> &text) { return text ? text->c_str() : nullptr; };
    if (targets)
      c.targets = pointer(this->targets);
    c.dump_dir = pointer(this->dumpDir);
    c.schedule = pointer(this->schedule);
    c.only = pointer(this->only);
    if (fileName)
      c.file_name = pointer(this->fileName);
    c.user = &diagnostics;
    c.handler = [](void *user, int severity, const char *file, unsigned line, unsigned column, const char *message) {
      static_cast<std::vector<Diagnostic> *>(user)->emplace_back(severity, file ? file : "", line, column, message);
    };
  }
  Options(const Options &) = delete;

  std::optional<std::string> targets, dumpDir, schedule, fileName, only;
  std::vector<Diagnostic> diagnostics;
  heddle_compile_options c;
};

using Produce = std::function<int(const heddle_compile_options *, heddle_bytes *)>;

py::tuple call(Options &options, const Produce &produce) {
  heddle_bytes bytes{nullptr, 0};
  int failed = 0;
  {
    py::gil_scoped_release release;
    failed = produce(&options.c, &bytes);
  }
  py::object result = py::none();
  if (!failed)
    result = py::bytes(bytes.data, bytes.size);
  heddle_bytes_free(&bytes);
  return py::make_tuple(result, options.diagnostics);
}

using Text = std::optional<std::string>;
} // namespace

void heddle::python::bindCompiler(py::module_ &module) {
  auto define = [&](const char *name, auto produce) {
    module.def(
        name,
        [produce](const std::string &text, const Text &targets, const Text &dumpDir, const Text &schedule,
                  const Text &fileName, const Text &only) {
          Options options(targets, dumpDir, schedule, fileName, only);
          return call(options, [&](const heddle_compile_options *c, heddle_bytes *bytes) {
            return produce(text.data(), text.size(), c, bytes);
          });
        },
        py::arg("text"), py::arg("targets") = py::none(), py::arg("dump_dir") = py::none(),
        py::arg("schedule") = py::none(), py::arg("file_name") = py::none(), py::arg("only") = py::none());
  };
  define("compile", &heddle_compile);
  define("compile_reference", &heddle_compile_reference);
  define("explain", &heddle_explain_spec);
  module.def(
      "emit",
      [](const std::string &text, const std::string &rung, const Text &targets, const Text &schedule) {
        Options options(targets, std::nullopt, schedule, std::nullopt);
        return call(options, [&](const heddle_compile_options *c, heddle_bytes *bytes) {
          return heddle_emit(text.data(), text.size(), rung.c_str(), c, bytes);
        });
      },
      py::arg("text"), py::arg("rung"), py::arg("targets") = py::none(), py::arg("schedule") = py::none());
  module.def(
      "content_key",
      [](const std::string &text, const Text &targets, const Text &schedule) -> py::tuple {
        Options options(targets, std::nullopt, schedule, std::nullopt);
        uint64_t key = 0;
        int failed = heddle_content_key(text.data(), text.size(), &options.c, &key);
        py::object result = py::none();
        if (!failed)
          result = py::int_(key);
        return py::make_tuple(result, options.diagnostics);
      },
      py::arg("text"), py::arg("targets") = py::none(), py::arg("schedule") = py::none());
  module.def("version", [] { return std::string(heddle_version()); });
}
