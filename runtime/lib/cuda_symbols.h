/* cuda_symbols.h - the CUDA driver as we use it: its types, and one table of the functions we look up in libcuda.so.1.
 * No CUDA header is needed to build. The names are the driver's ABI names (with _v2 where its header adds it).
 */
#ifndef HEDDLE_RT_LIB_CUDA_SYMBOLS_H
#define HEDDLE_RT_LIB_CUDA_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

typedef int cuda_result;
typedef int cuda_ordinal;
typedef unsigned long long cuda_address;
typedef struct cuda_context_object *cuda_context;
typedef struct cuda_module_object *cuda_module;
typedef struct cuda_function_object *cuda_function;
typedef struct cuda_stream_object *cuda_stream;

enum { /* CUresult */
       CUDA_OK = 0,
       CUDA_INVALID_IMAGE = 200,
       CUDA_NO_BINARY_FOR_GPU = 209,
       CUDA_INVALID_PTX = 218,
       CUDA_UNSUPPORTED_PTX_VERSION = 222
};
enum { /* CUdevice_attribute */
       CUDA_MULTIPROCESSORS = 16,
       CUDA_CAPABILITY_MAJOR = 75,
       CUDA_CAPABILITY_MINOR = 76,
       CUDA_MAX_SHARED_OPTIN = 97
};
enum { /* CUfunction_attribute */
       CUDA_FUNCTION_MAX_THREADS = 0,
       CUDA_FUNCTION_MAX_DYNAMIC_SHARED = 8
};
enum { CUDA_CAPTURE_NONE = 0 }; /* CUstreamCaptureStatus */
enum {                          /* CUtensorMapDataType */
       CUDA_MAP_F16 = 6,
       CUDA_MAP_F32 = 7,
       CUDA_MAP_BF16 = 9
};
enum { CUDA_MAP_NOT_INTERLEAVED = 0 }; /* CUtensorMapInterleave */
enum { CUDA_MAP_SWIZZLE_NONE, CUDA_MAP_SWIZZLE_32, CUDA_MAP_SWIZZLE_64, CUDA_MAP_SWIZZLE_128 }; /* CUtensorMapSwizzle */
enum { CUDA_MAP_PROMOTE_256 = 3 }; /* CUtensorMapL2promotion */
enum { CUDA_MAP_FILL_ZERO = 0 };   /* CUtensorMapFloatOOBfill */
enum { CUDA_LAUNCH_OVERLAPS = 6 }; /* CUlaunchAttributeID: programmatic stream serialization */

typedef struct { /* CUlaunchAttribute */
  int id;
  union {
    char room[64];
    int allowed;
  } value __attribute__((aligned(8)));
} cuda_launch_attribute;

typedef struct { /* CUlaunchConfig */
  unsigned grid[3], block[3], shared_bytes;
  cuda_stream stream;
  cuda_launch_attribute *attributes;
  unsigned attribute_count;
} cuda_launch_config;

#define CUDA_LAUNCH_END ((void *)0)
#define CUDA_LAUNCH_BUFFER_POINTER ((void *)1)
#define CUDA_LAUNCH_BUFFER_SIZE ((void *)2)

/* SYMBOL(field, driver's name, parameters): what every driver must have */
#define HEDDLE_CUDA_SYMBOLS(SYMBOL)                                                                                    \
  SYMBOL(init, cuInit, (unsigned flags))                                                                               \
  SYMBOL(driver_version, cuDriverGetVersion, (int *version))                                                           \
  SYMBOL(device_count, cuDeviceGetCount, (int *count))                                                                 \
  SYMBOL(device_get, cuDeviceGet, (cuda_ordinal * device, int index))                                                  \
  SYMBOL(device_attribute, cuDeviceGetAttribute, (int *value, int attribute, cuda_ordinal device))                     \
  SYMBOL(primary_retain, cuDevicePrimaryCtxRetain, (cuda_context * context, cuda_ordinal device))                      \
  SYMBOL(context_current, cuCtxGetCurrent, (cuda_context * context))                                                   \
  SYMBOL(context_push, cuCtxPushCurrent_v2, (cuda_context context))                                                    \
  SYMBOL(context_pop, cuCtxPopCurrent_v2, (cuda_context * context))                                                    \
  SYMBOL(module_load, cuModuleLoadData, (cuda_module * module, const void *image))                                     \
  SYMBOL(module_unload, cuModuleUnload, (cuda_module module))                                                          \
  SYMBOL(module_function, cuModuleGetFunction, (cuda_function * function, cuda_module module, const char *name))       \
  SYMBOL(function_get, cuFuncGetAttribute, (int *value, int attribute, cuda_function function))                        \
  SYMBOL(function_set, cuFuncSetAttribute, (cuda_function function, int attribute, int value))                         \
  SYMBOL(memset_async, cuMemsetD8Async, (cuda_address address, unsigned char value, size_t bytes, cuda_stream stream)) \
  SYMBOL(copy_to_host_async, cuMemcpyDtoHAsync_v2, (void *host, cuda_address address, size_t bytes, cuda_stream s))    \
  SYMBOL(stream_synchronize, cuStreamSynchronize, (cuda_stream stream))                                                \
  SYMBOL(stream_capturing, cuStreamIsCapturing, (cuda_stream stream, int *status))                                     \
  SYMBOL(launch, cuLaunchKernel,                                                                                       \
         (cuda_function function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,                 \
          unsigned block_y, unsigned block_z, unsigned shared_bytes, cuda_stream stream, void **parameters,            \
          void **extra))                                                                                               \
  SYMBOL(error_name, cuGetErrorName, (cuda_result error, const char **name))                                           \
  SYMBOL(error_string, cuGetErrorString, (cuda_result error, const char **text))

/* NULL where the driver is too old for it (before CUDA 12.0). */
#define HEDDLE_CUDA_OPTIONAL_SYMBOLS(SYMBOL)                                                                           \
  SYMBOL(tensor_map_encode, cuTensorMapEncodeTiled,                                                                    \
         (void *map, int type, uint32_t rank, void *address, const uint64_t *sizes, const uint64_t *strides,           \
          const uint32_t *box, const uint32_t *element_strides, int interleave, int swizzle, int promotion, int fill)) \
  SYMBOL(launch_configured, cuLaunchKernelEx,                                                                          \
         (const cuda_launch_config *config, cuda_function function, void **parameters, void **extra))

typedef struct {
#define SYMBOL(field, name, parameters) cuda_result(*field) parameters;
  HEDDLE_CUDA_SYMBOLS(SYMBOL)
  HEDDLE_CUDA_OPTIONAL_SYMBOLS(SYMBOL)
#undef SYMBOL
} cuda_driver;

#endif
