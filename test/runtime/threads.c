/* threads.c - several callers at once: first use, blocks of all of them, and a pool that sleeps when nobody calls. */
#include "expect.h"
#include "heddle_rt/artifact.h"
#include "sample_pack.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { CALLERS = 4, ROUNDS = 60 };
static heddle_pack *pack;
static _Atomic int wrong;

/* Runs `where` over grids of changing shape; counts blocks that did not run exactly once. */
static void *caller(void *number) {
  int64_t *out = malloc(sizeof *out * 40 * 9 * 3);
  uint32_t entry = entry_of(pack, "where");
  for (int64_t round = 0; round < ROUNDS; ++round) {
    int64_t x = 1 + (round * 7 + *(int *)number) % 40, y = 1 + round % 9, z = 1 + round % 3, sizes[] = {z, y, x};
    memset(out, 0, sizeof *out * (size_t)(x * y * z));
    heddle_arg arg = tensor(HEDDLE_I64, 3, out, sizes, NULL);
    wrong += heddle_run(pack, entry, cpu_device, &arg, 1, NULL, 0, NULL) != HEDDLE_OK;
    for (int64_t i = 0; i < x * y * z; ++i)
      wrong += out[i] != ((i % x + 1000 * (i / x % y) + 1000000 * (i / (x * y))) << 8) + 1;
    if (round % 16 == 0) { /* each thread has its own message */
      arg.rank = (uint32_t)(100 + *(int *)number);
      char expected[64];
      snprintf(expected, sizeof expected, "expected rank 3, got %d", 100 + *(int *)number);
      wrong += heddle_run(pack, entry, cpu_device, &arg, 1, NULL, 0, NULL) != HEDDLE_BAD_ARGUMENT;
      wrong += strstr(heddle_last_error(), expected) == NULL;
    }
  }
  free(out);
  return NULL;
}

static void callers(int attributes_small) {
  pthread_t threads[CALLERS];
  int numbers[CALLERS];
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (attributes_small) /* no room for a kernel: workers do it all */
    pthread_attr_setstacksize(&attributes, 512 << 10);
  for (int i = 0; i < CALLERS; ++i) {
    numbers[i] = i;
    EXPECT_EQ(pthread_create(&threads[i], &attributes, caller, &numbers[i]), 0);
  }
  for (int i = 0; i < CALLERS; ++i)
    pthread_join(threads[i], NULL);
  pthread_attr_destroy(&attributes);
  EXPECT_EQ(wrong, 0);
}

static double processor_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 1;
  alarm(100); /* a hang is a failure, soon */
  const char *asked = getenv("HEDDLE_NUM_THREADS");
  if (asked && atoi(asked) > 0)
    EXPECT_EQ(heddle_num_threads(), atoi(asked));
  else
    EXPECT(heddle_num_threads() >= 1);
  pack = sample_pack_load(argv[1]); /* first use is among the callers */
  callers(0);
  callers(1);
  for (uint32_t threads = 1; threads <= 8; threads *= 2) {
    heddle_set_num_threads(threads);
    callers(0);
  }
  usleep(20000);
  double before = processor_seconds();
  usleep(200000);
  EXPECT(processor_seconds() - before < 0.1);
  heddle_unload(pack);
  return expect_summary();
}
