//===- DLPackTypes.h - the parts of the DLPack ABI that we read -------------===//
//
// DLPack is an ABI of plain structures; its layouts are restated here so that building needs no other header.
// Version 1: https://dmlc.github.io/dlpack/latest/c_api.html
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_PYTHON_BINDINGS_DLPACKTYPES_H
#define HEDDLE_PYTHON_BINDINGS_DLPACKTYPES_H

#include <cstdint>

namespace heddle::python::dlpack {

enum DeviceType : int32_t { CPU = 1, CUDA = 2, CUDAHost = 3, CUDAManaged = 13 };
enum TypeCode : uint8_t { Int = 0, UInt = 1, Float = 2, BFloat = 4, Bool = 6 };

struct Device {
  int32_t type;
  int32_t index;
};

struct DataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};

struct Tensor {
  void *data;
  Device device;
  int32_t rank;
  DataType type;
  int64_t *shape;
  int64_t *strides; // in elements; null: contiguous
  uint64_t byteOffset;
};

struct ManagedTensor { // what an unversioned "dltensor" capsule holds
  Tensor tensor;
  void *context;
  void (*deleter)(ManagedTensor *);
};

/// The function table of a tensor type, in its capsule `__dlpack_c_exchange_api__`: descriptors without a temporary
/// object, and the stream that the caller's work is on. Entries that we do not call are opaque.
struct ExchangeApi {
  uint32_t major, minor;
  const ExchangeApi *older;
  void *allocate, *exportManaged, *importManaged;
  int (*describe)(void *object, Tensor *out); // may be null
  int (*currentStream)(int32_t deviceType, int32_t deviceIndex, void **stream);
};

} // namespace heddle::python::dlpack

#endif
