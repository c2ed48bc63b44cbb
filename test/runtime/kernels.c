/* kernels.c - CPU kernels as a compiler would leave them (contract 3 of dialects/README.md): no libc, one block a call.
 * A memref of rank r is 1 + 2r slots: address, sizes, strides in elements.
 */
#include <stdint.h>

#define KERNEL(name)                                                                                                   \
  __attribute__((visibility("default"))) void name(const int64_t *slots, int64_t x, int64_t y, int64_t z)

static float slot_float(int64_t slot) {
  union {
    uint32_t bits;
    float value;
  } word = {(uint32_t)slot};
  return word.value;
}

/* (a: 2 x f32, factor: f32, out: 2 x f32, sums: buffer of f64): a row per block. */
KERNEL(scale_row) {
  (void)y, (void)z;
  const float *a = (const float *)slots[0] + x * slots[3];
  float factor = slot_float(slots[5]), *out = (float *)slots[6] + x * slots[9];
  double sum = 0;
  for (int64_t i = 0; i < slots[2]; ++i) {
    out[i * slots[10]] = a[i * slots[4]] * factor;
    sum += out[i * slots[10]];
  }
  ((double *)slots[11])[x] = sum;
}

/* (sums: buffer, rows: index, total: 1 x f64) */
KERNEL(add_sums) {
  (void)x, (void)y, (void)z;
  double total = 0;
  for (int64_t i = 0; i < slots[1]; ++i)
    total += ((const double *)slots[0])[i];
  *(double *)slots[2] = total;
}

/* (out: 3 x i64): counts in its low byte how often each block ran, with its place above. */
KERNEL(where) {
  int64_t *place = (int64_t *)slots[0] + z * slots[4] + y * slots[5] + x * slots[6];
  *place = ((x + 1000 * y + 1000000 * z) << 8) + (*place & 255) + 1;
}

/* (out: 1 x i64, value, at) */
KERNEL(put) {
  (void)x, (void)y, (void)z;
  ((int64_t *)slots[0])[slots[4]] = slots[3];
}

/* (out: 1 x i64, buffer, bytes): how many bytes are not 0; leaves them dirty. */
KERNEL(count_dirty) {
  (void)x, (void)y, (void)z;
  volatile unsigned char *bytes = (unsigned char *)slots[3];
  int64_t dirty = 0;
  for (int64_t i = 0; i < slots[4]; ++i) {
    dirty += bytes[i] != 0;
    bytes[i] = 0xff;
  }
  *(int64_t *)slots[0] += dirty;
}

/* (out: 1 x i64): the floating-point state, without the flags of what happened. */
KERNEL(float_state) {
  (void)y, (void)z;
#if defined(__x86_64__)
  ((int64_t *)slots[0])[x] = __builtin_ia32_stmxcsr() & ~0x3fu;
#else
  ((int64_t *)slots[0])[x] = 0x1f80;
#endif
}

/* (status: buffer, word) */
KERNEL(raise_status) {
  (void)x, (void)y, (void)z;
  *(volatile uint32_t *)slots[0] = (uint32_t)slots[1];
}

/* (out: 1 x i64): a frame of three and a half megabytes, every page of it written. */
KERNEL(big_frame) {
  (void)y, (void)z;
  volatile char frame[(4 << 20) - (1 << 19)];
  int64_t sum = 0;
  for (int64_t i = 0; i < (int64_t)sizeof frame; i += 4096) {
    frame[i] = 1;
    sum += frame[i];
  }
  ((int64_t *)slots[0])[x] = sum;
}

/* (out: 1 x i64, turns): a block that takes its time. */
KERNEL(busy) {
  (void)y, (void)z;
  volatile int64_t value = x;
  for (int64_t i = 0; i < slots[3]; ++i)
    value = value + 1;
  ((int64_t *)slots[0])[x] = value;
}

/* Any parameters. */
KERNEL(nothing) { (void)slots, (void)x, (void)y, (void)z; }

/* e^x for x <= 0 without libm: 2^whole * 2^part, the second by its series. */
static double exponential(double x) {
  double scaled = x * 1.4426950408889634;
  if (scaled < -1000)
    return 0;
  int64_t whole = (int64_t)scaled - 1;
  double part = (scaled - (double)whole) * 0.6931471805599453, term = 1, sum = 1;
  for (int i = 1; i < 24; ++i)
    sum += term *= part / i;
  union {
    uint64_t bits;
    double value;
  } power = {(uint64_t)(whole + 1023) << 52};
  return power.value * sum;
}

/* (q, k, v: 4 x f32, scale: f32, out: 4 x f32), a query per block: causal attention as runtime/example checks it. */
KERNEL(attend_row) {
  enum { DATA, SIZE, STRIDE = 5, NEXT = 9, LARGEST_WIDTH = 512 };
  const int64_t *q = slots, *k = q + NEXT, *v = k + NEXT, *o = v + NEXT + 1;
  const float *query = (const float *)q[DATA] + z * q[STRIDE] + y * q[STRIDE + 1] + x * q[STRIDE + 2];
  double scale = slot_float(v[NEXT]), largest = -1e300, sum = 0, row[LARGEST_WIDTH] = {0};
  for (int64_t j = 0; j <= x && j < k[SIZE + 2]; ++j) {
    const float *key = (const float *)k[DATA] + z * k[STRIDE] + y * k[STRIDE + 1] + j * k[STRIDE + 2];
    const float *value = (const float *)v[DATA] + z * v[STRIDE] + y * v[STRIDE + 1] + j * v[STRIDE + 2];
    double score = 0;
    for (int64_t d = 0; d < q[SIZE + 3]; ++d)
      score += (double)query[d] * key[d];
    score *= scale;
    double rescale = score > largest ? exponential(largest - score) : 1;
    largest = score > largest ? score : largest;
    double weight = exponential(score - largest);
    sum = sum * rescale + weight;
    for (int64_t d = 0; d < v[SIZE + 3]; ++d)
      row[d] = row[d] * rescale + weight * value[d];
  }
  float *out = (float *)o[DATA] + z * o[STRIDE] + y * o[STRIDE + 1] + x * o[STRIDE + 2];
  for (int64_t d = 0; d < o[SIZE + 3]; ++d)
    out[d] = (float)(row[d] / sum);
}
