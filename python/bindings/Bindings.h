//===- Bindings.h - the parts of the module heddle._heddle ------------------===//
#ifndef HEDDLE_PYTHON_BINDINGS_BINDINGS_H
#define HEDDLE_PYTHON_BINDINGS_BINDINGS_H

#include <pybind11/pybind11.h>

namespace heddle::python {

void bindCompiler(pybind11::module_ &module);
void bindRuntime(pybind11::module_ &module);

} // namespace heddle::python

#endif
