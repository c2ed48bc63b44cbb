/* run_cpu.c - a pack runs on the CPU: values, strides, grids, workspace, zeroed buffers, status word, file loading. */
#include "expect.h"
#include "heddle_rt/artifact.h"
#include "sample_pack.h"

#include <pthread.h>
#include <stdlib.h>

static _Alignas(256) unsigned char workspace[1 << 16];

/* Rows of a with a stride of `pitch`, negative from the last row up. */
static void scale(heddle_pack *pack, int64_t rows, int64_t columns, int64_t pitch) {
  static float a[20000], out[20000];
  int64_t sizes[] = {rows, columns}, strides[] = {pitch, 1}, one[] = {1}, span = pitch < 0 ? -pitch : pitch;
  float *first = pitch < 0 ? a + span * (rows - 1) : a;
  double total = -1, expected = 0;
  for (int i = 0; i < 20000; ++i)
    a[i] = (float)(i % 97) - 30, out[i] = -7;
  heddle_arg args[] = {tensor(HEDDLE_F32, 2, first, sizes, strides), number(0.5),
                       tensor(HEDDLE_F32, 2, out, sizes, NULL), tensor(HEDDLE_F64, 1, &total, one, NULL)};
  uint32_t entry = entry_of(pack, "scale");
  size_t bytes = 1;
  EXPECT_OK(heddle_workspace_bytes(pack, entry, cpu_device, args, 4, &bytes));
  EXPECT_EQ(bytes, (rows * 8 + 255) / 256 * 256);
  EXPECT_OK(heddle_run(pack, entry, cpu_device, args, 4, workspace, sizeof workspace, NULL));
  int wrong = 0;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column) {
      float value = first[row * pitch + column] * 0.5f;
      wrong += out[row * columns + column] != value;
      expected += value;
    }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(out[rows * columns], -7);
  EXPECT(total == expected);
}

static void where(heddle_pack *pack, int64_t x, int64_t y, int64_t z) {
  int64_t sizes[] = {z, y, x};
  int64_t *out = calloc((size_t)(x * y * z + 1), sizeof *out), wrong = 0;
  heddle_arg arg = tensor(HEDDLE_I64, 3, out, sizes, NULL);
  EXPECT_OK(heddle_run(pack, entry_of(pack, "where"), cpu_device, &arg, 1, NULL, 0, NULL));
  for (int64_t i = 0; i < x * y * z; ++i)
    wrong += out[i] != ((i % x + 1000 * (i / x % y) + 1000000 * (i / (x * y))) << 8) + 1;
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(out[x * y * z], 0);
  free(out);
}

static void zeroed(heddle_pack *pack) {
  int64_t one[] = {1}, out = 0;
  heddle_arg args[] = {integer(100), tensor(HEDDLE_I64, 1, &out, one, NULL)};
  memset(workspace, 0xee, sizeof workspace);
  for (int i = 0; i < 2; ++i)
    EXPECT_OK(heddle_run(pack, entry_of(pack, "dirty"), cpu_device, args, 2, workspace, 2048, NULL));
  EXPECT_EQ(out, 0);
  EXPECT_EQ(workspace[0], 0xee); /* the buffers before and behind were not asked for */
  EXPECT_EQ(workspace[511], 0xee);
  EXPECT_EQ(workspace[512], 0xff);
  EXPECT_EQ(workspace[911], 0xff);
  EXPECT_EQ(workspace[1536], 0xee);
}

static void status_word(heddle_pack *pack) {
  int64_t one[] = {1}, out = 0;
  uint32_t word = 9, entry = entry_of(pack, "checked");
  heddle_arg args[] = {integer(0), tensor(HEDDLE_I64, 1, &out, one, NULL)};
  heddle_set_check(0);
  EXPECT_OK(heddle_run(pack, entry, cpu_device, args, 2, workspace, 2048, NULL));
  EXPECT_OK(heddle_status_word(pack, entry, cpu_device, args, 2, workspace, NULL, &word));
  EXPECT_EQ(word, 0);
  args[0].i64 = 5;
  EXPECT_OK(heddle_run(pack, entry, cpu_device, args, 2, workspace, 2048, NULL));
  EXPECT_OK(heddle_status_word(pack, entry, cpu_device, args, 2, workspace, NULL, &word));
  EXPECT_EQ(word, 5);
  heddle_set_check(1);
  EXPECT_STATUS(heddle_run(pack, entry, cpu_device, args, 2, workspace, 2048, NULL), HEDDLE_VALUE,
                "checked: expected values within their arrays, got status word 5");
  args[0].i64 = 0;
  EXPECT_OK(heddle_run(pack, entry, cpu_device, args, 2, workspace, 2048, NULL));
  setenv("HEDDLE_CHECK", "1", 1);
  heddle_set_check(-1);
  args[0].i64 = 3;
  EXPECT_STATUS(heddle_run(pack, entry, cpu_device, args, 2, workspace, 2048, NULL), HEDDLE_VALUE, "status word 3");
  heddle_set_check(0);
  word = 9;
  EXPECT_OK(heddle_status_word(
      pack, entry_of(pack, "where"), cpu_device,
      &(heddle_arg){
          .kind = HEDDLE_ARG_TENSOR, .dtype = HEDDLE_I64, .rank = 3, .data = &out, .sizes = (int64_t[]){1, 1, 1}},
      1, NULL, NULL, &word));
  EXPECT_EQ(word, 0); /* no status buffer */
}

typedef struct {
  int calls;
  size_t bytes;
  void *memory;
} arena;

static void *allocate(void *user, size_t bytes) {
  arena *from = user;
  ++from->calls;
  from->bytes = bytes;
  return from->memory;
}

/* Workspace from the caller's allocator: asked for once, with the size of the plan, and only where one is needed. */
static void allocating(heddle_pack *pack) {
  int64_t one[] = {1}, out = 7, three[] = {1, 1, 1};
  uint32_t entry = entry_of(pack, "dirty"), word = 9;
  heddle_arg args[] = {integer(100), tensor(HEDDLE_I64, 1, &out, one, NULL)};
  arena from = {0, 0, workspace};
  size_t bytes = 0;
  EXPECT_OK(heddle_workspace_bytes(pack, entry, cpu_device, args, 2, &bytes));
  EXPECT_OK(heddle_run_allocating(pack, entry, cpu_device, args, 2, allocate, &from, NULL));
  EXPECT_EQ(from.calls, 1);
  EXPECT_EQ(from.bytes, bytes);
  EXPECT_EQ(out, 7); /* the kernel adds what it finds in zeroed buffers */
  from.memory = NULL;
  EXPECT_STATUS(heddle_run_allocating(pack, entry, cpu_device, args, 2, allocate, &from, NULL), HEDDLE_WORKSPACE,
                "dirty: expected a workspace of at least");
  EXPECT_STATUS(heddle_run_allocating(pack, entry, cpu_device, args, 2, NULL, &from, NULL), HEDDLE_BAD_ARGUMENT,
                "expected a function that allocates, got null");
  args[0].kind = HEDDLE_ARG_F64; /* a plan that fails asks for nothing */
  EXPECT_STATUS(heddle_run_allocating(pack, entry, cpu_device, args, 2, allocate, &from, NULL), HEDDLE_BAD_ARGUMENT,
                "dirty: ");
  EXPECT_EQ(from.calls, 2);
  heddle_arg where = tensor(HEDDLE_I64, 3, &out, three, NULL);
  EXPECT_OK(heddle_run_allocating(pack, entry_of(pack, "where"), cpu_device, &where, 1, allocate, &from, NULL));
  EXPECT_EQ(from.calls, 2);
  args[0] = integer(5);
  from.memory = workspace;
  entry = entry_of(pack, "checked");
  EXPECT_OK(heddle_run_allocating(pack, entry, cpu_device, args, 2, allocate, &from, NULL));
  EXPECT_OK(heddle_status_word(pack, entry, cpu_device, args, 2, workspace, NULL, &word));
  EXPECT_EQ(word, 5);
}

static void *frames(void *pack) {
  int64_t out[8] = {0}, sizes[] = {8};
  heddle_arg arg = tensor(HEDDLE_I64, 1, out, sizes, NULL);
  EXPECT_OK(heddle_run(pack, entry_of(pack, "frames"), cpu_device, &arg, 1, NULL, 0, NULL));
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(out[i], ((4 << 20) - (1 << 19)) / 4096);
  return NULL;
}

/* A caller whose own stack has no room for a kernel: its blocks run on workers. */
static void small_stack(heddle_pack *pack) {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 << 10);
  EXPECT_EQ(pthread_create(&thread, &attributes, frames, pack), 0);
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attributes);
}

/* The caller flushes denormals, rounds down and traps on division by zero: blocks do not. */
static void float_state(heddle_pack *pack) {
  int64_t out[64] = {0}, sizes[] = {64}, wrong = 0;
  heddle_arg arg = tensor(HEDDLE_I64, 1, out, sizes, NULL);
#if defined(__x86_64__)
  unsigned before = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(0x1f80 ^ 0x8000 ^ 0x2000 ^ 0x200);
#endif
  heddle_status status = heddle_run(pack, entry_of(pack, "floats"), cpu_device, &arg, 1, NULL, 0, NULL);
#if defined(__x86_64__)
  unsigned after = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(before);
  EXPECT_EQ(after, 0x1f80 ^ 0x8000 ^ 0x2000 ^ 0x200);
#endif
  EXPECT_OK(status);
  for (int i = 0; i < 64; ++i)
    wrong += out[i] != 0x1f80;
  EXPECT_EQ(wrong, 0);
}

static void files(const char *library) {
  char path[] = "/tmp/heddle-test-XXXXXX";
  size_t size;
  unsigned char *bytes = sample_pack_bytes(library, &size);
  FILE *file = fdopen(mkstemp(path), "wb");
  EXPECT_EQ(fwrite(bytes, 1, size, file), size);
  fclose(file);
  heddle_pack *pack;
  EXPECT_OK(heddle_load_file(path, &pack));
  where(pack, 2, 1, 1);
  heddle_unload(pack);
  file = fopen(path, "wb");
  EXPECT_EQ(fwrite(bytes, 1, size / 2, file), size / 2);
  fclose(file);
  EXPECT_STATUS(heddle_load_file(path, &pack), HEDDLE_BAD_PACK, "it is truncated or damaged");
  EXPECT(strstr(heddle_last_error(), path) != NULL);
  remove(path);
  EXPECT_STATUS(heddle_load_file(path, &pack), HEDDLE_SYSTEM, "No such file");
  free(bytes);
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 1;
  /* Loaded and unloaded again and again: descriptors are reused, libraries must not be. */
  heddle_unload(sample_pack_load(argv[1]));
  heddle_pack *other = sample_pack_load(argv[1]), *pack = sample_pack_load(argv[1]);
  where(other, 3, 2, 1);
  EXPECT_EQ(heddle_content_hash(pack), 0x1234abcd5678ef90);
  EXPECT_EQ(heddle_entry_count(pack), 9);
  EXPECT(strcmp(heddle_entry_name(pack, 1), "where") == 0);
  EXPECT(strcmp(heddle_entry_spec(pack, 0), "func.func @scale(...)") == 0);
  EXPECT(heddle_entry_name(pack, 9) == NULL);
  scale(pack, 1, 1, 1);
  scale(pack, 100, 7, 7);
  scale(pack, 100, 5, 128);
  scale(pack, 33, 10, -16);
  scale(pack, 4, 9, 0);
  scale(pack, 300, 3, 8);
  for (int64_t z = 0; z < 3; ++z)
    for (int64_t y = 0; y < 4; ++y)
      for (int64_t x = 0; x < 5; ++x)
        where(pack, x, y, z);
  where(pack, 1000, 50, 3);
  zeroed(pack);
  status_word(pack);
  allocating(pack);
  frames(pack);
  small_stack(pack);
  for (uint32_t threads = 1; threads < 6; ++threads) {
    heddle_set_num_threads(threads);
    EXPECT_EQ(heddle_num_threads(), threads);
    where(pack, 17, 5, 3);
    small_stack(pack);
  }
  float_state(pack);
  heddle_set_num_threads(1);
  float_state(pack);
  heddle_set_num_threads(0);
  files(argv[1]);
  heddle_unload(other);
  where(pack, 7, 7, 7);
  heddle_unload(pack);
  heddle_unload(NULL);
  return expect_summary();
}
