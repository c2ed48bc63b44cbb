/* device_memory.h - just enough of the CUDA driver to have arrays on the first GPU: libcuda.so.1 by dlopen. A program
 * that has the CUDA runtime or a framework uses theirs instead; the runtime takes any device address.
 */
#ifndef HEDDLE_EXAMPLE_DEVICE_MEMORY_H
#define HEDDLE_EXAMPLE_DEVICE_MEMORY_H

#include <stddef.h>

/* 1, or 0 after a message on stderr. */
int device_open(void);
int device_write(void *device, const void *host, size_t bytes);
int device_read(void *host, const void *device, size_t bytes);

/* NULL after a message. Lives until the process ends. */
void *device_new(size_t bytes);

#endif
