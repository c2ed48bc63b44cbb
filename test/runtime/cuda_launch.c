/* cuda_launch.c - what reaches the driver: parameters, grids, shared memory, streams, modules per device.
 * LD_LIBRARY_PATH holds the fake driver.
 */
#include "expect.h"
#include "fake_driver.h"
#include "heddle_rt/artifact.h"
#include "sample_pack.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

static _Alignas(4096) float a[64], out[4];
static _Alignas(256) unsigned char workspace[1024];
static int64_t sizes[] = {3, 8}, strides[] = {16, 1}, four[] = {4};
static heddle_arg args[4];
static heddle_pack *pack;
static uint32_t entry;
static fake_driver_state *fake;
static void *const stream = (void *)0x77;

static heddle_device device(int32_t index) { return (heddle_device){HEDDLE_DEVICE_CUDA, index}; }

static void reset(void) {
  strides[0] = 16;
  args[0] = tensor(HEDDLE_F32, 2, a, sizes, strides);
  args[1] = integer(-2);
  args[1].i64 = 2;
  args[2] = number(1.5);
  args[3] = tensor(HEDDLE_F32, 1, out, four, NULL);
  fake->launch_count = 0;
  fake->zeroed_bytes = 0;
}

static heddle_status run_on(int32_t index) {
  return heddle_run(pack, entry, device(index), args, 4, workspace, sizeof workspace, stream);
}

static void parameters(void) {
  size_t bytes = 0;
  EXPECT_OK(heddle_workspace_bytes(pack, entry, device(0), args, 4, &bytes));
  EXPECT_EQ(bytes, 256 + 512 + 256);
  EXPECT_EQ(fake->loads, 0); /* a question loads nothing */
  memset(workspace, 0xee, sizeof workspace);
  EXPECT_OK(run_on(0));
  EXPECT_EQ(fake->inits, 1);
  EXPECT_EQ(fake->launch_count, 2);
  EXPECT_EQ(fake->synchronisations, 0);
  EXPECT_EQ(fake->depth, 0);
  const fake_launch *first = &fake->launches[0], *second = &fake->launches[1];
  EXPECT(strcmp(first->function, "first CUBIN 0") == 0);
  const int64_t expected[] = {(int64_t)(uintptr_t)a, 3, 8, 16, 1, 2, 0x3fc00000, (int64_t)(uintptr_t)workspace + 256};
  EXPECT_EQ(first->slot_count, 8);
  EXPECT(memcmp(first->slots, expected, sizeof expected) == 0);
  EXPECT(first->grid[0] == 3 && first->grid[1] == 2 && first->grid[2] == 1);
  EXPECT(first->block[0] == 128 && first->block[1] == 2 && first->block[2] == 1);
  EXPECT_EQ(first->shared, 100000);
  EXPECT_EQ(first->opted_in, 100000);
  EXPECT(first->stream == stream && second->stream == stream);
  EXPECT(strcmp(second->function, "second PTX 0") == 0);
  const int64_t expected_second[] = {(int64_t)(uintptr_t)workspace + 768, 132, (int64_t)(uintptr_t)out, 4, 1};
  EXPECT_EQ(second->slot_count, 5);
  EXPECT(memcmp(second->slots, expected_second, sizeof expected_second) == 0);
  EXPECT(second->grid[0] == 1 && second->grid[1] == 1 && second->grid[2] == 1);
  EXPECT_EQ(second->shared, 0);
  EXPECT_EQ(fake->launches[0].overlaps, 1); /* it waits itself */
  EXPECT_EQ(second->overlaps, 0);
  EXPECT_EQ(second->opted_in, 0);
  /* The two zeroed buffers are neighbours: one call. */
  EXPECT_EQ(fake->zeroed_bytes, 768);
  EXPECT(fake->zeroed_address == (uintptr_t)workspace + 256);
  EXPECT_EQ(workspace[255], 0xee);
}

static void devices(void) {
  const char *note = "";
  int loads = fake->loads;
  EXPECT_OK(run_on(0));
  EXPECT_EQ(fake->loads, loads); /* once per device */
  EXPECT_OK(heddle_explain(pack, entry, device(0), args, 4, &note));
  EXPECT(strcmp(note, "for 9.0 alone, 16-byte rows") == 0);
  EXPECT_OK(heddle_explain(pack, entry, device(1), args, 4, &note));
  EXPECT(strcmp(note, "from 8.0") == 0);
  EXPECT_EQ(fake->loads, loads);
  EXPECT_OK(heddle_prepare(pack, entry, device(1), args, 4));
  EXPECT_EQ(fake->loads, loads + 2);
  fake->launch_count = 0;
  EXPECT_OK(run_on(1));
  EXPECT_EQ(fake->loads, loads + 2);
  EXPECT(strcmp(fake->launches[0].function, "first CUBIN 1") == 0);
  EXPECT_EQ(fake->launches[1].slots[1], 131); /* multiprocessors of that device */
  strides[0] = 9;                             /* rows no longer aligned to 16 bytes */
  EXPECT_OK(heddle_explain(pack, entry, device(0), args, 4, &note));
  EXPECT(strcmp(note, "from 8.0") == 0);
  EXPECT_STATUS(run_on(2), HEDDLE_BAD_ARGUMENT, "expected a cuda device below 2, got 2");
  EXPECT_STATUS(run_on(-1), HEDDLE_BAD_ARGUMENT, "expected a cuda device below 2, got -1");
  uint32_t capability = 0, multiprocessors = 0;
  EXPECT_OK(heddle_cuda_device(1, &capability, &multiprocessors));
  EXPECT(capability == 80 && multiprocessors == 131);
  EXPECT_EQ(heddle_cuda_available(), 1);
  EXPECT_EQ(fake->inits, 1);
}

static void contexts(void) {
  void *current = NULL, *mine = NULL;
  int (*push)(void *), (*pop)(void **), (*get)(void **), (*retain)(void **, int);
  void *library = dlopen("libcuda.so.1", RTLD_NOW);
  *(void **)&push = dlsym(library, "cuCtxPushCurrent_v2");
  *(void **)&pop = dlsym(library, "cuCtxPopCurrent_v2");
  *(void **)&get = dlsym(library, "cuCtxGetCurrent");
  *(void **)&retain = dlsym(library, "cuDevicePrimaryCtxRetain");
  retain(&mine, 101);
  push(mine); /* the caller works on device 1 and runs on device 0 */
  EXPECT_OK(run_on(0));
  get(&current);
  EXPECT(current == mine);
  int pushes = fake->pushes;
  EXPECT_OK(run_on(1));
  EXPECT_EQ(fake->pushes, pushes); /* it is current already */
  get(&current);
  EXPECT(current == mine);
  pop(&current);
}

static void errors(void) {
  fake->fail_launch = 1;
  EXPECT_STATUS(run_on(0), HEDDLE_DRIVER,
                "kernel first: expected a launch, got cuda error 719: CUDA_ERROR_LAUNCH_FAILED (as the test asked)");
  EXPECT_EQ(fake->depth, 0);
  fake->fail_launch = 0;
  fake->zeroed_bytes = 0;
  args[1].i64 = 65536;
  EXPECT_STATUS(run_on(0), HEDDLE_BAD_ARGUMENT,
                "device: kernel first: expected 0 to 65535 blocks in grid dimension 1, got 65536");
  EXPECT_EQ(fake->launch_count, 0);
  EXPECT_EQ(fake->zeroed_bytes, 0);
  args[1].i64 = 0; /* an empty grid: only the second kernel */
  EXPECT_OK(run_on(0));
  EXPECT_EQ(fake->launch_count, 1);
  EXPECT_STATUS(heddle_run(pack, entry, cpu_device, args, 4, NULL, 0, NULL), HEDDLE_UNSUPPORTED,
                "device: expected a variant for a cpu with features");
  EXPECT_STATUS(heddle_run(pack, 4, device(0), &args[3], 1, NULL, 0, NULL), HEDDLE_BAD_ARGUMENT, "expected dtype i64");
  heddle_arg words = tensor(HEDDLE_I64, 1, workspace, four, NULL);
  EXPECT_STATUS(heddle_run(pack, 4, device(0), &words, 1, NULL, 0, NULL), HEDDLE_UNSUPPORTED,
                "frames: expected a variant for cuda capability 9.0 and driver 13000, got: cpu with features 0x0");
}

static void checks(void) {
  uint32_t word = 0;
  heddle_set_check(1);
  EXPECT_OK(run_on(0));
  EXPECT_EQ(fake->synchronisations, 1);
  fake->raise = 6;
  EXPECT_STATUS(run_on(0), HEDDLE_VALUE, "device: expected values within their arrays, got status word 6");
  fake->capturing = 1; /* a capture cannot be waited for */
  int before = fake->synchronisations;
  EXPECT_OK(run_on(0));
  EXPECT_EQ(fake->synchronisations, before);
  fake->capturing = 0;
  heddle_set_check(0);
  EXPECT_OK(run_on(0));
  EXPECT_EQ(fake->synchronisations, before);
  EXPECT_OK(heddle_status_word(pack, entry, device(0), args, 4, workspace, stream, &word));
  EXPECT_EQ(word, 6);
  EXPECT_EQ(fake->synchronisations, before + 1);
  fake->raise = 0;
}

/* A cubin that the device does not take, then PTX; and no PTX either. */
static void images(const char *library) {
  heddle_pack *other = sample_pack_load(library);
  fake->most_threads = 255; /* as with too many registers */
  EXPECT_STATUS(heddle_run(other, entry, device(0), args, 4, workspace, sizeof workspace, stream), HEDDLE_UNSUPPORTED,
                "kernel first: expected room for 256 threads a block, got 255 on this device");
  EXPECT_EQ(fake->launch_count, 0);
  fake->most_threads = 1024;
  heddle_unload(other);
  other = sample_pack_load(library);
  fake->refuse_cubins = 1;
  EXPECT_OK(heddle_run(other, entry, device(0), args, 4, workspace, sizeof workspace, stream));
  EXPECT(strcmp(fake->launches[0].function, "first PTX 0") == 0);
  fake->refuse_cubins = 0;
  EXPECT_OK(heddle_run(other, entry, device(1), args, 4, workspace, sizeof workspace, stream));
  int loaded = fake->loads, unloaded = fake->unloads;
  heddle_unload(other);
  EXPECT_EQ(fake->unloads, unloaded + 4);
  EXPECT_EQ(fake->loads, loaded);
  EXPECT_EQ(fake->depth, 0);
}

static _Atomic int failures;
static _Alignas(256) unsigned char own_workspaces[4][1024];
static void *caller(void *index) {
  int number = *(int *)index;
  for (int i = 0; i < 50; ++i)
    failures += heddle_run(pack, entry, device(number & 1), args, 4, own_workspaces[number], 1024, stream) != HEDDLE_OK;
  return NULL;
}

/* First use from several threads loads once per device. */
static void threads(const char *library) {
  heddle_pack *kept = pack;
  pack = sample_pack_load(library);
  pthread_t callers[4];
  int numbers[] = {0, 1, 2, 3}, loads = fake->loads;
  for (int i = 0; i < 4; ++i)
    pthread_create(&callers[i], NULL, caller, &numbers[i]);
  for (int i = 0; i < 4; ++i)
    pthread_join(callers[i], NULL);
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(fake->loads, loads + 4);
  EXPECT_EQ(fake->launch_count, 400);
  heddle_unload(pack);
  pack = kept;
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
  entry = entry_of(pack, "device");
  reset(), parameters();
  reset(), devices();
  reset(), contexts();
  reset(), errors();
  reset(), checks();
  reset(), images(argv[1]);
  reset(), threads(argv[1]);
  heddle_unload(pack);
  EXPECT_EQ(fake->unloads, fake->loads);
  return expect_summary();
}
