/* cuda_tensor_map.c - the tensor maps of a call, from the memrefs among its launches' slots.
 *
 * The driver counts dimensions from the innermost and strides in bytes. Its conditions (an address and strides that are
 * multiples of 16, strides below 2^40) are the business of the variant's guard: what it still refuses is an error that
 * shows the memref, before anything was zeroed or launched.
 */
#include "arguments.h"
#include "cuda.h"
#include "error.h"

#include <stdio.h>

/* Where an empty memref's map points, whose own address may be anything. Nothing is read there: all is outside. */
static void *const nowhere = (void *)4096;

static int map_type(uint32_t dtype) {
  return dtype == HEDDLE_F32 ? CUDA_MAP_F32 : dtype == HEDDLE_F16 ? CUDA_MAP_F16 : CUDA_MAP_BF16;
}

static int map_swizzle(uint32_t bytes) {
  return bytes == 128  ? CUDA_MAP_SWIZZLE_128
         : bytes == 64 ? CUDA_MAP_SWIZZLE_64
         : bytes == 32 ? CUDA_MAP_SWIZZLE_32
                       : CUDA_MAP_SWIZZLE_NONE;
}

static cuda_result encode(const heddle_tensor_map_record *map, const int64_t *memref, void *result) {
  static const uint32_t every_element[HEDDLE_MAX_TENSOR_MAP_RANK] = {1, 1, 1, 1, 1};
  uint64_t sizes[HEDDLE_MAX_TENSOR_MAP_RANK], strides[HEDDLE_MAX_TENSOR_MAP_RANK];
  uint32_t box[HEDDLE_MAX_TENSOR_MAP_RANK], rank = map->rank, bytes = heddle_dtype_bytes(map->dtype);
  int empty = 0;
  for (uint32_t i = 0; i < rank; ++i) {
    int64_t size = memref[rank - i];
    empty |= size < 1;
    sizes[i] = size < 1 ? 1 : (uint64_t)size;
    box[i] = map->box[rank - 1 - i];
  }
  /* The stride of a dimension with one position means nothing, and may be one that the driver refuses. */
  uint64_t row = (sizes[0] * bytes + 15) / 16 * 16;
  for (uint32_t i = 1; i < rank; ++i)
    strides[i - 1] = empty || sizes[i] == 1 ? row : (uint64_t)memref[2 * rank - i] * bytes;
  return heddle_cuda_driver()->tensor_map_encode(
      result, map_type(map->dtype), rank, empty ? nowhere : (void *)(uintptr_t)memref[0], sizes, strides, box,
      every_element, CUDA_MAP_NOT_INTERLEAVED, map_swizzle(map->swizzle), CUDA_MAP_PROMOTE_256, CUDA_MAP_FILL_ZERO);
}

/* " 2 8 100 64" */
static void list(char *text, size_t size, const int64_t *values, uint32_t count) {
  size_t used = 0;
  *text = 0;
  for (uint32_t i = 0; i < count && used < size; ++i)
    used += (size_t)snprintf(text + used, size - used, " %lld", (long long)values[i]);
}

static heddle_status refused(cuda_result error, const heddle_tensor_map_record *map, const int64_t *memref) {
  char sizes[112], strides[112], what[320];
  list(sizes, sizeof sizes, memref + 1, map->rank);
  list(strides, sizeof strides, memref + 1 + map->rank, map->rank);
  snprintf(what, sizeof what, "a tensor map of argument %u at 0x%llx with sizes%s and strides%s", map->argument,
           (unsigned long long)memref[0], sizes, strides);
  return heddle_cuda_fail(error, what);
}

heddle_status heddle_cuda_tensor_maps(const heddle_pack *pack, const heddle_launch *launches, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const heddle_launch *launch = &launches[i];
    const heddle_kernel_record *kernel = &pack->kernels[launch->kernel];
    int64_t *result = launch->slots + heddle_words_start(launch->slot_count, kernel->tensor_map_count);
    for (uint32_t j = 0; j < kernel->tensor_map_count; ++j, result += HEDDLE_TENSOR_MAP_WORDS) {
      const heddle_tensor_map_record *map = &pack->tensor_maps[kernel->first_tensor_map + j];
      const int64_t *memref = launch->slots + map->first_slot;
      cuda_result error = encode(map, memref, result);
      if (error != CUDA_OK)
        return heddle_fail_in(refused(error, map, memref), "kernel %s", heddle_pack_string(pack, kernel->symbol));
    }
  }
  return HEDDLE_OK;
}
