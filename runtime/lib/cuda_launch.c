/* cuda_launch.c - modules of a pack per device, and launches of their kernels. */
#include "cuda.h"

#include "error.h"
#include "load_lock.h"

#include <stdlib.h>
#include <string.h>

/* One pack on one device. Made and filled under the load lock. */
struct heddle_cuda_modules {
  const heddle_cuda_device_state *device;
  cuda_module *modules;              /* per image */
  _Atomic(cuda_function) *functions; /* per kernel */
};

static heddle_cuda_modules *modules_of(heddle_pack *pack, int32_t index) {
  return atomic_load_explicit(&pack->cuda[index], memory_order_acquire);
}

static cuda_function function_of(heddle_cuda_modules *modules, uint32_t kernel) {
  return modules ? atomic_load_explicit(&modules->functions[kernel], memory_order_acquire) : NULL;
}

/* Under the load lock. */
static heddle_cuda_modules *make_modules(heddle_pack *pack, int32_t index, const heddle_cuda_device_state *device) {
  heddle_cuda_modules *made = modules_of(pack, index);
  if (made)
    return made;
  made = calloc(1, sizeof *made);
  if (!made)
    return NULL;
  made->device = device;
  made->modules = calloc(pack->image_count + (size_t)1, sizeof *made->modules);
  made->functions = calloc(pack->kernel_count + (size_t)1, sizeof *made->functions);
  if (!made->modules || !made->functions) {
    free(made->modules);
    free((void *)made->functions);
    free(made);
    return NULL;
  }
  atomic_store_explicit(&pack->cuda[index], made, memory_order_release);
  return made;
}

/* The driver reads PTX up to a NUL and wants cubins aligned: give it a copy of our own. */
static cuda_result load_image(const cuda_driver *driver, heddle_pack *pack, uint32_t index, cuda_module *module) {
  const heddle_image_record *image = &pack->images[index];
  char *copy = malloc(image->bytes + 1);
  if (!copy)
    return 2; /* CUDA_ERROR_OUT_OF_MEMORY */
  memcpy(copy, pack->blobs + image->offset, image->bytes);
  copy[image->bytes] = 0;
  cuda_result error = driver->module_load(module, copy);
  free(copy);
  return error;
}

/* Whether another image of the same kernel may still do. */
static int refused_for_this_device(cuda_result error) {
  return error == CUDA_INVALID_IMAGE || error == CUDA_NO_BINARY_FOR_GPU || error == CUDA_INVALID_PTX ||
         error == CUDA_UNSUPPORTED_PTX_VERSION;
}

/* The first image of the kernel that the driver takes, loaded. */
static cuda_result find_module(const cuda_driver *driver, heddle_pack *pack, heddle_cuda_modules *modules,
                               const heddle_variant_record *variant, const heddle_kernel_record *kernel,
                               cuda_module *module) {
  heddle_machine machine = {
      .device = HEDDLE_DEVICE_CUDA, .capability = modules->device->capability, .driver = heddle_cuda_driver_version()};
  cuda_result error = CUDA_NO_BINARY_FOR_GPU;
  for (uint32_t i = 0; i < kernel->image_count; ++i) {
    uint32_t image = kernel->first_image + i;
    if (!heddle_image_fits(variant, &pack->images[image], &machine))
      continue;
    error = modules->modules[image] ? CUDA_OK : load_image(driver, pack, image, &modules->modules[image]);
    *module = modules->modules[image];
    if (error == CUDA_OK || !refused_for_this_device(error))
      return error;
    modules->modules[image] = NULL;
  }
  return error;
}

/* Under the load lock, in the device's context. */
static heddle_status load_kernel(heddle_pack *pack, heddle_cuda_modules *modules, const heddle_variant_record *variant,
                                 uint32_t index) {
  const cuda_driver *driver = heddle_cuda_driver();
  const heddle_kernel_record *kernel = &pack->kernels[index];
  const char *symbol = heddle_pack_string(pack, kernel->symbol);
  if (kernel->dynamic_shared_bytes > modules->device->max_shared)
    return heddle_fail(HEDDLE_UNSUPPORTED, "kernel %s: expected %u bytes of shared memory, got a device with %u",
                       symbol, kernel->dynamic_shared_bytes, modules->device->max_shared);
  cuda_module module = NULL;
  cuda_function function = NULL;
  cuda_result error = find_module(driver, pack, modules, variant, kernel, &module);
  if (error == CUDA_OK)
    error = driver->module_function(&function, module, symbol);
  /* Asking also makes a driver that loads lazily load now, and not inside a capture. */
  int most_threads = 0;
  if (error == CUDA_OK)
    error = driver->function_get(&most_threads, CUDA_FUNCTION_MAX_THREADS, function);
  if (error == CUDA_OK && kernel->dynamic_shared_bytes)
    error = driver->function_set(function, CUDA_FUNCTION_MAX_DYNAMIC_SHARED, (int)kernel->dynamic_shared_bytes);
  if (error != CUDA_OK)
    return heddle_fail_in(heddle_cuda_fail(error, "an image that the driver takes"), "kernel %s", symbol);
  uint32_t threads = kernel->threads[0] * kernel->threads[1] * kernel->threads[2];
  if ((uint32_t)most_threads < threads)
    return heddle_fail(HEDDLE_UNSUPPORTED, "kernel %s: expected room for %u threads a block, got %d on this device",
                       symbol, threads, most_threads);
  atomic_store_explicit(&modules->functions[index], function, memory_order_release);
  return HEDDLE_OK;
}

heddle_status heddle_cuda_kernels_load(heddle_pack *pack, int32_t index, const heddle_cuda_device_state *device,
                                       const heddle_variant_record *variant) {
  for (uint32_t i = 0; i < variant->node_count; ++i) {
    uint32_t kernel = pack->nodes[variant->first_node + i].kernel;
    if (heddle_kernel_absent(pack, kernel) || function_of(modules_of(pack, index), kernel))
      continue;
    heddle_load_lock();
    heddle_cuda_modules *modules = make_modules(pack, index, device);
    heddle_status status = HEDDLE_OK;
    if (!modules)
      status = heddle_fail(HEDDLE_SYSTEM, "expected memory for modules, got none");
    else if (!function_of(modules, kernel))
      status = load_kernel(pack, modules, variant, kernel);
    heddle_load_unlock();
    if (status != HEDDLE_OK)
      return status;
  }
  return HEDDLE_OK;
}

heddle_status heddle_cuda_zero(uint64_t address, uint64_t bytes, void *stream) {
  cuda_result error = heddle_cuda_driver()->memset_async(address, 0, bytes, stream);
  return error == CUDA_OK ? HEDDLE_OK : heddle_cuda_fail(error, "to zero the workspace");
}

/* Each parameter by its address: the slots, then the tensor maps. */
static void **list_parameters(const heddle_launch *launch, uint32_t map_count, void **addresses) {
  int64_t *map = launch->slots + heddle_words_start(launch->slot_count, map_count);
  for (uint32_t i = 0; i < launch->slot_count; ++i)
    addresses[i] = &launch->slots[i];
  for (uint32_t i = 0; i < map_count; ++i)
    addresses[launch->slot_count + i] = map + i * HEDDLE_TENSOR_MAP_WORDS;
  return addresses;
}

/* Captures know overlapping launches since CUDA 12.3. */
static int may_overlap(const heddle_kernel_record *kernel) {
  return kernel->waits && heddle_cuda_driver()->launch_configured && heddle_cuda_driver_version() >= 12030;
}

static cuda_result launch_overlapping(cuda_function function, const heddle_launch *launch,
                                      const heddle_kernel_record *kernel, void *stream, void **listed, void **extra) {
  cuda_launch_attribute overlaps = {.id = CUDA_LAUNCH_OVERLAPS, .value.allowed = 1};
  cuda_launch_config config = {
      .shared_bytes = kernel->dynamic_shared_bytes, .stream = stream, .attributes = &overlaps, .attribute_count = 1};
  for (int axis = 0; axis < 3; ++axis) {
    config.grid[axis] = (unsigned)launch->grid[axis];
    config.block[axis] = kernel->threads[axis];
  }
  return heddle_cuda_driver()->launch_configured(&config, function, listed, extra);
}

heddle_status heddle_cuda_launch(heddle_pack *pack, int32_t index, const heddle_launch *launch, void *stream) {
  const heddle_kernel_record *kernel = &pack->kernels[launch->kernel];
  size_t bytes = launch->slot_count * sizeof *launch->slots;
  void *buffer[] = {CUDA_LAUNCH_BUFFER_POINTER, launch->slots, CUDA_LAUNCH_BUFFER_SIZE, &bytes, CUDA_LAUNCH_END};
  void *addresses[HEDDLE_MAX_MAPPED_SLOTS];
  void **listed = NULL;
  if (kernel->tensor_map_count)
    listed = list_parameters(launch, kernel->tensor_map_count, addresses);
  cuda_function function = function_of(modules_of(pack, index), launch->kernel);
  void **extra = listed ? NULL : buffer;
  cuda_result error =
      may_overlap(kernel)
          ? launch_overlapping(function, launch, kernel, stream, listed, extra)
          : heddle_cuda_driver()->launch(function, (unsigned)launch->grid[0], (unsigned)launch->grid[1],
                                         (unsigned)launch->grid[2], kernel->threads[0], kernel->threads[1],
                                         kernel->threads[2], kernel->dynamic_shared_bytes, stream, listed, extra);
  if (error == CUDA_OK)
    return HEDDLE_OK;
  return heddle_fail_in(heddle_cuda_fail(error, "a launch"), "kernel %s", heddle_pack_string(pack, kernel->symbol));
}

heddle_status heddle_cuda_read(void *host, uint64_t address, uint64_t bytes, void *stream) {
  cuda_result error = CUDA_OK;
  if (bytes)
    error = heddle_cuda_driver()->copy_to_host_async(host, address, bytes, stream);
  if (error == CUDA_OK)
    error = heddle_cuda_driver()->stream_synchronize(stream);
  return error == CUDA_OK ? HEDDLE_OK : heddle_cuda_fail(error, "the stream to finish");
}

int heddle_cuda_capturing(void *stream) {
  int status = CUDA_CAPTURE_NONE;
  return heddle_cuda_driver()->stream_capturing(stream, &status) != CUDA_OK || status != CUDA_CAPTURE_NONE;
}

void heddle_cuda_unload(heddle_pack *pack) {
  for (int32_t index = 0; index < HEDDLE_CUDA_DEVICES; ++index) {
    heddle_cuda_modules *modules = modules_of(pack, index);
    if (!modules)
      continue;
    int pushed; /* errors mean that the driver is going down with the process: nothing is left to unload */
    if (heddle_cuda_enter(modules->device, &pushed) == HEDDLE_OK) {
      for (uint32_t i = 0; i < pack->image_count; ++i)
        if (modules->modules[i])
          heddle_cuda_driver()->module_unload(modules->modules[i]);
      heddle_cuda_leave(pushed);
    }
    free(modules->modules);
    free((void *)modules->functions);
    free(modules);
  }
}
