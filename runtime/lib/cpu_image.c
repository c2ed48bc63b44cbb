/* cpu_image.c - a shared object from memory: an anonymous file handed to dlopen by its /proc name, or where that is
 * forbidden a temporary file.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include "cpu_image.h"

#include "error.h"
#include "load_lock.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010u
#endif

static heddle_status check_elf(const unsigned char *bytes, uint64_t size) {
#if defined(__x86_64__)
  const unsigned machine = EM_X86_64;
#elif defined(__aarch64__)
  const unsigned machine = EM_AARCH64;
#else
  const unsigned machine = EM_NONE;
#endif
  Elf64_Ehdr header;
  if (size < sizeof header || memcmp(bytes, ELFMAG, SELFMAG) != 0)
    return heddle_fail(HEDDLE_BAD_PACK, "expected a shared object, got an image without an ELF header");
  memcpy(&header, bytes, sizeof header);
  if (header.e_machine != machine || header.e_type != ET_DYN)
    return heddle_fail(HEDDLE_UNSUPPORTED, "expected a shared object for machine %u, got type %u for machine %u",
                       machine, header.e_type, header.e_machine);
  return HEDDLE_OK;
}

static int write_all(int file, const unsigned char *bytes, uint64_t size) {
  while (size) {
    ssize_t written = write(file, bytes, size < (1u << 30) ? size : (1u << 30));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return 0;
    bytes += written;
    size -= (uint64_t)written;
  }
  return 1;
}

/* dlopen takes a name that it has seen for the library it opened then, but descriptors are reused once closed. So each
 * name is spelled differently, with the bits of a fresh number as "/." or "/" (which mean nothing in a path). */
static void unique_path(int file, char *path, size_t capacity) {
  static uint64_t opened;
  uint64_t key = ((uint64_t)(uintptr_t)&opened ^ ++opened * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
  int used = snprintf(path, capacity, "/proc/self/fd");
  for (int i = 0; i < 64; ++i)
    used += snprintf(path + used, capacity - (size_t)used, "%s", key >> i & 1 ? "/." : "/");
  snprintf(path + used, capacity - (size_t)used, "/%d", file);
}

static void *open_anonymous(const unsigned char *bytes, uint64_t size) {
  int file = memfd_create("heddle-kernels", MFD_CLOEXEC | MFD_EXEC);
  if (file < 0 && errno == EINVAL) /* before Linux 6.3 */
    file = memfd_create("heddle-kernels", MFD_CLOEXEC);
  if (file < 0)
    return NULL;
  void *library = NULL;
  if (write_all(file, bytes, size)) {
    char path[256];
    unique_path(file, path, sizeof path);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  }
  close(file);
  return library;
}

static void *open_temporary(const unsigned char *bytes, uint64_t size) {
  const char *folder = getenv("TMPDIR");
  char path[4096];
  if ((size_t)snprintf(path, sizeof path, "%s/heddle-XXXXXX", folder && *folder ? folder : "/tmp") >= sizeof path)
    return NULL;
  int file = mkostemp(path, 02000000 /* O_CLOEXEC */);
  if (file < 0)
    return NULL;
  int written = write_all(file, bytes, size);
  close(file);
  void *library = written ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  unlink(path);
  return library;
}

/* Under the load lock. */
static heddle_status open_image(heddle_pack *pack, uint32_t index) {
  if (pack->cpu_images[index])
    return HEDDLE_OK;
  const heddle_image_record *image = &pack->images[index];
  const unsigned char *bytes = pack->blobs + image->offset;
  heddle_status status = check_elf(bytes, image->bytes);
  if (status != HEDDLE_OK)
    return status;
  void *library = open_anonymous(bytes, image->bytes);
  if (!library)
    library = open_temporary(bytes, image->bytes);
  if (!library) {
    const char *reason = dlerror();
    return heddle_fail(HEDDLE_SYSTEM, "expected to load a shared object, got: %s", reason ? reason : strerror(errno));
  }
  pack->cpu_images[index] = library;
  return HEDDLE_OK;
}

/* Under the load lock. */
static heddle_status load_kernel(heddle_pack *pack, uint32_t index) {
  const heddle_kernel_record *kernel = &pack->kernels[index];
  const char *symbol = heddle_pack_string(pack, kernel->symbol);
  heddle_status status = open_image(pack, kernel->first_image);
  if (status != HEDDLE_OK)
    return heddle_fail_in(status, "kernel %s", symbol);
  union { /* dlsym gives an object pointer */
    void *object;
    heddle_cpu_kernel function;
  } address;
  address.object = dlsym(pack->cpu_images[kernel->first_image], symbol);
  if (!address.object)
    return heddle_fail(HEDDLE_BAD_PACK, "expected the symbol '%s' in its shared object, got none", symbol);
  atomic_store_explicit(&pack->cpu_kernels[index], address.function, memory_order_release);
  return HEDDLE_OK;
}

heddle_status heddle_cpu_kernels_load(heddle_pack *pack, const heddle_variant_record *variant) {
  for (uint32_t i = 0; i < variant->node_count; ++i) {
    uint32_t kernel = pack->nodes[variant->first_node + i].kernel;
    if (heddle_kernel_absent(pack, kernel) || heddle_cpu_kernel_of(pack, kernel))
      continue;
    heddle_load_lock();
    heddle_status status = heddle_cpu_kernel_of(pack, kernel) ? HEDDLE_OK : load_kernel(pack, kernel);
    heddle_load_unlock();
    if (status != HEDDLE_OK)
      return status;
  }
  return HEDDLE_OK;
}

void heddle_cpu_images_close(heddle_pack *pack) {
  for (uint32_t i = 0; i < pack->image_count; ++i)
    if (pack->cpu_images[i])
      dlclose(pack->cpu_images[i]);
}
