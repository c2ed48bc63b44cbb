/* tensor_maps.c - the tensor maps of a launch: what the driver is asked for, and that the kernel gets them behind its
 * slots. LD_LIBRARY_PATH holds the fake driver.
 */
#include "expect.h"
#include "fake_driver.h"
#include "heddle_rt/artifact.h"
#include "sample_pack.h"

#include <dlfcn.h>
#include <stdlib.h>

static _Alignas(64) float q[4096], k[4096], out[4];
static _Alignas(256) unsigned char workspace[256];
static int64_t q_sizes[4], q_strides[4], k_sizes[2], k_strides[2], four[] = {4};
static heddle_arg args[4];
static heddle_pack *pack;
static uint32_t entry;
static fake_driver_state *fake;

/* q as (b, t, h, d) seen in the order (b, h, t, d); k rows of 40 elements of which 32 count. */
static void reset(void) {
  memcpy(q_sizes, (int64_t[]){2, 3, 5, 64}, sizeof q_sizes);
  memcpy(q_strides, (int64_t[]){5 * 3 * 64, 64, 3 * 64, 1}, sizeof q_strides);
  memcpy(k_sizes, (int64_t[]){7, 32}, sizeof k_sizes);
  memcpy(k_strides, (int64_t[]){40, 1}, sizeof k_strides);
  args[0] = tensor(HEDDLE_BF16, 4, q, q_sizes, q_strides);
  args[1] = integer(6);
  args[2] = tensor(HEDDLE_F32, 2, k, k_sizes, k_strides);
  args[3] = tensor(HEDDLE_F32, 1, out, four, NULL);
  fake->launch_count = fake->map_count = 0;
  fake->zeroed_bytes = 0;
}

static heddle_status run_on(int32_t index) {
  return heddle_run(pack, entry, (heddle_device){HEDDLE_DEVICE_CUDA, index}, args, 4, workspace, sizeof workspace,
                    NULL);
}

/* The types, swizzles and promotions are those of cuda.h. */
static void parameters(void) {
  EXPECT_OK(run_on(0));
  EXPECT_EQ(fake->map_count, 2);
  const fake_map expected_q = {.type = 9,
                               .swizzle = 3,
                               .promotion = 3,
                               .rank = 4,
                               .address = (uintptr_t)q,
                               .sizes = {64, 5, 3, 2},
                               .strides = {384, 128, 1920},
                               .box = {64, 128, 2, 1},
                               .element_strides = {1, 1, 1, 1}};
  const fake_map expected_k = {.type = 7,
                               .swizzle = 2,
                               .promotion = 3,
                               .rank = 2,
                               .address = (uintptr_t)k,
                               .sizes = {32, 7},
                               .strides = {160},
                               .box = {16, 32},
                               .element_strides = {1, 1}};
  EXPECT(memcmp(&fake->maps[0], &expected_q, sizeof expected_q) == 0);
  EXPECT(memcmp(&fake->maps[1], &expected_k, sizeof expected_k) == 0);
  EXPECT_EQ(fake->launch_count, 2);
  EXPECT_EQ(fake->launches[0].listed, 0);
  EXPECT_EQ(fake->launches[0].slot_count, 3);
  const fake_launch *launch = &fake->launches[1];
  EXPECT(strcmp(launch->function, "mapped PTX 0") == 0);
  EXPECT_EQ(launch->listed, 1); /* where a map lies in the buffer is the driver's business */
  const int64_t slots[] = {
      (int64_t)(uintptr_t)q,         2, 3, 5, 64, 960, 64, 192, 1, 6, (int64_t)(uintptr_t)k, 7, 32, 40, 1,
      (int64_t)(uintptr_t)workspace, -1};
  EXPECT(memcmp(launch->slots, slots, sizeof slots) == 0);
  for (int map = 0; map < 2; ++map)
    for (int i = 0; i < 128; ++i)
      EXPECT_EQ(launch->maps[map][i], 0x40 + map);
}

/* Sizes of 1 and 0: their strides mean nothing, and an empty memref has no address. */
static void degenerate(void) {
  q_sizes[0] = q_sizes[1] = 1;
  q_strides[0] = 3, q_strides[1] = -7;
  k_sizes[0] = 0;
  k_strides[0] = -1;
  args[2].data = NULL;
  EXPECT_OK(run_on(0));
  EXPECT_EQ(fake->launch_count, 2);
  EXPECT_EQ(fake->maps[0].sizes[1], 5);
  EXPECT_EQ(fake->maps[0].sizes[2], 1);
  EXPECT_EQ(fake->maps[0].strides[0], 384);
  EXPECT_EQ(fake->maps[0].strides[1], 128);
  EXPECT_EQ(fake->maps[0].strides[2], 128);
  EXPECT_EQ(fake->maps[1].sizes[0], 32);
  EXPECT_EQ(fake->maps[1].sizes[1], 1);
  EXPECT_EQ(fake->launches[1].slots[10], 0); /* the slots stay as they are */
  EXPECT_EQ(fake->launches[1].slots[11], 0);
  q_sizes[2] = 0; /* one empty dimension makes all strides meaningless */
  q_strides[2] = 5;
  EXPECT_OK(run_on(0));
  EXPECT_EQ(fake->maps[2].sizes[1], 1);
  EXPECT_EQ(fake->maps[2].strides[0], 128);
}

static void refusals(void) {
  k_strides[0] = 39;
  EXPECT_STATUS(run_on(0), HEDDLE_DRIVER, "kernel mapped: expected a tensor map of argument 2 at 0x");
  EXPECT(strstr(heddle_last_error(), " with sizes 7 32 and strides 39 1, got cuda error 1: "));
  EXPECT_EQ(fake->launch_count, 0); /* nothing ran, not even what needs no map */
  EXPECT_EQ(fake->zeroed_bytes, 0);
  EXPECT_EQ(fake->depth, 0);
  reset();
  q_strides[2] = -192;
  EXPECT_STATUS(run_on(0), HEDDLE_DRIVER, "a tensor map of argument 0 at 0x");
  reset();
  args[0].data = (char *)q + 8;
  EXPECT_STATUS(run_on(0), HEDDLE_DRIVER, " with sizes 2 3 5 64 and strides 960 64 192 1, got ");
  args[1].i64 = 10; /* the variant without maps takes them */
  EXPECT_OK(run_on(0));
  EXPECT_EQ(fake->launch_count, 1);
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 1;
  void *library = dlopen("libcuda.so.1", RTLD_NOW);
  fake = library ? dlsym(library, "fake_driver") : NULL;
  if (!fake) {
    printf("expected the fake driver in LD_LIBRARY_PATH, got: %s\n", library ? "another" : dlerror());
    return 1;
  }
  pack = sample_pack_load(argv[1]);
  entry = entry_of(pack, "mapped");
  fake->listed_slots = 17;
  fake->listed_maps = 2;
  reset(), parameters();
  reset(), degenerate();
  reset(), refusals();
  heddle_unload(pack);
  return expect_summary();
}
