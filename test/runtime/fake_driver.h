/* fake_driver.h - what fake_driver.c, a libcuda.so.1 without a GPU, lets a test see and set. Device memory is host
 * memory; launches are recorded, not run. Found with dlsym as `fake_driver`.
 */
#ifndef HEDDLE_TEST_RUNTIME_FAKE_DRIVER_H
#define HEDDLE_TEST_RUNTIME_FAKE_DRIVER_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  char function[32]; /* symbol, the first word of its image, device: "first CUBIN 0" */
  unsigned grid[3], block[3], shared;
  void *stream;
  size_t slot_count;
  int64_t slots[32];
  int opted_in; /* bytes of dynamic shared memory the function was allowed */
  int listed;   /* parameters came one by one: slots, then maps */
  int overlaps; /* allowed to start before the launch before it is done */
  unsigned char maps[4][128];
} fake_launch;

/* What cuTensorMapEncodeTiled was asked for. The map itself is 128 bytes of 0x40 and the number of the call. */
typedef struct {
  int type, interleave, swizzle, promotion, fill;
  uint32_t rank, box[5], element_strides[5];
  uint64_t address, sizes[5], strides[4];
} fake_map;

typedef struct {
  /* Set by the test. */
  int driver_version, capability[2]; /* two devices */
  int refuse_cubins;                 /* with CUDA_ERROR_NO_BINARY_FOR_GPU */
  int fail_launch, capturing, most_threads;
  size_t listed_slots, listed_maps; /* parameters of a launch that passes each by its address */
  uint32_t raise;                   /* what a launch of "second" leaves in its status word */
  /* Seen by the test. */
  int inits, loads, unloads, pushes, pops, synchronisations, depth;
  size_t zeroed_bytes;
  unsigned long long zeroed_address;
  int map_count;
  fake_map maps[16];
  int launch_count;
  fake_launch launches[16];
} fake_driver_state;

#endif
