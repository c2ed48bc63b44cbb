/* attend.c - run compiled attention from C99, with libc, libdl and the Heddle runtime only.
 *
 *   heddle-compile runtime/example/attend.mlir --target=cpu -o attend.pack
 *   cc -std=c99 runtime/example/attend.c runtime/example/device_memory.c -I runtime/include
 * build/runtime/libheddle_rt.a \ -lm -lpthread -ldl -o attend
 *   ./attend attend.pack            on the CPU
 *   ./attend attend.pack --cuda     on the first GPU (compile with --target=sm_90a,cpu)
 *
 * Compares with a plain loop in double and prints the largest difference.
 */
#include "device_memory.h"

#include "heddle_rt/artifact.h"
#include "heddle_rt/heddle_rt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 2, HEADS = 3, LENGTH = 150, WIDTH = 64, ELEMENTS = BATCH * HEADS * LENGTH * WIDTH };
static const double scale = 0.125; /* 1 / sqrt(WIDTH) */

static float q[ELEMENTS], k[ELEMENTS], v[ELEMENTS], out[ELEMENTS];

/* Some numbers between -1 and 1. */
static void fill(float *values, unsigned seed) {
  for (int i = 0; i < ELEMENTS; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = (float)(seed >> 8) / (1 << 23) - 1;
  }
}

/* One row: softmax over the keys j <= i. */
static void attend_row(const float *query, const float *keys, const float *values, int i, double *row) {
  double weights[LENGTH], largest = -INFINITY, sum = 0;
  for (int j = 0; j <= i; ++j) {
    weights[j] = 0;
    for (int d = 0; d < WIDTH; ++d)
      weights[j] += (double)query[d] * keys[j * WIDTH + d];
    weights[j] *= scale;
    largest = fmax(largest, weights[j]);
  }
  memset(row, 0, WIDTH * sizeof *row);
  for (int j = 0; j <= i; ++j) {
    double weight = exp(weights[j] - largest);
    sum += weight;
    for (int d = 0; d < WIDTH; ++d)
      row[d] += weight * values[j * WIDTH + d];
  }
  for (int d = 0; d < WIDTH; ++d)
    row[d] /= sum;
}

static double largest_difference(void) {
  double row[WIDTH], largest = 0;
  for (int head = 0; head < BATCH * HEADS; ++head) {
    const int start = head * LENGTH * WIDTH;
    for (int i = 0; i < LENGTH; ++i) {
      attend_row(q + start + i * WIDTH, k + start, v + start, i, row);
      for (int d = 0; d < WIDTH; ++d) {
        double difference = fabs(row[d] - out[start + i * WIDTH + d]);
        largest = difference <= largest ? largest : difference; /* a NaN stays */
      }
    }
  }
  return largest;
}

static heddle_arg tensor(void *data, const int64_t *sizes) {
  heddle_arg arg;
  memset(&arg, 0, sizeof arg);
  arg.kind = HEDDLE_ARG_TENSOR;
  arg.dtype = HEDDLE_F32;
  arg.rank = 4;
  arg.data = data;
  arg.sizes = sizes; /* no strides: contiguous */
  return arg;
}

/* 256-byte aligned host memory inside a block that is to be freed. */
static void *aligned_host(size_t bytes, void **block) {
  *block = malloc(bytes + 255);
  return *block ? (void *)(((uintptr_t)*block + 255) & ~(uintptr_t)255) : NULL;
}

static heddle_status attend(heddle_pack *pack, heddle_device device, float *const arrays[4]) {
  const int64_t sizes[4] = {BATCH, HEADS, LENGTH, WIDTH};
  heddle_arg args[5];
  for (int i = 0; i < 3; ++i)
    args[i] = tensor(arrays[i], sizes);
  memset(&args[3], 0, sizeof args[3]);
  args[3].kind = HEDDLE_ARG_F64;
  args[3].f64 = scale;
  args[4] = tensor(arrays[3], sizes);
  uint32_t entry;
  size_t bytes;
  heddle_status status = heddle_find(pack, "attend", &entry);
  if (status == HEDDLE_OK)
    status = heddle_workspace_bytes(pack, entry, device, args, 5, &bytes);
  if (status != HEDDLE_OK)
    return status;
  void *block = NULL;
  void *workspace = bytes == 0                          ? NULL
                    : device.kind == HEDDLE_DEVICE_CUDA ? device_new(bytes)
                                                        : aligned_host(bytes, &block);
  status = heddle_run(pack, entry, device, args, 5, workspace, bytes, NULL);
  free(block);
  return status;
}

static heddle_status attend_on_cpu(heddle_pack *pack) {
  float *const arrays[4] = {q, k, v, out};
  heddle_device cpu = {HEDDLE_DEVICE_CPU, 0};
  return attend(pack, cpu, arrays);
}

static heddle_status attend_on_cuda(heddle_pack *pack) {
  heddle_device cuda = {HEDDLE_DEVICE_CUDA, 0};
  const float *inputs[3] = {q, k, v};
  float *arrays[4];
  for (int i = 0; i < 4; ++i) {
    arrays[i] = device_new(sizeof out);
    if (!arrays[i] || (i < 3 && !device_write(arrays[i], inputs[i], sizeof out)))
      return HEDDLE_DRIVER;
  }
  heddle_status status = attend(pack, cuda, arrays);
  if (status == HEDDLE_OK && !device_read(out, arrays[3], sizeof out)) /* waits for the default stream */
    status = HEDDLE_DRIVER;
  return status;
}

int main(int argc, char **argv) {
  int cuda = argc == 3 && strcmp(argv[2], "--cuda") == 0;
  if (argc != 2 && !cuda) {
    fprintf(stderr, "usage: attend PACK [--cuda]\n");
    return 1;
  }
  fill(q, 1), fill(k, 2), fill(v, 3);
  for (int i = 0; i < ELEMENTS; ++i)
    out[i] = NAN; /* what is not written shows */
  heddle_pack *pack;
  heddle_status status = heddle_load_file(argv[1], &pack);
  if (status == HEDDLE_OK) {
    if (cuda && !device_open())
      return 1;
    status = cuda ? attend_on_cuda(pack) : attend_on_cpu(pack);
    heddle_unload(pack);
  }
  if (status != HEDDLE_OK) {
    fprintf(stderr, "%s: %s\n", heddle_status_name(status), heddle_last_error());
    return 1;
  }
  double difference = largest_difference(), bound = cuda ? 2e-3 : 1e-5; /* a GPU multiplies f32 as tf32 */
  printf("%d x %d x %d x %d on %s: largest difference %.2e, bound %.0e\n", BATCH, HEADS, LENGTH, WIDTH,
         cuda ? "cuda" : "cpu", difference, bound);
  return !(difference <= bound);
}
