/* pack.h - a loaded pack. Everything in it was validated: whoever holds a heddle_pack may follow its indices, string
 * offsets and expressions without checking them again.
 */
#ifndef HEDDLE_RT_LIB_PACK_H
#define HEDDLE_RT_LIB_PACK_H

#include "heddle_rt/artifact.h"
#include "heddle_rt/heddle_rt.h"

#include <stdatomic.h>

typedef void (*heddle_cpu_kernel)(const int64_t *slots, int64_t x, int64_t y, int64_t z);
typedef struct heddle_cuda_modules heddle_cuda_modules;

enum { HEDDLE_CUDA_DEVICES = 64 }; /* devices of one process that can hold modules */

struct heddle_pack {
  unsigned char *bytes; /* our copy; strings and blobs point into it */
  uint64_t content_hash;
  const char *strings;
  const unsigned char *blobs;
  uint32_t string_bytes, blob_bytes;

  /* Tables in this runtime's layout: a record of an older pack is filled up with zeros. */
  uint32_t *code;
  heddle_entry_record *entries;
  heddle_param_record *params;
  heddle_variant_record *variants;
  heddle_buffer_record *buffers;
  heddle_node_record *nodes;
  heddle_slot_record *slots;
  heddle_kernel_record *kernels;
  heddle_image_record *images;
  heddle_tensor_map_record *tensor_maps;
  heddle_requirement_record *requirements;
  uint32_t code_count, entry_count, param_count, variant_count, buffer_count, node_count, slot_count, kernel_count,
      image_count, tensor_map_count, requirement_count;

  uint32_t *node_slots;    /* per node: its 64-bit slots once tensors are flattened */
  uint32_t *variant_slots; /* per variant: room for those of its nodes and their tensor maps, in 64-bit words */

  /* Filled on first use under the load lock (load_lock.h), read without it. */
  _Atomic(heddle_cpu_kernel) *cpu_kernels; /* per kernel */
  void **cpu_images;                       /* per image: dlopen handle */
  _Atomic(heddle_cuda_modules *) cuda[HEDDLE_CUDA_DEVICES];
};

/* Check every record, string, expression and cross reference; fill node_slots and variant_slots. */
heddle_status heddle_pack_validate(heddle_pack *pack);

static inline const char *heddle_pack_string(const heddle_pack *pack, uint32_t offset) {
  return pack->strings + offset;
}

/* A tensor argument takes an address, its sizes and its strides. */
static inline uint32_t heddle_tensor_slots(uint32_t rank) { return 1 + 2 * rank; }

/* A launch's parameters in 64-bit words: slots alone lie where the last launch ended; with tensor maps both the slots
 * and the maps behind them start at a multiple of 64 bytes, as the driver wants to write them. */
enum { HEDDLE_TENSOR_MAP_WORDS = 16 };
static inline uint64_t heddle_words_start(uint64_t end, uint32_t map_count) {
  return map_count ? (end + 7) / 8 * 8 : end;
}
static inline uint64_t heddle_words_count(uint32_t slot_count, uint32_t map_count) {
  return heddle_words_start(slot_count, map_count) + (uint64_t)HEDDLE_TENSOR_MAP_WORDS * map_count;
}

/* Whether the pack was made without the kernel. */
static inline int heddle_kernel_absent(const heddle_pack *pack, uint32_t kernel) {
  return pack->kernels[kernel].image_count == 0;
}

#endif
