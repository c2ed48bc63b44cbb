/* cpu_image.h - shared objects in a pack: opened on first use, closed with the pack. */
#ifndef HEDDLE_RT_LIB_CPU_IMAGE_H
#define HEDDLE_RT_LIB_CPU_IMAGE_H

#include "pack.h"

/* Have the kernels of a CPU variant loaded; afterwards heddle_cpu_kernel_of gives each. */
heddle_status heddle_cpu_kernels_load(heddle_pack *pack, const heddle_variant_record *variant);

static inline heddle_cpu_kernel heddle_cpu_kernel_of(heddle_pack *pack, uint32_t kernel) {
  return atomic_load_explicit(&pack->cpu_kernels[kernel], memory_order_acquire);
}

void heddle_cpu_images_close(heddle_pack *pack);

#endif
