/* cuda.h - the CUDA side: cuda_driver.c opens it and knows devices, cuda_launch.c holds modules and launches,
 * cuda_tensor_map.c makes tensor maps. */
#ifndef HEDDLE_RT_LIB_CUDA_H
#define HEDDLE_RT_LIB_CUDA_H

#include "cuda_symbols.h"
#include "plan.h"

typedef struct {
  uint32_t capability, multiprocessors, max_shared;
  cuda_context context; /* the primary context, retained for the life of the process */
} heddle_cuda_device_state;

/* The driver, opened and initialised once; NULL with a message when there is none. */
const cuda_driver *heddle_cuda_driver(void);
uint32_t heddle_cuda_driver_version(void); /* after heddle_cuda_driver */

/* A device, its context retained on first use; NULL with a message (status in *status). */
const heddle_cuda_device_state *heddle_cuda_device_open(int32_t index, heddle_status *status);

/* "expected <what>, got CUDA_ERROR_... (text)" */
heddle_status heddle_cuda_fail(cuda_result error, const char *what);

/* Make the device's primary context current for this thread, and undo it. */
heddle_status heddle_cuda_enter(const heddle_cuda_device_state *device, int *pushed);
void heddle_cuda_leave(int pushed);

/* Have the variant's kernels loaded on that device. In its context. */
heddle_status heddle_cuda_kernels_load(heddle_pack *pack, int32_t index, const heddle_cuda_device_state *device,
                                       const heddle_variant_record *variant);

heddle_status heddle_cuda_zero(uint64_t address, uint64_t bytes, void *stream);
/* Make the tensor maps of all launches, each behind its launch's slots. */
heddle_status heddle_cuda_tensor_maps(const heddle_pack *pack, const heddle_launch *launches, uint32_t count);
heddle_status heddle_cuda_launch(heddle_pack *pack, int32_t index, const heddle_launch *launch, void *stream);
/* Wait for the stream, then read; 0 bytes: only wait. */
heddle_status heddle_cuda_read(void *host, uint64_t address, uint64_t bytes, void *stream);
int heddle_cuda_capturing(void *stream);

/* Unload the pack's modules on all devices. */
void heddle_cuda_unload(heddle_pack *pack);

#endif
