/* cuda_driver.c - libcuda.so.1, opened on first use, and the devices it has. */
#include "cuda.h"

#include "error.h"
#include "load_lock.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Written under the load lock; read without it once the state says so. */
enum { UNTRIED, READY, FAILED };
static _Atomic int driver_state;
static cuda_driver driver;
static uint32_t version;
static int device_count;
static pid_t initialised_by;
static char failure[256]; /* why there is no driver: said again on every call */
static heddle_cuda_device_state devices[HEDDLE_CUDA_DEVICES];
static _Atomic int device_ready[HEDDLE_CUDA_DEVICES];

heddle_status heddle_cuda_fail(cuda_result error, const char *what) {
  const char *name = NULL, *text = NULL;
  if (driver.error_name)
    driver.error_name(error, &name);
  if (driver.error_string)
    driver.error_string(error, &text);
  return heddle_fail(HEDDLE_DRIVER, "expected %s, got cuda error %d: %s (%s)%s", what, error, name ? name : "unknown",
                     text ? text : "no text",
                     initialised_by != getpid() ? "; cuda does not survive the fork that made this process" : "");
}

static int open_symbols(void) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    snprintf(failure, sizeof failure, "expected libcuda.so.1, got: %s", dlerror());
    return 0;
  }
  /* An object pointer becomes a function pointer by its bytes; the library stays open for good. */
  void *address;
#define SYMBOL(field, name, parameters)                                                                                \
  address = dlsym(library, #name);                                                                                     \
  if (!address) {                                                                                                      \
    snprintf(failure, sizeof failure, "expected " #name " in libcuda.so.1, got none: the driver is too old");          \
    dlclose(library);                                                                                                  \
    return 0;                                                                                                          \
  }                                                                                                                    \
  memcpy(&driver.field, &address, sizeof address);
  HEDDLE_CUDA_SYMBOLS(SYMBOL)
#undef SYMBOL
#define SYMBOL(field, name, parameters)                                                                                \
  address = dlsym(library, #name);                                                                                     \
  memcpy(&driver.field, &address, sizeof address);
  HEDDLE_CUDA_OPTIONAL_SYMBOLS(SYMBOL)
#undef SYMBOL
  return 1;
}

static int initialise(void) {
  if (!open_symbols())
    return 0;
  initialised_by = getpid();
  int found = 0;
  cuda_result error = driver.init(0);
  if (error == CUDA_OK)
    error = driver.driver_version(&found);
  if (error == CUDA_OK)
    error = driver.device_count(&device_count);
  if (error != CUDA_OK) {
    heddle_cuda_fail(error, "a working cuda driver");
    snprintf(failure, sizeof failure, "%.255s", heddle_last_error());
    return 0;
  }
  version = (uint32_t)found;
  return 1;
}

const cuda_driver *heddle_cuda_driver(void) {
  int state = atomic_load_explicit(&driver_state, memory_order_acquire);
  if (state == UNTRIED) {
    heddle_load_lock();
    state = atomic_load_explicit(&driver_state, memory_order_acquire);
    if (state == UNTRIED) {
      state = initialise() ? READY : FAILED;
      atomic_store_explicit(&driver_state, state, memory_order_release);
    }
    heddle_load_unlock();
  }
  if (state == READY)
    return &driver;
  heddle_fail(HEDDLE_DRIVER, "%s", failure);
  return NULL;
}

uint32_t heddle_cuda_driver_version(void) { return version; }

int heddle_cuda_available(void) { return heddle_cuda_driver() && device_count > 0; }

static heddle_status open_device(int32_t index, heddle_cuda_device_state *device) {
  cuda_ordinal ordinal;
  int major = 0, minor = 0, multiprocessors = 0, shared = 0;
  cuda_result error = driver.device_get(&ordinal, index);
  if (error == CUDA_OK)
    error = driver.device_attribute(&major, CUDA_CAPABILITY_MAJOR, ordinal);
  if (error == CUDA_OK)
    error = driver.device_attribute(&minor, CUDA_CAPABILITY_MINOR, ordinal);
  if (error == CUDA_OK)
    error = driver.device_attribute(&multiprocessors, CUDA_MULTIPROCESSORS, ordinal);
  if (error == CUDA_OK)
    error = driver.device_attribute(&shared, CUDA_MAX_SHARED_OPTIN, ordinal);
  if (error == CUDA_OK)
    error = driver.primary_retain(&device->context, ordinal);
  if (error != CUDA_OK)
    return heddle_cuda_fail(error, "a cuda device and its primary context");
  device->capability = (uint32_t)(major * 10 + minor);
  device->multiprocessors = (uint32_t)multiprocessors;
  device->max_shared = (uint32_t)shared;
  return HEDDLE_OK;
}

const heddle_cuda_device_state *heddle_cuda_device_open(int32_t index, heddle_status *status) {
  *status = HEDDLE_DRIVER;
  if (!heddle_cuda_driver())
    return NULL;
  int count = device_count < HEDDLE_CUDA_DEVICES ? device_count : HEDDLE_CUDA_DEVICES;
  if (index < 0 || index >= count) {
    *status = heddle_fail(HEDDLE_BAD_ARGUMENT, "expected a cuda device below %d, got %d", count, index);
    return NULL;
  }
  *status = HEDDLE_OK;
  if (!atomic_load_explicit(&device_ready[index], memory_order_acquire)) {
    heddle_load_lock();
    if (!atomic_load_explicit(&device_ready[index], memory_order_acquire)) {
      *status = open_device(index, &devices[index]);
      if (*status == HEDDLE_OK)
        atomic_store_explicit(&device_ready[index], 1, memory_order_release);
    }
    heddle_load_unlock();
  }
  return *status == HEDDLE_OK ? &devices[index] : NULL;
}

heddle_status heddle_cuda_device(int32_t index, uint32_t *capability, uint32_t *multiprocessors) {
  heddle_status status;
  const heddle_cuda_device_state *device = heddle_cuda_device_open(index, &status);
  if (!device)
    return status;
  if (capability)
    *capability = device->capability;
  if (multiprocessors)
    *multiprocessors = device->multiprocessors;
  return HEDDLE_OK;
}

heddle_status heddle_cuda_enter(const heddle_cuda_device_state *device, int *pushed) {
  cuda_context current = NULL;
  *pushed = 0;
  if (driver.context_current(&current) == CUDA_OK && current == device->context)
    return HEDDLE_OK;
  cuda_result error = driver.context_push(device->context);
  if (error != CUDA_OK)
    return heddle_cuda_fail(error, "the device's context to become current");
  *pushed = 1;
  return HEDDLE_OK;
}

void heddle_cuda_leave(int pushed) {
  cuda_context ours;
  if (pushed)
    driver.context_pop(&ours);
}
