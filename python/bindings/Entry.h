//===- Entry.h - an entry of a pack, called on arrays -----------------------===//
#ifndef HEDDLE_PYTHON_BINDINGS_ENTRY_H
#define HEDDLE_PYTHON_BINDINGS_ENTRY_H

#include "Arrays.h"
#include "Pack.h"
#include <memory>
#include <string>
#include <vector>

namespace heddle::python {

/// Raises what Python callers expect for a status: ValueError for arguments, RunError for the rest.
void check(heddle_status status);

/// One parameter of an entry as the caller gives it: 't' an array, 'i' an integer, 'f' a float. `order` lists, for each
/// dimension of the parameter, the array's dimension it is (empty: the same).
struct Parameter {
  char kind;
  std::string name;
  std::vector<int> order;
};

/// The arguments of one call as the runtime takes them. Not copied: arguments point at views.
struct BoundCall {
  BoundCall() = default;
  BoundCall(const BoundCall &) = delete;

  std::vector<heddle_arg> arguments;
  std::vector<ArrayView> views;
  pybind11::handle first; // an array, for its library's stream
  heddle_device device{HEDDLE_DEVICE_CPU, 0};
  pybind11::list keep;
};

/// What a finished call says of the values that it found on the device. Filled by Entry::run; on CUDA it holds the
/// workspace until it goes or is filled anew.
class Status {
public:
  /// 0, or what the kernels left when they clamped a value. Waits for the call.
  uint32_t word();
  /// ValueError if the word is not 0.
  void raise();
  /// Forget the call, and its workspace with it.
  void reset();

private:
  friend class Entry;
  void fill(PackPointer pack, uint32_t entry, std::unique_ptr<BoundCall> call, void *workspace, pybind11::object owner,
            void *stream);

  PackPointer pack;
  uint32_t entry = 0;
  std::unique_ptr<BoundCall> call;
  void *workspace = nullptr, *stream = nullptr;
  pybind11::object owner;
  uint32_t known = 0; ///< the word, where no call has to be waited for
};

class Entry {
public:
  /// `complete(kernels)` gives a pack that has these, "0:attend_0,0:attend_1", or all for ""; None: what the pack lacks
  /// is an error.
  Entry(PackPointer pack, const std::string &name, const std::string &kinds, const std::vector<std::string> &names,
        const std::vector<std::vector<int>> &orders, pybind11::object complete);

  /// `values`: a list or tuple, one per parameter. `allocate(bytes)` gives workspace on a device. `status`: a Status or
  /// None.
  void run(pybind11::handle values, pybind11::object stream, pybind11::object allocate, pybind11::object status);
  /// Which variant would run, as text.
  std::string explain(pybind11::handle values);

private:
  /// Run a call in a pack that has its kernels; `used` is that pack, `workspace` what `allocateWorkspace` gets.
  heddle_status runSomewhere(const BoundCall &call, void *workspace, void *stream, PackPointer &used);
  /// A pack for a call whose kernels none of ours has. `asked`: the kernels that this was last called for.
  PackPointer addPackFor(const BoundCall &call, std::string &asked);
  void bind(pybind11::handle values, BoundCall &call);
  void bindOne(const Parameter &parameter, pybind11::handle value, BoundCall &call, size_t number);

  std::vector<PackPointer> packs; ///< of one plan, each with some of its kernels; the one we began with is the last
  uint32_t index = 0;
  std::vector<Parameter> parameters;
  pybind11::object complete;
};

void bindEntry(pybind11::module_ &module);

} // namespace heddle::python

#endif
