/* device_memory.c - see device_memory.h. */
#include "device_memory.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int (*init)(unsigned), (*device_get)(int *, int), (*retain)(void **, int), (*set_current)(void *);
static int (*allocate)(unsigned long long *, size_t);
static int (*to_device)(unsigned long long, const void *, size_t), (*to_host)(void *, unsigned long long, size_t);

/* Copies an object pointer into a function pointer, which C99 cannot cast. */
static int look_up(void *library, const char *name, void *function) {
  void *address = dlsym(library, name);
  memcpy(function, &address, sizeof address);
  if (!address)
    fprintf(stderr, "expected %s in libcuda.so.1, got none\n", name);
  return address != NULL;
}

static int succeeded(int error, const char *what) {
  if (error)
    fprintf(stderr, "expected %s, got cuda error %d\n", what, error);
  return !error;
}

int device_open(void) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW), *context;
  int device;
  if (!library) {
    fprintf(stderr, "expected libcuda.so.1, got: %s\n", dlerror());
    return 0;
  }
  return look_up(library, "cuInit", &init) && look_up(library, "cuDeviceGet", &device_get) &&
         look_up(library, "cuDevicePrimaryCtxRetain", &retain) && look_up(library, "cuCtxSetCurrent", &set_current) &&
         look_up(library, "cuMemAlloc_v2", &allocate) && look_up(library, "cuMemcpyHtoD_v2", &to_device) &&
         look_up(library, "cuMemcpyDtoH_v2", &to_host) && succeeded(init(0), "a cuda driver") &&
         succeeded(device_get(&device, 0), "a cuda device") && succeeded(retain(&context, device), "its context") &&
         succeeded(set_current(context), "its context to become current");
}

void *device_new(size_t bytes) {
  unsigned long long address;
  return succeeded(allocate(&address, bytes), "device memory") ? (void *)(uintptr_t)address : NULL;
}

int device_write(void *device, const void *host, size_t bytes) {
  return succeeded(to_device((uintptr_t)device, host, bytes), "to copy to the device");
}

int device_read(void *host, const void *device, size_t bytes) {
  return succeeded(to_host(host, (uintptr_t)device, bytes), "to copy from the device");
}
