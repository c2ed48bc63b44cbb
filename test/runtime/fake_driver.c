/* fake_driver.c - see fake_driver.h. Built as libcuda.so.1, once WITHOUT_TENSOR_MAPS as drivers before 12.0 are. */
#include "fake_driver.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define API __attribute__((visibility("default")))
enum { INVALID_VALUE = 1, INVALID_CONTEXT = 201, NO_BINARY = 209, NOT_FOUND = 500, LAUNCH_FAILED = 719, LOST = 4 };

API fake_driver_state fake_driver = {.driver_version = 13000, .capability = {90, 80}, .most_threads = 1024};

/* For callers that do not know the structure (Python). */
API void fake_driver_raise(uint32_t word) { fake_driver.raise = word; }

typedef struct {
  char image[32];
  int device, used;
} module;
typedef struct {
  char name[32];
  int opted_in;
} function;
static module modules[64];
static function functions[64];
static int function_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int contexts[2]; /* their addresses are the handles */
static __thread int *stack[8];
static __thread int depth;

static int current_device(void) { return depth ? (int)(stack[depth - 1] - contexts) : -1; }

API int cuInit(unsigned flags) { return ++fake_driver.inits, (int)flags; }
API int cuDriverGetVersion(int *version) { return *version = fake_driver.driver_version, 0; }
API int cuDeviceGetCount(int *count) { return *count = 2, 0; }
API int cuDeviceGet(int *device, int index) { return *device = index + 100, 0; }
API int cuDeviceGetAttribute(int *value, int attribute, int device) {
  int capability = fake_driver.capability[device - 100];
  *value = attribute == 16   ? 132 - (device - 100)
           : attribute == 75 ? capability / 10
           : attribute == 76 ? capability % 10
           : attribute == 97 ? 200000
                             : -1;
  return *value < 0 ? INVALID_VALUE : 0;
}
API int cuDevicePrimaryCtxRetain(void **context, int device) { return *context = &contexts[device - 100], 0; }
API int cuCtxGetCurrent(void **context) { return *context = depth ? stack[depth - 1] : NULL, 0; }
API int cuCtxPushCurrent_v2(void *context) {
  stack[depth++] = context;
  fake_driver.depth = depth;
  return ++fake_driver.pushes, 0;
}
API int cuCtxPopCurrent_v2(void **context) {
  *context = stack[--depth];
  fake_driver.depth = depth;
  return ++fake_driver.pops, 0;
}

API int cuModuleLoadData(void **result, const void *image) {
  if (current_device() < 0)
    return INVALID_CONTEXT;
  if (fake_driver.refuse_cubins && strncmp(image, "CUBIN", 5) == 0)
    return NO_BINARY;
  pthread_mutex_lock(&lock);
  module *made = &modules[fake_driver.loads++];
  pthread_mutex_unlock(&lock);
  snprintf(made->image, sizeof made->image, "%s", (const char *)image); /* ends in NUL, as PTX must */
  made->device = current_device();
  made->used = 1;
  return *result = made, 0;
}
API int cuModuleUnload(void *handle) {
  module *unloaded = handle;
  if (!unloaded->used || unloaded->device != current_device())
    return INVALID_CONTEXT;
  unloaded->used = 0;
  return ++fake_driver.unloads, 0;
}
API int cuModuleGetFunction(void **result, void *handle, const char *name) {
  module *from = handle;
  const char *space = strchr(from->image, ' ');
  if (!space || strcmp(space + 1, name) != 0)
    return NOT_FOUND;
  function *made = &functions[function_count++];
  snprintf(made->name, sizeof made->name, "%s %.*s %d", name, (int)(space - from->image), from->image, from->device);
  return *result = made, 0;
}
API int cuFuncSetAttribute(void *handle, int attribute, int value) {
  return attribute == 8 ? (((function *)handle)->opted_in = value, 0) : INVALID_VALUE;
}

API int cuFuncGetAttribute(int *value, int attribute, void *handle) {
  (void)handle;
  *value = fake_driver.most_threads;
  return attribute ? INVALID_VALUE : 0;
}

API int cuMemsetD8Async(unsigned long long address, unsigned char value, size_t bytes, void *stream) {
  (void)stream;
  fake_driver.zeroed_address = address;
  fake_driver.zeroed_bytes += bytes;
  memset((void *)(uintptr_t)address, value, bytes);
  return 0;
}
API int cuMemcpyDtoHAsync_v2(void *host, unsigned long long address, size_t bytes, void *stream) {
  (void)stream;
  memcpy(host, (void *)(uintptr_t)address, bytes);
  return 0;
}
API int cuStreamSynchronize(void *stream) {
  (void)stream;
  return ++fake_driver.synchronisations, 0;
}
API int cuStreamIsCapturing(void *stream, int *status) {
  (void)stream;
  return *status = fake_driver.capturing, 0;
}

#ifndef WITHOUT_TENSOR_MAPS
/* Refuses what the driver's documentation says it does. */
API int cuTensorMapEncodeTiled(void *map, int type, uint32_t rank, void *address, const uint64_t *sizes,
                               const uint64_t *strides, const uint32_t *box, const uint32_t *element_strides,
                               int interleave, int swizzle, int promotion, int fill) {
  if ((uintptr_t)map % 64 || !address || (uintptr_t)address % 16 || rank < 3 - (interleave == 0) || rank > 5)
    return INVALID_VALUE;
  for (uint32_t i = 0; i < rank; ++i)
    if (sizes[i] < 1 || sizes[i] > (uint64_t)1 << 32 || box[i] < 1 || box[i] > 256 || element_strides[i] < 1 ||
        element_strides[i] > 8 || (i && (strides[i - 1] % 16 || strides[i - 1] >> 40)))
      return INVALID_VALUE;
  pthread_mutex_lock(&lock);
  memset(map, 0x40 + fake_driver.map_count, 128);
  fake_map *seen = &fake_driver.maps[fake_driver.map_count++ % 16];
  *seen = (fake_map){.type = type,
                     .interleave = interleave,
                     .swizzle = swizzle,
                     .promotion = promotion,
                     .fill = fill,
                     .rank = rank,
                     .address = (uintptr_t)address};
  memcpy(seen->sizes, sizes, rank * sizeof *sizes);
  memcpy(seen->strides, strides, (rank - 1) * sizeof *strides);
  memcpy(seen->box, box, rank * sizeof *box);
  memcpy(seen->element_strides, element_strides, rank * sizeof *element_strides);
  pthread_mutex_unlock(&lock);
  return 0;
}
#endif

static int launch(function *launched, const unsigned *grid, const unsigned *block, unsigned shared, void *stream,
                  int overlaps, void **parameters, void **extra) {
  if (fake_driver.fail_launch)
    return LAUNCH_FAILED;
  if (!parameters == !extra || (extra && (extra[0] != (void *)1 || extra[2] != (void *)2 || extra[4] != NULL)))
    return INVALID_VALUE;
  if (launched->name[strlen(launched->name) - 1] - '0' != current_device())
    return INVALID_CONTEXT;
  pthread_mutex_lock(&lock);
  fake_launch *seen = &fake_driver.launches[fake_driver.launch_count++ % 16];
  *seen = (fake_launch){.grid = {grid[0], grid[1], grid[2]},
                        .block = {block[0], block[1], block[2]},
                        .shared = shared,
                        .stream = stream,
                        .slot_count = extra ? *(size_t *)extra[3] / 8 : fake_driver.listed_slots,
                        .listed = !extra,
                        .overlaps = overlaps,
                        .opted_in = launched->opted_in};
  memcpy(seen->function, launched->name, sizeof seen->function);
  if (extra)
    memcpy(seen->slots, extra[1], *(size_t *)extra[3]);
  for (size_t i = 0; !extra && i < fake_driver.listed_slots; ++i)
    memcpy(&seen->slots[i], parameters[i], 8);
  for (size_t i = 0; !extra && i < fake_driver.listed_maps; ++i)
    memcpy(seen->maps[i], parameters[fake_driver.listed_slots + i], 128);
  if (strncmp(seen->function, "second", 6) == 0 && fake_driver.raise)
    memcpy((void *)(uintptr_t)seen->slots[0], &fake_driver.raise, 4);
  pthread_mutex_unlock(&lock);
  return 0;
}

API int cuLaunchKernel(void *handle, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                       unsigned shared, void *stream, void **parameters, void **extra) {
  const unsigned grid[] = {gx, gy, gz}, block[] = {bx, by, bz};
  return launch(handle, grid, block, shared, stream, 0, parameters, extra);
}

#ifndef WITHOUT_TENSOR_MAPS
typedef struct {
  int id, padding;
  char value[64];
} launch_attribute;
typedef struct {
  unsigned grid[3], block[3], shared;
  void *stream;
  launch_attribute *attributes;
  unsigned attribute_count;
} launch_config;

/* Knows programmatic stream serialization only. */
API int cuLaunchKernelEx(const launch_config *config, void *handle, void **parameters, void **extra) {
  int allowed = 0;
  if (config->attribute_count != 1 || config->attributes->id != 6)
    return INVALID_VALUE;
  memcpy(&allowed, config->attributes->value, sizeof allowed);
  return launch(handle, config->grid, config->block, config->shared, config->stream, allowed, parameters, extra);
}
#endif

API int cuGetErrorName(int error, const char **name) {
  *name = error == LAUNCH_FAILED ? "CUDA_ERROR_LAUNCH_FAILED"
          : error == NO_BINARY   ? "CUDA_ERROR_NO_BINARY_FOR_GPU"
                                 : "?";
  return 0;
}
API int cuGetErrorString(int error, const char **text) { return *text = error ? "as the test asked" : "no error", 0; }
