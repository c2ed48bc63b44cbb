//===- Module.cpp - heddle._heddle ------------------------------------------===//
#include "Bindings.h"

PYBIND11_MODULE(_heddle, module) {
  module.doc() = "The C interfaces of the compiler and the runtime. Use the package heddle.";
  heddle::python::bindCompiler(module);
  heddle::python::bindRuntime(module);
}
