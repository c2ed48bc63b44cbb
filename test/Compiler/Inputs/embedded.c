/* embedded.c - run the pack that is in this program, or in a shared library that it is linked with, through the header
 * that heddle-compile wrote. Causal attention, compared with a plain loop in double.
 */
#include "causal.h"

#include "heddle_rt/artifact.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADS = 2, LENGTH = 70, WIDTH = 64, ELEMENTS = HEADS * LENGTH * WIDTH };
static float q[ELEMENTS], k[ELEMENTS], v[ELEMENTS], out[ELEMENTS];

static double wanted(int head, int i, int column) {
  double sum = 0, value = 0;
  const int start = head * LENGTH * WIDTH;
  for (int j = 0; j <= i; ++j) {
    double score = 0;
    for (int d = 0; d < WIDTH; ++d)
      score += (double)q[start + i * WIDTH + d] * k[start + j * WIDTH + d];
    const double weight = exp(score * 0.125);
    sum += weight;
    value += weight * v[start + j * WIDTH + column];
  }
  return value / sum;
}

int main(void) {
  const int64_t sizes[] = {1, HEADS, LENGTH, WIDTH};
  float *const tensors[] = {q, k, v, NULL, out};
  heddle_arg arguments[CAUSAL_ATTEND_ARGUMENTS];
  memset(arguments, 0, sizeof arguments);
  for (int i = 0; i < ELEMENTS; ++i) {
    q[i] = (float)sin(i), k[i] = (float)cos(3 * i), v[i] = (float)sin(5 * i + 1);
    out[i] = NAN;
  }
  for (int i = 0; i < CAUSAL_ATTEND_ARGUMENTS; ++i) {
    arguments[i].kind = tensors[i] ? HEDDLE_ARG_TENSOR : HEDDLE_ARG_F64;
    arguments[i].dtype = HEDDLE_F32;
    arguments[i].rank = 4;
    arguments[i].data = tensors[i];
    arguments[i].sizes = sizes;
    arguments[i].f64 = 0.125;
  }
  heddle_device device = {HEDDLE_DEVICE_CPU, 0};
  heddle_pack *pack = NULL;
  size_t bytes = 0;
  if (causal_load(&pack) || causal_attend_workspace(pack, device, arguments, &bytes)) {
    printf("expected a pack that loads, got: %s\n", heddle_last_error());
    return 1;
  }
  char *memory = malloc(bytes + 256);
  void *workspace = memory + (256 - (uintptr_t)memory % 256);
  if (causal_attend(pack, device, arguments, workspace, bytes, NULL)) {
    printf("expected a run, got: %s\n", heddle_last_error());
    return 1;
  }
  double largest = 0;
  for (int i = 0; i < ELEMENTS; ++i) {
    double difference = fabs(out[i] - wanted(i / (LENGTH * WIDTH), i / WIDTH % LENGTH, i % WIDTH));
    largest = difference <= largest ? largest : difference; /* a NaN stays */
  }
  heddle_unload(pack);
  free(memory);
  printf("%s: largest difference %.2g\n", largest < 1e-5 ? "agrees" : "differs", largest);
  return !(largest < 1e-5);
}
